/// The Node runtime's own files, part of the program: relative path below /var/runtime, content.
public enum NodeRuntime {
    public static let files: [(path: String, content: [UInt8])] = [
        ("bootstrap.cjs", PackageResources.bootstrap_cjs),
        ("copy.cjs", PackageResources.copy_cjs),
        ("frames.cjs", PackageResources.frames_cjs),
        ("handler.cjs", PackageResources.handler_cjs),
        ("invocation.cjs", PackageResources.invocation_cjs),
        ("output.cjs", PackageResources.output_cjs),
        ("streaming.cjs", PackageResources.streaming_cjs),
        ("surroundings.cjs", PackageResources.surroundings_cjs),
    ]
}

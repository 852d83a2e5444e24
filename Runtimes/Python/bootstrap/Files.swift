/// The Python runtime's own files, part of the program: relative path below /var/runtime, content.
public enum PythonRuntime {
    public static let files: [(path: String, content: [UInt8])] = [
        ("bootstrap.py", PackageResources.bootstrap_py),
        ("snapshot_restore_py.py", PackageResources.snapshot_restore_py_py),
        ("martlet_runtime/__init__.py", PackageResources.__init___py),
        ("martlet_runtime/codec.py", PackageResources.codec_py),
        ("martlet_runtime/compile.py", PackageResources.compile_py),
        ("martlet_runtime/context.py", PackageResources.context_py),
        ("martlet_runtime/environment.py", PackageResources.environment_py),
        ("martlet_runtime/faults.py", PackageResources.faults_py),
        ("martlet_runtime/frames.py", PackageResources.frames_py),
        ("martlet_runtime/logs.py", PackageResources.logs_py),
        ("martlet_runtime/worker.py", PackageResources.worker_py),
    ]
}

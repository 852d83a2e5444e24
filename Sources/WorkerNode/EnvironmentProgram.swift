import CChild
public import FunctionModel
public import Sandbox

/// What each environment's own network has.
public enum EnvironmentNetwork {
    /// On 127.0.0.1: the server, as the environment's processes reach it.
    public static let callbackPort = Int(MC_CALLBACK_PORT)
    /// The Runtime API and the APIs of extensions: `AWS_LAMBDA_RUNTIME_API`.
    public static let runtimeAPI = "127.0.0.1:\(Int(MC_RUNTIME_API_PORT))"
}

/// What a runtime process is started with.
public struct EnvironmentProgram: Sendable {
    public var arguments: [String]
    public var environment: [(String, String)]
    /// It speaks the Runtime API, else frames.
    public var usesRuntimeAPI = false

    /// "argc envc" and NUL-terminated strings, as init takes them apart.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        func number(_ n: Int) { withUnsafeBytes(of: UInt32(n).littleEndian) { bytes.append(contentsOf: $0) } }
        number(arguments.count)
        number(environment.count)
        for word in arguments { bytes += Array(word.utf8.filter { $0 != 0 }) + [0] }
        for (name, value) in environment { bytes += Array("\(name)=\(value)".utf8.filter { $0 != 0 }) + [0] }
        return bytes
    }

    /// Where shared libraries of a package and of layers are found, as on Lambda.
    private static let libraryPath = "/var/task:/var/task/lib:/opt/lib"

    public enum Mode: String, Sendable { case spare, template, once, environment }

    /// A runtime of Martlet's own, which speaks frames.
    /// - Parameter memorySize: the function's, MB.
    public static func bootstrap(_ offer: RuntimeOffer, mode: Mode, memorySize: Int) -> EnvironmentProgram {
        offer.name.hasPrefix("nodejs") ? node(offer, mode: mode, memorySize: memorySize) : python(offer, mode: mode)
    }

    /// A Node that waits for its function cannot be told its memory size later: it serves functions up to this one, MB.
    public static let spareMemorySize = 1024

    private static func node(_ offer: RuntimeOffer, mode: Mode, memorySize: Int) -> EnvironmentProgram {
        EnvironmentProgram(
            arguments: [
                offer.interpreter,
                // No helpers of V8's own: they would be threads to take along into each copy.
                "--single-threaded", "--v8-pool-size=0",
                // Garbage is collected before it takes a small function beyond its memory; a large one may have all of its own.
                "--initial-old-space-size=24", "--max-semi-space-size=4", "--max-old-space-size=\(max(memorySize, spareMemorySize) * 9 / 10)",
                "/var/runtime/bootstrap.cjs", mode.rawValue,
            ],
            environment: [
                ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"), ("LANG", "en_US.UTF-8"), ("TZ", ":UTC"), ("HOME", "/tmp"), ("LD_LIBRARY_PATH", libraryPath),
            ])
    }

    private static func python(_ offer: RuntimeOffer, mode: Mode) -> EnvironmentProgram {
        // The function's own variables come with the INIT frame, after the interpreter has started undisturbed by them.
        EnvironmentProgram(
            arguments: [offer.interpreter, "-S", "-E", "-s", "-B", "/var/runtime/bootstrap.py", mode.rawValue],
            // The loader reads its path once, at exec: what INIT says of it comes too late for the interpreter's own imports.
            environment: [
                ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"), ("LANG", "C.UTF-8"), ("HOME", "/tmp"), ("LD_LIBRARY_PATH", libraryPath),
            ]
                + (mode == .template || mode == .spare ? [("LD_PRELOAD", "/var/runtime/martlet_fork.so")] : []))
    }

    /// An executable `bootstrap` on the Runtime API, with Lambda's reserved variables.
    /// - Parameter variables: how it finds the server; the function's own of the same names win.
    public static func provided(
        _ version: FunctionVersion, logStream: String, initializationType: String = "on-demand", variables: [String: String] = [:]
    ) -> EnvironmentProgram {
        let configuration = version.configuration
        var program = EnvironmentProgram(arguments: ["/var/task/bootstrap"], environment: [])
        program.usesRuntimeAPI = true
        program.environment = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"), ("LANG", "C.UTF-8"), ("HOME", "/tmp"), ("TZ", ":UTC"),
            ("LD_LIBRARY_PATH", libraryPath),
            ("AWS_LAMBDA_RUNTIME_API", EnvironmentNetwork.runtimeAPI), ("AWS_LAMBDA_FUNCTION_NAME", version.key.name),
            ("AWS_LAMBDA_FUNCTION_VERSION", version.version), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "\(configuration.memorySize)"),
            ("AWS_REGION", version.key.region), ("AWS_DEFAULT_REGION", version.key.region),
            ("AWS_LAMBDA_LOG_GROUP_NAME", configuration.logging.group(of: version.key)), ("AWS_LAMBDA_LOG_STREAM_NAME", logStream),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", initializationType), ("LAMBDA_TASK_ROOT", "/var/task"), ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("_HANDLER", configuration.handler),
        ] + configuration.logging.variables.sorted { $0.key < $1.key }
        for (name, value) in variables.sorted(by: { $0.key < $1.key }) { program.environment.append((name, value)) }
        let reserved = Set(program.environment.map(\.0)).subtracting(["PATH", "LANG", "TZ", "HOME", "LD_LIBRARY_PATH", "AWS_ENDPOINT_URL"])
        for (name, value) in configuration.environment.sorted(by: { $0.key < $1.key }) where !reserved.contains(name) {
            program.environment.removeAll { $0.0 == name }
            program.environment.append((name, value))
        }
        return program
    }
}

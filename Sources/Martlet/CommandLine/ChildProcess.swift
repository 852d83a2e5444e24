internal import Glibc

/// Runs a program of this machine and waits for its end; only for verbs, which have nothing else to do meanwhile.
enum ChildProcess {
    struct Result {
        /// The exit status; 128 + the signal's number if a signal ended it; 127 if it could not be started.
        let status: Int32
        /// What it wrote to stdout and stderr, at most the last 64 KiB.
        let output: String
    }

    /// The first file of that name in `PATH` that may be executed; the name itself if it is a path.
    static func find(_ name: String, environment: [String: String]) -> String? {
        if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
        for folder in (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":") {
            let path = "\(folder)/\(name)"
            if access(path, X_OK) == 0, LocalFile.info(path)?.kind == .file { return path }
        }
        return nil
    }

    /// - Parameter line: gets each line of output as it comes.
    static func run(_ arguments: [String], environment: [String: String], line: (String) -> Void = { _ in }) -> Result {
        var ends: [CInt] = [0, 0]
        guard pipe(&ends) == 0 else { return Result(status: 127, output: String(cString: strerror(errno))) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)

        var argv = arguments.map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var child = pid_t()
        let failure = posix_spawn(&child, arguments[0], &actions, nil, &argv, &envp)
        close(ends[1])
        defer { close(ends[0]) }
        guard failure == 0 else { return Result(status: 127, output: String(cString: strerror(failure))) }

        var output: [UInt8] = []
        var current: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 8_192)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(ends[0], $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            output.append(contentsOf: buffer[..<count])
            if output.count > 65_536 { output.removeFirst(output.count - 65_536) }
            for byte in buffer[..<count] {
                if byte == 0x0A {
                    line(String(decoding: current, as: UTF8.self))
                    current.removeAll()
                } else if current.count < 1_024 {
                    current.append(byte)
                }
            }
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return Result(status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, output: String(decoding: output, as: UTF8.self))
    }
}

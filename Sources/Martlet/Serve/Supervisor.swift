internal import CChild
internal import Glibc
internal import LinuxPrimitives

/// Starts the server and the helper, restarts both when either ends, and takes both along when it ends.
struct Supervisor {
    /// A process that ends with this status could not start and has said why. At the first start that is the end: it will
    /// not change by itself. Later, when both have served before, it is tried again (a full disk may be freed).
    static let startFailure: Int32 = 78
    /// Descriptor numbers of the server process.
    static let listenerDescriptor: Int32 = 3
    static let helperDescriptor: Int32 = 4
    static let lifetimeDescriptor: Int32 = 5

    let configuration: ServerConfiguration
    let options: ServeOptions

    /// Both processes of one generation.
    private struct Pair {
        var server: pid_t
        var helper: pid_t
        /// Closing these tells each that the supervisor is gone.
        let serverLifetime: Int32
        let helperLifetime: Int32
    }

    func run() throws {
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in lifecycleSignals { sigaddset(&signals, signal) }
        let (data, identity) = try prepareData()
        let lock = try lockData(data)
        defer { close(lock) }
        // Now: once the file is replaced by a newer one, the process's own link names it no more.
        guard let program = realPath("/proc/self/exe") else { throw CommandFailure("finding the program's own folder failed") }
        let listener = try HandedListener.take(for: configuration.listen) ?? listen()
        defer { close(listener) }
        var info = stat()
        fstat(data, &info)
        let instance = String(UInt64(info.st_dev), radix: 16) + "-" + String(UInt64(info.st_ino), radix: 16)

        var backoff = 100
        var isFirst = true
        while true {
            var started = timespec()
            clock_gettime(CLOCK_MONOTONIC, &started)
            var pair = try start(program, listener: listener, lock: lock, instance: instance, identity: identity)
            switch wait(for: &pair, program: program, signals: &signals) {
            case .asked: throw Exit(status: 0)
            case .replaced:
                let fault = HandedListener.hand(listener, to: program)
                Terminal.printError("martlet: starting \(program) in this process's place failed: \(fault); going on without")
            case .notStarted where isFirst: throw Exit(status: 1)
            case .notStarted: Terminal.printError("martlet: trying again to start server and helper")
            case .lost(let what): Terminal.printError("martlet: \(what) has ended; starting server and helper again")
            }
            isFirst = false
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            if now.tv_sec - started.tv_sec > 30 { backoff = 100 }
            if isAsked(within: backoff, signals: signals) { throw Exit(status: 0) }
            backoff = min(backoff * 2, 1000)
        }
    }

    private enum End {
        case asked
        /// The program's file shall take over.
        case replaced
        case notStarted
        case lost(String)
    }

    /// Waits, unless it is asked to end meanwhile.
    private func isAsked(within milliseconds: Int, signals: sigset_t) -> Bool {
        var asking = signals
        sigdelset(&asking, SIGCHLD)
        var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        return sigtimedwait(&asking, nil, &time) > 0
    }

    // MARK: Data directory

    /// Makes the folder and gives it to the server's user.
    private func prepareData() throws -> (descriptor: Int32, identity: Identity?) {
        let path = configuration.data
        do { try makeFolders(path, mode: 0o755) } catch {
            throw CommandFailure("making the data directory \(path) failed: \(error); name another with --data")
        }
        let fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else { throw CommandFailure("opening the data directory \(path) failed: \(String(cString: strerror(errno))); name another with --data") }
        guard geteuid() == 0 else {
            fchmod(fd, 0o700)
            return (fd, nil)
        }
        let identity = Identity.forServer(named: configuration.user, avoiding: configuration.uidRange)
        try own(fd, path: path, identity)
        fchmod(fd, 0o700)
        return (fd, identity)
    }

    /// The whole tree: it may have been written by another user of an earlier configuration.
    private func own(_ folder: Int32, path: String, _ identity: Identity) throws {
        var info = stat()
        guard fstat(folder, &info) == 0, info.st_uid != identity.uid || info.st_gid != identity.gid else { return }
        guard let listing = fdopendir(dup(folder)) else { return }
        defer { closedir(listing) }
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            // The helper's own file stays root's.
            if name == "." || name == ".." || name == "uids" { continue }
            let child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            if child >= 0 {
                defer { close(child) }
                try own(child, path: "\(path)/\(name)", identity)
            } else if fchownat(folder, name, identity.uid, identity.gid, AT_SYMLINK_NOFOLLOW) != 0 {
                throw CommandFailure("giving \(path)/\(name) to the server's user failed: \(String(cString: strerror(errno)))")
            }
        }
        if fchown(folder, identity.uid, identity.gid) != 0 {
            throw CommandFailure("giving the data directory \(path) to the server's user failed: \(String(cString: strerror(errno)))")
        }
    }

    /// The children inherit the lock, so it is free only when the last of a killed generation is gone.
    private func lockData(_ data: Int32) throws -> Int32 {
        let fd = openat(data, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw CommandFailure("opening \(configuration.data)/lock failed: \(String(cString: strerror(errno)))") }
        // The folder belongs to the server's user: a second name of a file of root's must not be overwritten.
        var info = stat()
        guard fstat(fd, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_nlink == 1 else {
            close(fd)
            throw CommandFailure("\(configuration.data)/lock is not a plain file of its own; remove it")
        }
        for _ in 0..<600 {
            if flock(fd, LOCK_EX | LOCK_NB) == 0 {
                ftruncate(fd, 0)
                let text = Array("\(getpid())\n".utf8)
                _ = text.withUnsafeBytes { pwrite(fd, $0.baseAddress, $0.count, 0) }
                return fd
            }
            // A server that is alive is not waited for; one that was just killed takes a moment to go.
            let owner = readAll(dup(fd), limit: 16).flatMap { pid_t(String(decoding: $0, as: UTF8.self).split(separator: "\n").first ?? "") } ?? 0
            lseek(fd, 0, SEEK_SET)
            if owner > 0, owner != getpid(), kill(owner, 0) == 0, isMartlet(owner) {
                close(fd)
                throw CommandFailure("another server (process \(owner)) uses the data directory \(configuration.data); stop it or name another with --data")
            }
            usleep(50_000)
        }
        close(fd)
        throw CommandFailure("the data directory \(configuration.data) is still locked by a server that is ending; try again")
    }

    private func isMartlet(_ pid: pid_t) -> Bool { readText("/proc/\(pid)/comm")?.hasPrefix("martlet") ?? false }

    // MARK: Socket

    private func listen() throws -> Int32 {
        let address = configuration.listen
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(address.host, "\(address.port)", &hints, &list)
        guard result == 0, let first = list else {
            throw CommandFailure("listening on \(address) failed: \(String(cString: gai_strerror(result)))")
        }
        defer { freeaddrinfo(list) }
        // The port of a killed predecessor is free only when its processes are gone.
        for attempt in 0..<60 {
            let fd = socket(first.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            guard fd >= 0 else { break }
            var on: Int32 = 1
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            if bind(fd, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0, Glibc.listen(fd, 1024) == 0 { return fd }
            let number = errno
            close(fd)
            if number != EADDRINUSE || attempt == 59 {
                throw CommandFailure("listening on \(address) failed: \(String(cString: strerror(number)))\(number == EADDRINUSE ? "; choose another with --listen" : "")")
            }
            if attempt == 20 { throw CommandFailure("listening on \(address) failed: the port is in use; choose another with --listen") }
            usleep(50_000)
        }
        throw CommandFailure("listening on \(address) failed: \(String(cString: strerror(errno)))")
    }

    // MARK: Processes

    private func start(_ own: String, listener: Int32, lock: Int32, instance: String, identity: Identity?) throws -> Pair {
        let (serverEnd, helperEnd) = try socketPair()
        let (serverLifetime, helperLifetime) = (try lifetimePipe(), try lifetimePipe())
        defer { for fd in [serverEnd, helperEnd, serverLifetime.read, helperLifetime.read] { close(fd) } }
        guard let slash = own.lastIndex(of: "/") else { throw CommandFailure("finding the program's own folder failed") }
        let home = String(own[..<slash])
        let helperPath = home + "/martlet-sandbox"
        guard access(helperPath, X_OK) == 0 else { throw CommandFailure("\(helperPath) is missing; it is built together with martlet and belongs beside it") }
        guard let data = realPath(configuration.data) else { throw CommandFailure("resolving \(configuration.data) failed") }

        let arguments = configuration.helperArguments(data: data, home: home, instance: instance, makesNetwork: true)
        let helper = try spawn(helperPath, arguments, [(helperEnd, 3), (helperLifetime.read, 4), (lock, 6)])

        var serve = ["martlet", "serve-process"]
        if let listen = options.listen { serve += ["--listen", listen] }
        serve += ["--data", data]
        if let config = options.config { serve += ["--config", config] }
        if options.dev { serve += ["--dev"] }
        if let identity { serve += ["--uid", "\(identity.uid)", "--gid", "\(identity.gid)"] }
        do {
            let server = try spawn(own, serve, [(listener, Self.listenerDescriptor), (serverEnd, Self.helperDescriptor), (serverLifetime.read, Self.lifetimeDescriptor), (lock, 6)])
            return Pair(server: server, helper: helper, serverLifetime: serverLifetime.write, helperLifetime: helperLifetime.write)
        } catch {
            kill(helper, SIGKILL)
            throw error
        }
    }

    private func lifetimePipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        try check("making a pipe") { pipe(&ends) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private func spawn(_ path: String, _ arguments: [String], _ descriptors: [(Int32, Int32)]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // First out of the way of each other's targets, then into place.
        var lifted: [Int32] = []
        defer { for fd in lifted { close(fd) } }
        for (from, to) in descriptors {
            let high = fcntl(from, F_DUPFD_CLOEXEC, 32)
            lifted.append(high)
            posix_spawn_file_actions_adddup2(&actions, high, to)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // A group of their own: Ctrl-C reaches the supervisor alone, which ends them in order.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        var pid: pid_t = 0
        let words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        let result = posix_spawn(&pid, path, &actions, &attributes, words, environ)
        if result != 0 { throw CommandFailure("starting \(path) failed: \(String(cString: strerror(result)))") }
        return pid
    }

    private func wait(for pair: inout Pair, program: String, signals: inout sigset_t) -> End {
        defer {
            close(pair.serverLifetime)
            close(pair.helperLifetime)
            end(pair)
        }
        while true {
            var signal: Int32 = 0
            sigwait(&signals, &signal)
            switch signal {
            case SIGTERM, SIGINT, SIGHUP:
                kill(pair.server, SIGTERM)
                if reap(pair.server, within: Double(configuration.drainSeconds) + 2) != nil { pair.server = 0 }
                return .asked
            case SIGUSR1:
                // One that does not run, or does not understand the configuration, would leave nobody to serve.
                let check = ChildProcess.run(
                    [program, "config", "check"] + (options.config.map { ["--config", $0] } ?? []), environment: processEnvironment())
                guard check.status == 0 else {
                    Terminal.printError("martlet: \(program) does not run here (status \(check.status)); going on with the program that is running")
                    continue
                }
                kill(pair.server, SIGUSR1)
                if reap(pair.server, within: Double(configuration.drainSeconds) + 2) != nil { pair.server = 0 }
                return .replaced
            default:
                if let end = reapLost(&pair) { return end }
            }
        }
    }

    /// Which of the two has ended, if one has.
    private func reapLost(_ pair: inout Pair) -> End? {
        func couldNotStart(_ status: Int32) -> Bool { status & 0x7F == 0 && status >> 8 & 0xFF == Self.startFailure }
        var end: End?
        var status: Int32 = 0
        while case let pid = waitpid(-1, &status, WNOHANG), pid > 0 {
            if pid == pair.server {
                pair.server = 0
                end = couldNotStart(status) ? .notStarted : end ?? .lost("the server")
            } else if pid == pair.helper {
                pair.helper = 0
                end = couldNotStart(status) ? .notStarted : end ?? .lost("the sandbox helper")
            }
        }
        // Without the helper the server answers what is in flight and ends by itself, also when it could not yet start.
        if end != nil, pair.server != 0, let status = reap(pair.server, within: 3) {
            pair.server = 0
            if couldNotStart(status) { end = .notStarted }
        }
        return end
    }

    private func end(_ pair: Pair) {
        if pair.server != 0 {
            kill(pair.server, SIGKILL)
            _ = reap(pair.server, within: 5)
        }
        // End of file on its lifetime tells the helper to tear down; it removes what it made.
        if pair.helper != 0, reap(pair.helper, within: 5) == nil {
            kill(pair.helper, SIGKILL)
            _ = reap(pair.helper, within: 5)
        }
    }

    private func reap(_ pid: pid_t, within seconds: Double) -> Int32? {
        var status: Int32 = 0
        for _ in 0..<Int(seconds * 200) {
            if waitpid(pid, &status, WNOHANG) == pid { return status }
            usleep(5000)
        }
        return nil
    }
}

/// Ends the command with a status and without a message.
struct Exit: Error { let status: Int32 }

/// The user that the network-facing process becomes.
struct Identity: Hashable {
    let uid: uid_t
    let gid: gid_t

    /// The named account, else a uid that no account has.
    static func forServer(named name: String, avoiding range: ServerConfiguration.UIDRange) -> Identity {
        if let entry = getpwnam(name) { return Identity(uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid) }
        var candidate: uid_t = 62_000
        while getpwuid(candidate) != nil || getgrgid(candidate) != nil || (range.first..<range.first + range.count).contains(Int(candidate)) { candidate += 1 }
        return Identity(uid: candidate, gid: candidate)
    }
}

internal import Glibc
internal import LinuxPrimitives

/// A listening socket that the process before this one hands over: an older program to a newer one in its own place, or the
/// service manager. Connections that come meanwhile wait in it.
///
/// Source of the contract: sd_listen_fds(3); the socket is descriptor 3, named by `LISTEN_PID` and `LISTEN_FDS`.
enum HandedListener {
    private static let descriptor: Int32 = 3

    /// - Parameter address: what the configuration says.
    /// - Returns: nil where none was handed over.
    /// - Throws: `CommandFailure` for a socket that is not what the configuration says; then nothing is served by it.
    static func take(for address: ListenAddress) throws -> Int32? {
        let environment = processEnvironment()
        guard environment["LISTEN_PID"] == "\(getpid())", let count = environment["LISTEN_FDS"] else { return nil }
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
        var accepts: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard count == "1", getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) == 0, accepts == 1 else {
            throw CommandFailure("LISTEN_FDS=\(count) hands over something else than one listening socket")
        }
        guard let bound = boundTo(descriptor) else { throw CommandFailure("the socket that was handed over has no address of version 4 or 6") }
        // The configuration's check of the address must not be passed by another way.
        guard try addresses(of: address).contains(bound.host), address.port == 0 || address.port == bound.port else {
            throw CommandFailure("the socket that was handed over listens on \(bound), not on \(address): give both the same address")
        }
        let lifted = fcntl(descriptor, F_DUPFD_CLOEXEC, 32)
        guard lifted >= 0 else { throw CommandFailure("taking the socket that was handed over failed: \(String(cString: strerror(errno)))") }
        close(descriptor)
        return lifted
    }

    /// Starts a program in this process's place, with the arguments that this one had.
    /// - Returns: why it could not.
    static func hand(_ listener: Int32, to program: String) -> String {
        // The copy, unlike the original, outlives the change of program.
        guard dup2(listener, descriptor) == descriptor else { return String(cString: strerror(errno)) }
        defer { close(descriptor) }
        setenv("LISTEN_PID", "\(getpid())", 1)
        setenv("LISTEN_FDS", "1", 1)
        let words = CommandLine.arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        execv(program, words)
        let reason = String(cString: strerror(errno))
        for name in ["LISTEN_PID", "LISTEN_FDS"] { unsetenv(name) }
        return reason
    }

    private static func boundTo(_ socket: Int32) -> ListenAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isNamed = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) == 0 }
        }
        guard isNamed else { return nil }
        return withUnsafePointer(to: &storage) { pointer in pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { text($0, length) } }
    }

    private static func addresses(of address: ListenAddress) throws -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, "\(address.port)", &hints, &list) == 0 else {
            throw CommandFailure("\(address) cannot be looked up")
        }
        defer { freeaddrinfo(list) }
        var found: [String] = []
        var next = list
        while let entry = next {
            if let bound = text(entry.pointee.ai_addr, entry.pointee.ai_addrlen) { found.append(bound.host) }
            next = entry.pointee.ai_next
        }
        return found
    }

    private static func text(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> ListenAddress? {
        guard address.pointee.sa_family == AF_INET || address.pointee.sa_family == AF_INET6 else { return nil }
        var host = [CChar](repeating: 0, count: 64)
        var port = [CChar](repeating: 0, count: 8)
        guard getnameinfo(address, length, &host, socklen_t(host.count), &port, socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV) == 0,
            let number = Int(String(decoding: port.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        else { return nil }
        return ListenAddress(host: String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self), port: number)
    }
}

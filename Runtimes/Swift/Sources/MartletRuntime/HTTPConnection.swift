import Glibc

/// One keep-alive connection of HTTP/1.1, one exchange at a time, blocking.
struct HTTPConnection {
    private let address: sockaddr_in
    private let host: String
    private var descriptor: Int32 = -1

    init(address text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        guard parts.count == 2, let port = UInt16(parts[1]), port > 0,
            inet_pton(AF_INET, parts[0] == "localhost" ? "127.0.0.1" : String(parts[0]), &address.sin_addr) == 1
        else { throw RuntimeAPIError.address(text) }
        address.sin_port = port.bigEndian
        self.address = address
        host = text
    }

    /// Sends one request and reads its answer in full.
    ///
    /// A kept connection that the server has closed meanwhile is opened anew, if it closed before a byte of the answer.
    mutating func exchange(_ method: String, _ path: String, headers: String = "", body: [UInt8] = []) throws -> HTTPResponse {
        var request = Array("\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: MartletRuntime\r\n\(headers)".utf8)
        if method == "POST" {
            request += Array("Content-Type: application/json\r\nContent-Length: \(body.count)\r\n".utf8)
        }
        request += [13, 10]
        request += body
        if descriptor >= 0 {
            do {
                if let response = try attempt(request) { return response }
            } catch RuntimeAPIError.system(_, let code) where code == EPIPE || code == ECONNRESET {
                // Closed while idle; fall through to a new connection.
            }
            disconnect()
        }
        try connect()
        guard let response = try attempt(request) else { throw RuntimeAPIError.closed }
        return response
    }

    /// - Returns: nil when the server closed before it sent anything.
    private mutating func attempt(_ request: [UInt8]) throws -> HTTPResponse? {
        try send(request)
        var parser = HTTPResponseParser()
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        var hasBegun = false
        while true {
            let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0 {
                if errno == EINTR { continue }
                throw RuntimeAPIError.system(step: "read from", errno: errno)
            }
            if count == 0 {
                if hasBegun { throw RuntimeAPIError.closed }
                return nil
            }
            hasBegun = true
            if let response = try parser.feed(chunk[..<count]) {
                if !response.keepsAlive { disconnect() }
                return response
            }
        }
    }

    private func send(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.send(
                    descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                if count < 0 {
                    if errno == EINTR { continue }
                    throw RuntimeAPIError.system(step: "write to", errno: errno)
                }
                rest = rest.dropFirst(count)
            }
        }
    }

    private mutating func connect() throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw RuntimeAPIError.system(step: "make a socket for", errno: errno) }
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        var target = address
        let result = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let code = errno
            close(socket)
            throw RuntimeAPIError.system(step: "connect to", errno: code)
        }
        descriptor = socket
    }

    private mutating func disconnect() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}

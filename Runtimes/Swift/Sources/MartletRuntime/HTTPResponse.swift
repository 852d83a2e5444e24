struct HTTPResponse: Equatable {
    var status: Int
    /// Names in lower case; of several lines of one name the last counts.
    var headers: [String: String]
    var body: [UInt8]
    var keepsAlive: Bool
}

/// Takes an HTTP/1.1 answer in pieces of any size. Knows bodies by Content-Length and chunked ones.
struct HTTPResponseParser {
    /// An event is at most 6 MB.
    static let longestBody = 16 << 20
    static let longestHead = 64 << 10

    private enum State {
        case head
        case counted(HTTPResponse, length: Int)
        case chunkSize(HTTPResponse)
        case chunk(HTTPResponse, length: Int)
        case trailer(HTTPResponse)
    }

    private var state = State.head
    private var buffer: [UInt8] = []

    /// - Returns: the answer when it is complete.
    mutating func feed(_ bytes: ArraySlice<UInt8>) throws -> HTTPResponse? {
        buffer += bytes
        while true {
            switch state {
            case .head:
                guard let end = endOfHead() else {
                    if buffer.count > Self.longestHead { throw RuntimeAPIError.malformed("its head is over 64 KB") }
                    return nil
                }
                let head = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeFirst(end + 4)
                state = try Self.state(after: head)
            case .counted(var response, let length):
                guard buffer.count >= length else { return nil }
                response.body = buffer.count == length ? buffer : Array(buffer[..<length])
                return response
            case .chunkSize(let response):
                guard let line = try takeLine() else { return nil }
                let digits = line.prefix { $0 != ";" }
                guard let length = Int(digits, radix: 16), length >= 0 else {
                    throw RuntimeAPIError.malformed("\"\(line)\" is not the size of a chunk")
                }
                guard response.body.count + length <= Self.longestBody else { throw Self.tooLong }
                state = length == 0 ? .trailer(response) : .chunk(response, length: length)
            case .chunk(var response, let length):
                guard buffer.count >= length + 2 else { return nil }
                response.body += buffer[..<length]
                buffer.removeFirst(length + 2)
                state = .chunkSize(response)
            case .trailer(let response):
                guard let line = try takeLine() else { return nil }
                if line.isEmpty { return response }
            }
        }
    }

    private func endOfHead() -> Int? {
        guard buffer.count >= 4 else { return nil }
        for index in 0...(buffer.count - 4)
        where buffer[index] == 13 && buffer[index + 1] == 10 && buffer[index + 2] == 13 && buffer[index + 3] == 10 {
            return index
        }
        return nil
    }

    private mutating func takeLine() throws -> String? {
        guard let end = buffer.firstIndex(of: 10) else {
            if buffer.count > Self.longestHead { throw RuntimeAPIError.malformed("a line is over 64 KB") }
            return nil
        }
        var line = buffer[..<end]
        if line.last == 13 { line.removeLast() }
        let text = String(decoding: line, as: UTF8.self)
        buffer.removeFirst(end + 1)
        return text
    }

    private static let tooLong = RuntimeAPIError.malformed("its body is over 16 MB")

    private static func state(after head: String) throws -> State {
        // A line break is one Character of two scalars in Swift.
        let lines = head.split(separator: "\r\n")
        let words = lines.first?.split(separator: " ", maxSplits: 2) ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw RuntimeAPIError.malformed("it does not begin with a status line")
        }
        var response = HTTPResponse(status: status, headers: [:], body: [], keepsAlive: words[0] == "HTTP/1.1")
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else {
                throw RuntimeAPIError.malformed("\"\(line)\" is not a header")
            }
            let value = line[line.index(after: colon)...]
            response.headers[line[..<colon].lowercased()] = String(value.trimmingBlanks())
        }
        switch response.headers["connection"]?.lowercased() {
        case "close": response.keepsAlive = false
        case "keep-alive": response.keepsAlive = true
        default: break
        }
        if response.headers["transfer-encoding"]?.lowercased() == "chunked" { return .chunkSize(response) }
        if status == 204 || status == 304 { return .counted(response, length: 0) }
        guard let text = response.headers["content-length"], let length = Int(text), length >= 0 else {
            throw RuntimeAPIError.malformed("it does not say how long its body is")
        }
        guard length <= longestBody else { throw tooLong }
        return .counted(response, length: length)
    }
}

extension Substring {
    fileprivate func trimmingBlanks() -> Substring {
        var result = self
        while let first = result.first, first == " " || first == "\t" { result.removeFirst() }
        while let last = result.last, last == " " || last == "\t" { result.removeLast() }
        return result
    }
}

@testable import AccessControl
@testable import EventStream
@testable import Gateway
import Glibc
import JSONValues
import NIOHTTP1

/// What a run looks at; the variable `MARTLET_FUZZ_TARGET` chooses one.
private let targets: [String: @Sendable (UnsafeRawBufferPointer) -> Void] = [
    "signature": fuzzSignature, "router": fuzzRouter, "json": fuzzJSON, "event-stream": fuzzEventStream,
]

/// libFuzzer calls it with every input that it makes up.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target(UnsafeRawBufferPointer(start: data, count: count))
    return 0
}

private typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// Source: libFuzzer's FuzzerInterface.h.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<Arguments?>, _ one: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The package manager makes this, by its name, where an executable begins; libFuzzer has a `main` of its own.
@_cdecl("fuzzing_main")
public func fuzzingMain(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments, fuzzOne)
}

private let target: @Sendable (UnsafeRawBufferPointer) -> Void = {
    let name = getenv("MARTLET_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let chosen = targets[name] else {
        fatalError("MARTLET_FUZZ_TARGET must be one of \(targets.keys.sorted().joined(separator: ", "))")
    }
    return chosen
}()

/// The lines of an input, as text of whatever bytes.
private func lines(_ bytes: UnsafeRawBufferPointer, most: Int) -> [Substring] {
    String(decoding: bytes, as: UTF8.self).split(separator: "\n", maxSplits: most, omittingEmptySubsequences: false)
}

private func fields(_ lines: some Sequence<Substring>) -> [(name: String, value: String)] {
    lines.compactMap { line in
        let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), String(parts[1].drop { $0 == " " })) : nil
    }
}

// MARK: Signatures

/// Nobody who does not know the secret is let in, whatever the header, the query and the chunks say.
private func fuzzSignature(_ bytes: UnsafeRawBufferPointer) {
    let parts = lines(bytes, most: 40)
    guard parts.count >= 4 else { return }
    let secret = "a secret that no input has"
    let verifier = SigV4Verifier(keys: ["AKIAFUZZ": VerificationKey(secret: secret, account: "123456789012")])
    let body = Array(parts[3].utf8)
    do {
        let pending = try verifier.begin(
            method: String(parts[0]), path: parts[1], query: parts[2], headers: fields(parts[4...]), now: 1_795_249_257)
        if var chunks = pending.chunks() {
            try body.withUnsafeBytes { try chunks.feed($0) { _ in } }
            try chunks.finish()
        }
        _ = try verifier.complete(pending, payloadHash: PayloadDigest.hexadecimal(of: body), now: 1_795_249_257)
    } catch {
        return
    }
    fatalError("a request was let in that nobody has signed")
}

// MARK: The router

private let router = ControlRouter(LambdaOperations.complete([]))

/// A name never reaches over a slash, and what is not found has no parameters.
private func fuzzRouter(_ bytes: UnsafeRawBufferPointer) {
    let parts = lines(bytes, most: 30)
    guard parts.count >= 3 else { return }
    let method = HTTPMethod(rawValue: String(parts[0]))
    let target: Substring = parts[1].first == "/" ? parts[1] : "/" + parts[1]
    let head = HTTPRequestHead(
        version: .http1_1, method: method, uri: String(target), headers: HTTPHeaders([("Host", String(parts[2]))] + fields(parts[3...])))
    guard let known = try? RequestFields(head) else { return }
    switch RequestRoute.parse(method: method, target: target, host: known.hostName) {
    case .invoke(let name, let query), .invokeAsync(let name, let query), .invokeWithResponseStream(let name, let query):
        precondition(!name.utf8.contains(UInt8(ascii: "/")) && !name.isEmpty)
        _ = RequestRoute.parameters(query)
    case .functionURL(let name, let qualifier, let path, let query):
        precondition(path.isEmpty || path.utf8.first == UInt8(ascii: "/"))
        precondition(qualifier?.utf8.contains(UInt8(ascii: "/")) != true && !(path.utf8.count + query.utf8.count > target.utf8.count))
        _ = name.utf8.count
    case .health: precondition(target.utf8.starts(with: "/martlet/v1/health".utf8))
    case .control(let path, let query):
        // Bytes: what a character is can change with what follows it.
        precondition(target.utf8.starts(with: path.utf8))
        _ = RequestRoute.parameters(query)
        if case .route(let route, let parameters) = router.match(method: method.rawValue, path: path) {
            precondition(parameters.count == route.segments.count { $0.first == "{" })
        }
    }
    _ = TrustedProxies().forwarding(peer: "127.0.0.1", headers: head.headers)
}

// MARK: JSON

/// The scanner and the reader agree, and what was read is written as text that reads the same.
private func fuzzJSON(_ bytes: UnsafeRawBufferPointer) {
    let scanned = (try? JSONScanner.validate(bytes, maximumDepth: 64)) != nil
    let read = try? JSON(parsing: bytes, maximumDepth: 64)
    precondition(scanned == (read != nil), "the scanner says \(scanned), the reader \(read != nil)")
    guard let read else { return }
    for indented in [false, true] {
        let again = try? JSON(parsing: read.text(indented: indented), maximumDepth: 64)
        precondition(again == read, "it reads otherwise when it was written")
    }
}

// MARK: The event stream

/// What was put into a message comes out of it, by the encoding's own rules.
private func fuzzEventStream(_ bytes: UnsafeRawBufferPointer) {
    let split = bytes.firstIndex(of: 0) ?? bytes.count
    let name = String(String(decoding: bytes[..<split], as: UTF8.self).unicodeScalars.prefix(4_000))
    let payload = Array(bytes[split...])
    let message = EventStreamMessage.event(name, contentType: name, payload: payload)
    func word(_ at: Int) -> Int { message[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
    func sum(_ range: Range<Int>) -> Int {
        var sum = CRC32()
        message[range].withUnsafeBytes { sum.update($0) }
        return Int(sum.value)
    }
    precondition(word(0) == message.count && word(8) == sum(0..<8) && word(message.count - 4) == sum(0..<message.count - 4))
    let end = 12 + word(4)
    var position = 12
    var found: [String: String] = [:]
    while position < end {
        let length = Int(message[position])
        let key = String(decoding: message[position + 1..<position + 1 + length], as: UTF8.self)
        position += 1 + length
        precondition(message[position] == 7)
        let count = Int(message[position + 1]) << 8 | Int(message[position + 2])
        found[key] = String(decoding: message[position + 3..<position + 3 + count], as: UTF8.self)
        position += 3 + count
    }
    precondition(position == end && Array(message[end..<message.count - 4]) == payload)
    precondition(found == [":event-type": name, ":content-type": name, ":message-type": "event"])
}

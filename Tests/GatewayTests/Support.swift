import AccessControl
import FunctionModel
import InvocationPipeline
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Registry

@testable import Gateway

let account = "123456789012"
let region = "us-east-1"

func functionKey(_ name: String) -> FunctionKey { FunctionKey(account: account, region: region, name: name) }

func record(_ name: String, url: URLAuthType? = URLAuthType.none) -> FunctionRecord {
    let key = functionKey(name)
    func version(_ number: String, _ revision: UInt64) -> FunctionVersion {
        FunctionVersion(
            key: key, version: number, revision: revision,
            configuration: FunctionConfiguration(runtime: "python3.11", handler: "app.handler"),
            code: CodeReference(sha256: String(repeating: "a", count: 64), size: 1), lastModified: 0)
    }
    return FunctionRecord(
        key: key, latest: version("$LATEST", 2), published: [version("1", 1)], nextVersionNumber: 2,
        url: url.map { FunctionURL(id: "id\(name)", authType: $0, created: 0, modified: 0) }, created: 0)
}

/// Keeps invocations until the test answers them, or answers at once.
final class FakeInvoker: Invoker {
    var pending: [(invocation: Invocation, completion: (Result<InvocationResult, ServiceError>) -> Void)] = []
    var cancelled: [InvocationTicket] = []
    var immediate: ((Invocation) -> Result<InvocationResult, ServiceError>)?
    var refused: ServiceError?
    private(set) var invocations: [Invocation] = []

    func invoke(_ invocation: Invocation, completion: @escaping (Result<InvocationResult, ServiceError>) -> Void) -> InvocationTicket {
        invocations.append(invocation)
        if let immediate { completion(immediate(invocation)) } else { pending.append((invocation, completion)) }
        return InvocationTicket(UInt64(invocations.count))
    }

    func cancel(_ ticket: InvocationTicket) { cancelled.append(ticket) }

    func refusal(function: FunctionKey, qualifier: String?) -> ServiceError? { refused }

    func answer(_ text: String, outcome: Outcome = .success, tail: String? = nil) {
        let (invocation, completion) = pending.removeFirst()
        completion(.success(Self.result(invocation, ByteBuffer(string: text), outcome, tail)))
    }

    static func result(
        _ invocation: Invocation, _ payload: ByteBuffer, _ outcome: Outcome = .success, _ tail: String? = nil
    ) -> InvocationResult {
        InvocationResult(
            requestID: invocation.requestID, executedVersion: invocation.qualifier ?? "$LATEST", outcome: outcome, payload: payload,
            logTail: tail.map { ByteBuffer(string: $0) })
    }
}

struct ParsedResponse: Equatable {
    var status: Int
    var fields: [String: String]
    var cookies: [String]
    var body: [UInt8]
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// A server without sockets: one channel, one loop whose time the test moves.
final class EmbeddedGateway {
    let loop = EmbeddedEventLoop()
    let channel: EmbeddedChannel
    let core: GatewayCore
    let invoker = FakeInvoker()
    private var output = ByteBuffer()
    static let time: Int64 = 1_795_249_257_123

    init(
        functions: [FunctionRecord] = [record("hello"), record("private", url: .iam), record("off", url: nil)],
        events: (any EventAcceptor)? = nil, routes: [ControlRoute] = [], keys: [String: VerificationKey] = [:], configure: (inout GatewayConfiguration) -> Void = { _ in }
    ) throws {
        var configuration = GatewayConfiguration()
        configuration.developmentMode = true
        configure(&configuration)
        core = GatewayCore(
            configuration: configuration, loop: loop, invoker: invoker, events: events, routes: routes, access: AccessSnapshot(keys: keys),
            snapshot: RegistrySnapshot(generation: 1, functions: Dictionary(uniqueKeysWithValues: functions.map { ($0.key, $0) })),
            isReady: true, wallClock: { Self.time }, report: { _, _ in })
        channel = EmbeddedChannel(loop: loop)
        channel.allowRemoteHalfClosure = true
        try GatewayServer.configure(channel, core: core)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    func send(_ text: String) { send(ByteBuffer(string: text)) }

    func send(_ bytes: ByteBuffer) {
        // Errors of the parser are answered, so they are no fault of the test.
        _ = try? channel.writeInbound(bytes)
        loop.run()
    }

    /// One request with correct framing.
    func request(
        _ method: String, _ target: String, headers: [(String, String)] = [], body: [UInt8] = [], host: String = "localhost:9000"
    ) {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if !body.isEmpty { text += "Content-Length: \(body.count)\r\n" }
        var buffer = ByteBuffer(string: text + "\r\n")
        buffer.writeBytes(body)
        send(buffer)
    }

    /// All that was written and not yet taken.
    func written() -> String {
        loop.run()
        while let part = try? channel.readOutbound(as: ByteBuffer.self) { output.writeImmutableBuffer(part) }
        return String(buffer: output)
    }

    /// Takes the next complete response.
    func response(toHead: Bool = false) -> ParsedResponse? {
        _ = written()
        let view = output.readableBytesView
        var end: Int?
        var index = view.startIndex
        while index + 3 < view.endIndex {
            if view[index] == 13, view[index + 1] == 10, view[index + 2] == 13, view[index + 3] == 10 {
                end = index
                break
            }
            index += 1
        }
        guard let end else { return nil }
        let lines = String(decoding: view[view.startIndex..<end], as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first, let status = Int(first.split(separator: " ")[1]) else { return nil }
        var parsed = ParsedResponse(status: status, fields: [:], cookies: [], body: [])
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            let value = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
            if parts[0].lowercased() == "set-cookie" { parsed.cookies.append(value) }
            parsed.fields[parts[0].lowercased()] = value
        }
        output.moveReaderIndex(to: end + 4)
        let length = toHead || status == 204 || status == 100 ? 0 : Int(parsed.fields["content-length"] ?? "0") ?? 0
        parsed.body = output.readBytes(length: length) ?? []
        return parsed
    }

    func advance(_ seconds: Int64) { loop.advanceTime(by: .seconds(seconds)) }

    var isClosed: Bool { !channel.isActive }
}

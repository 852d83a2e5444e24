import AccessControl
import EventSourceMappings
import FoundationEssentials
import FunctionModel
import Glibc
import InvocationPipeline
import LambdaAPI
import NIOCore
import NIOPosix
import Registry
import Synchronization
import Testing

@testable import Gateway

private final class MemoryStore: FunctionStore {
    private let state = Mutex<(records: [FunctionKey: FunctionRecord], revision: UInt64)>(([:], 0))
    func loadFunctions() async throws -> [FunctionRecord] { state.withLock { Array($0.records.values) } }
    func save(_ record: FunctionRecord) async throws { state.withLock { $0.records[record.key] = record } }
    func delete(_ key: FunctionKey) async throws { state.withLock { $0.records[key] = nil } }
    func reserveRevision() async throws -> UInt64 {
        state.withLock { state in
            state.revision += 1
            return state.revision
        }
    }
}

private final class MemoryPackages: PackageStore {
    private let stored = Mutex<[String: CodeReference]>([:])
    func store(zip: [UInt8]) async throws -> CodeReference {
        guard zip.starts(with: [0x50, 0x4B]) else { throw ServiceError(.invalidParameterValue, "Could not unzip uploaded file.") }
        let reference = CodeReference(sha256: PayloadDigest.hexadecimal(of: zip), size: zip.count)
        stored.withLock { $0[reference.sha256] = reference }
        return reference
    }
    func store(file: ArchiveFile) async throws -> CodeReference { throw ServiceError(.unsupportedOperation, "no files here") }
    func reference(sha256: String) async -> CodeReference? { stored.withLock { $0[sha256] } }
    func archivePath(sha256: String) async throws -> String { sha256 }
    func merge(_ packages: [String]) async throws -> String { packages.joined() }
    func extensions(of sha256: String) async throws -> [String] { [] }
    func unpackedSize(sha256: String) async throws -> Int { 0 }
}

private struct NoMappings: EventSourceMappingStore {
    func loadEventSourceMappings() async throws -> [EventSourceMapping] { [] }
    func save(_ mapping: EventSourceMapping) async throws {}
    func deleteEventSourceMapping(id: String) async throws {}
}

private struct NoLayers: LayerStore {
    func loadLayers() async throws -> [LayerRecord] { [] }
    func save(_ layer: LayerRecord) async throws {}
}

private struct NoCodeSigning: CodeSigningStore {
    func loadCodeSigningConfigs() async throws -> [CodeSigningConfig] { [] }
    func save(_ config: CodeSigningConfig) async throws {}
    func deleteCodeSigningConfig(_ key: CodeSigningConfigKey) async throws {}
}

/// Answers each event with itself.
private final class EchoInvoker: Invoker {
    func invoke(_ invocation: Invocation, completion: @escaping (Result<InvocationResult, ServiceError>) -> Void) -> InvocationTicket {
        completion(.success(FakeInvoker.result(invocation, invocation.event)))
        return InvocationTicket(1)
    }
    func cancel(_ ticket: InvocationTicket) {}
    func refusal(function: FunctionKey, qualifier: String?) -> ServiceError? { nil }
}

/// A server on a real socket with its registry; ends with the body.
private struct LiveServer {
    let server: GatewayServer
    let registry: FunctionRegistry
    let port: Int

    static func with(
        developmentMode: Bool = true, routes: [ControlRoute] = [], _ body: (LiveServer) async throws -> Void
    ) async throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                #expect(bind(descriptor, pointer, length) == 0)
                #expect(listen(descriptor, 128) == 0)
                #expect(getsockname(descriptor, pointer, &length) == 0)
            }
            return Int(UInt16(bigEndian: pointer.pointee.sin_port))
        }
        let packages = MemoryPackages()
        let layers = try await LayerRegistry(store: NoLayers(), packages: packages, now: { 1000 })
        let mappings = try await EventSourceMappingRegistry(store: NoMappings(), now: { 1000 })
        let registry = try await FunctionRegistry(
            store: MemoryStore(), packages: packages, runtimes: RuntimeCatalog(offered: ["python3.11"]), now: { 1000 })
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let invoker = try await loop.submit { NIOLoopBound(EchoInvoker() as any Invoker, eventLoop: loop) }.get()
        var configuration = GatewayConfiguration()
        configuration.developmentMode = developmentMode
        configuration.port = port
        configuration.baseURL = "http://127.0.0.1:\(port)"
        let codeSigning = try await CodeSigningRegistry(store: NoCodeSigning(), functions: registry, now: { 1000 })
        let lambda = LambdaRoutes(
            registry: registry, layers: layers, codeSigning: codeSigning, baseURL: configuration.baseURL, defaults: (account, region))
        let server = try await GatewayServer.start(
            listeningSocket: descriptor, on: loop, configuration: configuration,
            services: GatewayServices(
                invoker: invoker, routes: lambda.all + CodeSigningRoutes(codeSigning, functions: registry).all
                    + TagRoutes(functions: registry, mappings: mappings, codeSigning: codeSigning).all + routes,
                access: AccessSnapshot(keys: ["AKIA": VerificationKey(secret: "s", account: account)]),
                snapshot: await registry.snapshot, wallClock: { Int64(Date().timeIntervalSince1970 * 1000) }))
        await registry.subscribe { snapshot, _ in await server.apply(snapshot) }
        do {
            try await body(LiveServer(server: server, registry: registry, port: port))
        } catch {
            await server.shutdown(limit: .seconds(1))
            throw error
        }
        await server.shutdown(limit: .seconds(1))
    }

    /// Sends bytes, closes the sending side if asked to, and reads until the server closes.
    func exchange(_ text: String, halfClose: Bool = false) async throws -> String {
        let collected = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        return try await collected.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            if halfClose { outbound.finish() }
            var result = ""
            for try await part in inbound { result += String(buffer: part) }
            return result
        }
    }

    func call(_ method: String, _ target: String, _ body: String = "") async throws -> (status: Int, json: [String: String], text: String) {
        let text = try await exchange(
            "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1)
        let content = parts.count > 1 ? String(parts[1]) : ""
        let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let flat = (try? JSONDecoder().decode([String: Loose].self, from: Data(content.utf8))) ?? [:]
        return (status, flat.compactMapValues(\.text), content)
    }
}

/// The scalar members of an answer, as text.
private struct Loose: Decodable {
    let text: String?
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        text = (try? container.decode(String.self)) ?? (try? container.decode(Int.self)).map(String.init)
    }
}

private let archive = Base64.encode([0x50, 0x4B, 3, 4])
private let createBody =
    #"{"FunctionName":"hello","Runtime":"python3","Role":"arn:aws:iam::123456789012:role/x","Handler":"app.handler","Code":{"ZipFile":"\#(archive)"},"Publish":true}"#

@Suite struct LiveServerTests {
    @Test func functionLivesThroughTheWholeAPI() async throws {
        try await LiveServer.with { live in
            let created = try await live.call("POST", "/2015-03-31/functions", createBody)
            #expect(created.status == 201)
            #expect(created.json["Runtime"] == "python3.11")
            #expect(created.json["Version"] == "1")
            #expect(created.json["FunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:hello:1")
            #expect(try await live.call("POST", "/2015-03-31/functions", createBody).status == 409)

            let invoked = try await live.call("POST", "/2015-03-31/functions/hello/invocations", "[7]")
            #expect(invoked.status == 200)
            #expect(invoked.text == "[7]")

            let read = try await live.call("GET", "/2015-03-31/functions/hello/configuration")
            #expect(read.json["State"] == "Active")
            #expect(read.json["LastUpdateStatus"] == "Successful")
            let revision = try #require(read.json["RevisionId"])
            let updated = try await live.call(
                "PUT", "/2015-03-31/functions/hello/configuration", #"{"MemorySize":256,"RevisionId":"\#(revision)"}"#)
            #expect(updated.json["MemorySize"] == "256")
            #expect(
                try await live.call(
                    "PUT", "/2015-03-31/functions/hello/configuration", #"{"MemorySize":512,"RevisionId":"\#(revision)"}"#
                ).status == 412)
            let code = try await live.call("PUT", "/2015-03-31/functions/hello/code", #"{"ZipFile":"\#(Base64.encode([0x50, 0x4B, 9]))"}"#)
            #expect(code.status == 200)
            #expect(code.json["CodeSha256"] != read.json["CodeSha256"])
            #expect(try await live.call("PUT", "/2015-03-31/functions/hello/code", #"{"ZipFile":"AAAA"}"#).status == 400)
            #expect(try await live.call("POST", "/2015-03-31/functions/hello/versions").json["Version"] == "2")
            #expect(try await live.call("GET", "/2015-03-31/functions/hello/versions").text.contains(#""Version":"$LATEST""#))

            let url = try await live.call("POST", "/2021-10-31/functions/hello/url", #"{"AuthType":"NONE"}"#)
            #expect(url.status == 201)
            #expect(url.json["FunctionUrl"] == "http://127.0.0.1:\(live.port)/fn/hello/")
            #expect(try await live.call("GET", "/fn/hello/x").text.contains(#""rawPath":"/x""#))
            #expect(try await live.call("GET", "/2021-10-31/functions/hello/urls").text.contains("FunctionUrlConfigs"))
            #expect(try await live.call("PUT", "/2021-10-31/functions/hello/url", #"{"AuthType":"AWS_IAM"}"#).json["AuthType"] == "AWS_IAM")
            #expect(try await live.call("GET", "/fn/hello").status == 403)
            #expect(try await live.call("DELETE", "/2021-10-31/functions/hello/url").status == 204)
            #expect(try await live.call("GET", "/fn/hello").status == 404)

            #expect(
                try await live.call("PUT", "/2017-10-31/functions/hello/concurrency", #"{"ReservedConcurrentExecutions":5}"#).status == 200)
            #expect(
                try await live.call("GET", "/2019-09-30/functions/hello/concurrency").json["ReservedConcurrentExecutions"] == "5")
            #expect(try await live.call("DELETE", "/2017-10-31/functions/hello/concurrency").status == 204)

            let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ahello"
            #expect(try await live.call("POST", "/2017-03-31/tags/\(arn)", #"{"Tags":{"a":"1","b":"2"}}"#).status == 204)
            #expect(try await live.call("DELETE", "/2017-03-31/tags/\(arn)?tagKeys=a").status == 204)
            #expect(try await live.call("GET", "/2017-03-31/tags/\(arn)").text == #"{"Tags":{"b":"2"}}"#)

            #expect(try await live.call("GET", "/2016-08-19/account-settings").text.contains(#""FunctionCount":1"#))
            #expect(try await live.call("GET", "/2020-06-30/functions/hello/code-signing-config").status == 200)
            #expect(try await live.call("GET", "/2015-03-31/functions/").text.contains(#""FunctionName":"hello""#))
            #expect(try await live.call("DELETE", "/2015-03-31/functions/hello").status == 204)
            #expect(try await live.call("GET", "/2015-03-31/functions/hello").status == 404)
            #expect(try await live.call("PATCH", "/2015-03-31/functions/hello").status == 405)
            #expect(try await live.call("GET", "/2015-03-31/nothing").status == 404)
        }
    }

    /// Some encoders write every slash of the base64 as `\/`.
    @Test func archiveWithEscapedSlashesIsTheSameArchive() async throws {
        try await LiveServer.with { live in
            let bytes: [UInt8] = [0x50, 0x4B, 0xFF, 0xFF, 0xFF]
            let plain = Base64.encode(bytes)
            #expect(plain.contains("/"))
            #expect(try await live.call("POST", "/2015-03-31/functions", createBody).status == 201)
            let first = try await live.call("PUT", "/2015-03-31/functions/hello/code", #"{"ZipFile":"\#(plain)"}"#)
            let second = try await live.call(
                "PUT", "/2015-03-31/functions/hello/code", #"{"Publish":false, "ZipFile" : "\#(plain.replacing("/", with: #"\/"#))"}"#)
            #expect(first.status == 200)
            #expect(second.json["CodeSha256"] == first.json["CodeSha256"])
            #expect(second.json["RevisionId"] == first.json["RevisionId"])
            for bad in [#"{"ZipFile":"\#(plain)}"#, #"{"ZipFile":5}"#, #"{"ZipFile":"%%%"}"#, #"{"ZipFile":"\#(plain)","Publish":1}"#] {
                #expect(try await live.call("PUT", "/2015-03-31/functions/hello/code", bad).status == 400)
            }
        }
    }

    @Test func listIsPagedByName() async throws {
        try await LiveServer.with { live in
            for index in 0..<7 {
                let body = createBody.replacing("\"hello\"", with: "\"f\(index)\"")
                #expect(try await live.call("POST", "/2015-03-31/functions", body).status == 201)
            }
            var seen: [String] = []
            var marker: String?
            repeat {
                let query = marker.map { "&Marker=" + $0.replacing("$", with: "%24") } ?? ""
                let page = try await live.call("GET", "/2015-03-31/functions?MaxItems=3\(query)")
                #expect(page.status == 200)
                seen += page.text.split(separator: "\"FunctionName\":\"").dropFirst().map { String($0.prefix(2)) }
                marker = page.json["NextMarker"]
            } while marker != nil
            #expect(seen == (0..<7).map { "f\($0)" })
            #expect(try await live.call("GET", "/2015-03-31/functions?MaxItems=x").status == 400)
            #expect(try await live.call("GET", "/2015-03-31/functions?Marker=x").status == 400)
        }
    }

    @Test func sendingSideMayBeClosedBeforeTheAnswer() async throws {
        try await LiveServer.with { live in
            _ = try await live.call("POST", "/2015-03-31/functions", createBody)
            let text = try await live.exchange(
                "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n5", halfClose: true)
            #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(text.hasSuffix("\r\n\r\n5"))
            let created = try await live.exchange(
                "GET /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\n\r\n", halfClose: true)
            #expect(created.hasPrefix("HTTP/1.1 200 OK\r\n"), "management routes too")
        }
    }

    @Test func refusedUploadStillHearsTheRefusal() async throws {
        try await LiveServer.with { live in
            let text = try await live.exchange(
                "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7000000\r\n\r\n"
                    + String(repeating: "a", count: 7_000_000))
            #expect(text.hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test func sixMegabytesGoBothWays() async throws {
        try await LiveServer.with { live in
            _ = try await live.call("POST", "/2015-03-31/functions", createBody)
            let payload = "\"" + String(repeating: "x", count: 6 * 1024 * 1024 - 2) + "\""
            let answer = try await live.call("POST", "/2015-03-31/functions/hello/invocations", payload)
            #expect(answer.status == 200)
            #expect(answer.text == payload)
            #expect(await live.server.statistics().bytesInFlight == 0)
        }
    }

    @Test func faultsOfARouteAreAnsweredAndReported() async throws {
        struct Broken: Error {}
        let routes = [
            ControlRoute("GET", "/martlet/v1/broken", access: .open) { _ in throw Broken() },
            ControlRoute("GET", "/martlet/v1/echo/{name}") { .text($0.parameters["name"] ?? "") },
        ]
        try await LiveServer.with(routes: routes) { live in
            let broken = try await live.call("GET", "/martlet/v1/broken")
            #expect(broken.status == 500)
            #expect(broken.json["Type"] == "Service")
            #expect(!broken.text.contains("Broken"), "causes are for the log")
            #expect(try await live.call("GET", "/martlet/v1/echo/a%2Fb").text == "a/b")
        }
    }

    @Test func managementRoutesAtOnceAreBounded() async throws {
        let (started, startedFeed) = AsyncStream.makeStream(of: Void.self)
        let (gate, gateFeed) = AsyncStream.makeStream(of: Void.self)
        let route = ControlRoute("GET", "/martlet/v1/wait", access: .open) { _ in
            startedFeed.yield()
            for await _ in gate { break }
            return .noContent
        }
        try await LiveServer.with(routes: [route]) { live in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<128 { group.addTask { try await live.call("GET", "/martlet/v1/wait").status } }
                var waiting = started.makeAsyncIterator()
                for _ in 0..<128 { await waiting.next() }
                #expect(try await live.call("GET", "/martlet/v1/wait").status == 429)
                gateFeed.finish()
                for try await status in group { #expect(status == 204) }
            }
        }
    }

    @Test func clientThatLeavesCancelsItsRoute() async throws {
        let (started, startedFeed) = AsyncStream.makeStream(of: Void.self)
        let (cancelled, cancelledFeed) = AsyncStream.makeStream(of: Void.self)
        let route = ControlRoute("GET", "/martlet/v1/wait", access: .open) { _ in
            startedFeed.yield()
            await withTaskCancellationHandler {
                let (never, feed) = AsyncStream.makeStream(of: Void.self)
                for await _ in never {}
                feed.finish()
            } onCancel: {
                cancelledFeed.yield()
            }
            return .noContent
        }
        try await LiveServer.with(routes: [route]) { live in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: live.port).get()
            try await channel.writeAndFlush(ByteBuffer(string: "GET /martlet/v1/wait HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            for await _ in started { break }
            // A reset, as from a client that was killed; a plain close looks like one that still wants its answer.
            try await (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
            try await channel.close()
            for await _ in cancelled { break }
        }
    }

    @Test func signedServerRefusesStrangersAndServesItsKeys() async throws {
        try await LiveServer.with(developmentMode: false) { live in
            let refused = try await live.call("GET", "/2015-03-31/functions")
            #expect(refused.status == 403)
            let headers = SigV4Signer.sign(
                method: "GET", path: "/2015-03-31/functions", headers: [("Host", "127.0.0.1:\(live.port)")], body: [],
                keys: SigningKeys(accessKeyID: "AKIA", secret: "s"), region: "eu-west-1", date: Int64(Date().timeIntervalSince1970))
            let lines = headers.map { "\($0.name): \($0.value)\r\n" }.joined()
            let text = try await live.exchange(
                "GET /2015-03-31/functions HTTP/1.1\r\nHost: 127.0.0.1:\(live.port)\r\nConnection: close\r\n\(lines)\r\n")
            #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test func shutdownEndsIdleConnectionsAtOnce() async throws {
        try await LiveServer.with { live in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: live.port).get()
            // The answer proves that the connection is accepted.
            #expect(try await live.call("GET", "/martlet/v1/health").status == 200)
            await live.server.shutdown(limit: .seconds(600))
            try await channel.closeFuture.get()
            #expect(await live.server.statistics().connections == 0)
        }
    }
}

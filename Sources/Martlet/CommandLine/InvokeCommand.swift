internal import ArgumentParser
internal import FoundationEssentials
internal import Glibc
internal import JSONValues

struct InvokeCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "invoke", abstract: "Run a function and print its answer.",
        discussion: "The event is --payload, the content of --file, or with \"-\" what stdin gives; without any of them {}. "
            + "Ends with status 1 if the function fails; its error goes to stderr.")

    @Argument(help: "The function's name, also NAME:VERSION or an ARN.")
    var name: String
    @Argument(help: ArgumentHelp("\"-\" reads the event from stdin.", valueName: "-"))
    var standardInput: String?
    @Option(parsing: .unconditional, help: "The event as JSON text.")
    var payload: String?
    @Option(help: "A file that holds the event.")
    var file: String?
    @Flag(help: "Print the last 4 KB of the invocation's log to stderr.")
    var log = false
    @Option(help: "The version to run.")
    var qualifier: String?
    @Flag(help: "Do not wait: the event is kept durably and runs by itself; printed is its request ID.")
    var event = false
    @Option(help: ArgumentHelp("With --event: of several with one key within five minutes, one runs; all get its request ID.", valueName: "key"))
    var idempotencyKey: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let standardInput, standardInput != "-" {
            throw ValidationError("Unexpected argument \(standardInput); write the event with --payload or --file, or - for stdin")
        }
        guard [standardInput, payload, file].compactMap({ $0 }).count <= 1 else {
            throw ValidationError("Only one of --payload, --file and - can give the event")
        }
        guard !event || !log else { throw ValidationError("--event waits for no log; see it later with: martlet logs NAME --request ID") }
        guard event || idempotencyKey == nil else { throw ValidationError("--idempotency-key is for --event") }
    }

    func perform() async throws {
        var request = APIRequest("POST", LambdaPaths.invocations(name))
        request.body = try body()
        request.headers = [("Content-Type", "application/json"), ("X-Amz-Invocation-Type", event ? "Event" : "RequestResponse")]
        if let idempotencyKey { request.headers.append(("X-Martlet-Idempotency-Key", idempotencyKey)) }
        if !event, log || output.json { request.headers.append(("X-Amz-Log-Type", "Tail")) }
        if let qualifier { request.query.append(("Qualifier", qualifier)) }
        // Lambda's longest time limit, and some for the queue and a cold start.
        request.timeout = 960
        let response = try await server.client().send(request)
        if event {
            let id = response.header("x-amzn-RequestId") ?? ""
            guard output.json else { return Terminal.print(id) }
            return output.print(json: .object([.init("statusCode", .integer(response.status)), .init("requestId", .string(id))]))
        }
        let tail = response.header("X-Amz-Log-Result").flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
        let functionError = response.header("X-Amz-Function-Error")
        if output.json {
            output.print(
                json: .object([
                    .init("statusCode", .integer(response.status)), .init("requestId", .optional(response.header("x-amzn-RequestId"))),
                    .init("executedVersion", .optional(response.header("X-Amz-Executed-Version"))),
                    .init("functionError", .optional(functionError)),
                    .init("payload", (try? JSON(parsing: response.body)) ?? .string(String(decoding: response.body, as: UTF8.self))),
                    .init("log", .optional(tail)),
                ]))
        }
        if log, let tail { Terminal.printErrorRaw(tail.hasSuffix("\n") || tail.isEmpty ? tail : tail + "\n") }
        if functionError != nil {
            if !output.json { Terminal.printError(Self.errorText(response.body)) }
            throw ExitCode(1)
        }
        if !output.json { Terminal.printBytes(response.body + (response.body.last == 0x0A ? [] : [0x0A])) }
    }

    private func body() throws -> [UInt8] {
        if let payload { return Array(payload.utf8) }
        if let file { return try LocalFile.read(file) }
        if standardInput != nil { return try LocalFile.readStandardInput() }
        return Array("{}".utf8)
    }

    /// `ErrorType: message` and the stack below it, as an interpreter would print it.
    static func errorText(_ body: [UInt8]) -> String {
        guard let error = try? JSON(parsing: body), let message = error["errorMessage"]?.plain else {
            return String(decoding: body, as: UTF8.self)
        }
        var lines = [error["errorType"]?.string.map { "\($0): \(message)" } ?? message]
        for frame in error["stackTrace"]?.array ?? [] {
            lines += frame.plain.split(separator: "\n").map(String.init)
        }
        return lines.joined(separator: "\n")
    }
}

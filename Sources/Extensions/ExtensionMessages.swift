public import FunctionModel
internal import JSONValues

/// What the function is, as extensions are told when they register.
public struct ExtensionFacts: Sendable {
    public let functionName: String
    public let functionVersion: String
    public let handler: String
    public let account: String

    public init(functionName: String, functionVersion: String, handler: String, account: String) {
        self.functionName = functionName
        self.functionVersion = functionVersion
        self.handler = handler
        self.account = account
    }

    /// The answer to a registration.
    /// - Parameter features: the header `Lambda-Extension-Accept-Feature`; unknown ones are ignored.
    public func registered(features: String?) -> String {
        var members: [JSON.Member] = []
        let accepted = (features ?? "").split(separator: ",").map { $0.trimmingSpace }
        if accepted.contains("accountId") { members.append(.init("accountId", .string(account))) }
        members += [
            .init("functionName", .string(functionName)), .init("functionVersion", .string(functionVersion)), .init("handler", .string(handler)),
        ]
        return JSON.object(members).text()
    }
}

/// The body of a registration: `{"events": ["INVOKE", "SHUTDOWN"]}`.
public enum ExtensionRegistration {
    /// - Returns: the events it names, unchecked; none where it names none.
    public static func events(parsing body: some Sequence<UInt8>) throws(ExtensionFault) -> [String] {
        let request: JSON
        do throws(JSONFault) { request = try JSON(parsing: body, maximumDepth: 8) } catch {
            throw ExtensionFault("InvalidRequestFormat", "the request is no JSON: \(error)")
        }
        guard case .object = request else { throw ExtensionFault("InvalidRequestFormat", "the request is no JSON object") }
        if request["configurationKeys"]?.array?.isEmpty == false {
            throw ExtensionFault("InvalidRequestFormat", "configurationKeys are deprecated; use environment variables instead")
        }
        switch request["events"] {
        case nil, .null?: return []
        case .array(let values)?:
            let texts = values.compactMap(\.string)
            guard texts.count == values.count else { throw ExtensionFault("InvalidRequestFormat", "events is no array of strings") }
            return texts
        default: throw ExtensionFault("InvalidRequestFormat", "events is no array of strings")
        }
    }
}

/// Why an environment ends.
public enum ShutdownReason: String, Sendable {
    /// Nothing was wrong: it is not needed any more.
    case spindown
    case timeout
    case failure
}

/// The answers to a request for the next event.
public enum ExtensionEventMessage {
    /// - Parameter deadline: of the invocation, milliseconds since 1970.
    public static func invoke(requestID: RequestID, arn: String, traceID: String, deadline: Int64) -> String {
        JSON.object([
            .init("eventType", .string(ExtensionEvent.invoke.rawValue)), .init("deadlineMs", .integer(deadline)),
            .init("requestId", .string(requestID.description)), .init("invokedFunctionArn", .string(arn)),
            .init("tracing", .object([.init("type", .string("X-Amzn-Trace-Id")), .init("value", .string(traceID))])),
        ]).text()
    }

    /// - Parameter deadline: after which its process is killed, milliseconds since 1970.
    public static func shutdown(_ reason: ShutdownReason, deadline: Int64) -> String {
        JSON.object([
            .init("eventType", .string(ExtensionEvent.shutdown.rawValue)), .init("deadlineMs", .integer(deadline)),
            .init("shutdownReason", .string(reason.rawValue)),
        ]).text()
    }
}

/// The body of a refusal.
extension ExtensionFault {
    public var body: String { JSON.object([.init("errorMessage", .string(message)), .init("errorType", .string(type))]).text() }
}

extension Substring {
    fileprivate var trimmingSpace: Substring {
        var text = self
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}

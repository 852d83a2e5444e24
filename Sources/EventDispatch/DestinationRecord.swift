import DurableQueue
import FoundationEssentials
import FunctionModel
import Metering

/// What became of an event, in the forms that destinations and dead-letter queues get.
struct EventOutcome: Sendable {
    var requestID: RequestID
    /// With the qualifier it was invoked with, or `$LATEST`.
    var functionARN: String
    /// `Success`, `RetriesExhausted`, `EventAgeExceeded`, `ZeroReservedConcurrency`.
    var condition: String
    var invokeCount: Int
    /// JSON text.
    var request: [UInt8]
    /// The last answer; nil if the function never ran.
    var response: Response?

    struct Response: Sendable {
        var executedVersion: String
        var isFunctionError: Bool
        /// JSON text.
        var payload: [UInt8]
    }

    /// Lambda's destination record, version 1.0. Payloads go in as they are: both are JSON.
    func record(now: Int64) -> [UInt8] {
        var json = Array(#"{"version":"1.0","timestamp":"#.utf8)
        json += Self.quoted(UsageTime.iso8601(now))
        json += Array(#","requestContext":{"requestId":"#.utf8) + Self.quoted(requestID.description)
        json += Array(#","functionArn":"#.utf8) + Self.quoted(functionARN)
        json += Array(#","condition":"#.utf8) + Self.quoted(condition)
        json += Array(#","approximateInvokeCount":\#(invokeCount)},"requestPayload":"#.utf8) + request
        if let response {
            json += Array(#","responseContext":{"statusCode":200,"executedVersion":"#.utf8) + Self.quoted(response.executedVersion)
            if response.isFunctionError { json += Array(#","functionError":"Unhandled""#.utf8) }
            json += Array(#"},"responsePayload":"#.utf8) + (response.payload.isEmpty ? Array("null".utf8) : response.payload)
        }
        json += Array("}".utf8)
        return json
    }

    /// The attributes of an event in a dead-letter queue, in SQS's form.
    func deadLetterAttributes(message: String) -> [UInt8] {
        // Lambda's codes: 200 for the function's own error, 429 where it was never let run.
        let code = response == nil ? "429" : "200"
        let members = [("ErrorCode", "Number", code), ("ErrorMessage", "String", String(message.unicodeScalars.prefix(1_024))), ("RequestID", "String", requestID.description)]
        return Self.attributes(members)
    }

    /// The attributes of an event that a schedule or a rule sent, in its dead-letter queue.
    ///
    /// Source: Scheduler user guide, "Configuring a dead-letter queue"; EventBridge has the same names.
    func letterAttributes(_ terms: DeliveryTerms, _ failure: Settlement.Failure) -> [UInt8] {
        let exhausted = condition == "EventAgeExceeded" ? "MaximumEventAgeInSeconds" : "MaximumRetryAttempts"
        var texts = terms.letter ?? [:]
        texts["ERROR_CODE"] = failure.kind
        texts["ERROR_MESSAGE"] = String(failure.reason.unicodeScalars.prefix(1_024))
        texts["EXHAUSTED_RETRY_CONDITION"] = exhausted
        texts["RETRY_ATTEMPTS"] = String(max(0, invokeCount - 1))
        return Self.attributes(texts.sorted { $0.key < $1.key }.map { ($0.key, "String", $0.value) })
    }

    /// SQS's form; it has no empty values.
    private static func attributes(_ members: [(name: String, type: String, value: String)]) -> [UInt8] {
        var json = Array("{".utf8)
        for (name, type, value) in members where !value.isEmpty {
            if json.count > 1 { json += Array(",".utf8) }
            json += quoted(name) + Array(#":{"DataType":"\#(type)","StringValue":"#.utf8) + quoted(value) + Array("}".utf8)
        }
        return json + Array("}".utf8)
    }

    private static func quoted(_ text: String) -> [UInt8] {
        // A text always has a JSON form.
        (try? JSONEncoder().encode(text)).map { [UInt8]($0) } ?? Array("\"\"".utf8)
    }
}

/// What a function's error says, as far as it keeps to Lambda's form.
struct FunctionErrorText: Decodable {
    var errorType: String?
    var errorMessage: String?

    init(payload: [UInt8]) {
        self = (try? JSONDecoder().decode(FunctionErrorText.self, from: Data(payload))) ?? FunctionErrorText()
    }

    private init() {}
}

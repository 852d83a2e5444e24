import EventStream
import FunctionModel
import InvocationPipeline
import JSONValues
import LambdaAPI
import NIOCore

/// Turns an answer that may come in parts into what one client reads. Confined to the event loop.
protocol StreamedAnswer: AnyObject {
    func begins(_ head: ResponseStream.Head, on connection: ConnectionHandler)
    func takes(_ part: ByteBuffer, on connection: ConnectionHandler)
    /// Also for an answer that came whole.
    func completes(_ result: Result<InvocationResult, ServiceError>, on connection: ConnectionHandler)
}

/// `InvokeWithResponseStream`: events `PayloadChunk` and a last one, `InvokeComplete`.
///
/// Source: botocore `lambda/2015-03-31`, InvokeWithResponseStreamResponseEvent.
final class EventStreamAnswer: StreamedAnswer {
    private var hasBegun = false

    func begins(_ head: ResponseStream.Head, on connection: ConnectionHandler) { begin(head.executedVersion, on: connection) }

    private func begin(_ version: String, on connection: ConnectionHandler) {
        var head = connection.startAnswer(200)
        head.writeStaticString("Content-Type: application/vnd.amazon.eventstream\r\n")
        head.writeField("X-Amz-Executed-Version", version)
        connection.writeTraceID(into: &head)
        hasBegun = connection.startParts(200, &head)
    }

    func takes(_ part: ByteBuffer, on connection: ConnectionHandler) {
        var part = part
        while let piece = part.readSlice(length: min(part.readableBytes, EventStreamMessage.maximumPayload)), piece.readableBytes > 0 {
            let message = EventStreamMessage.event("PayloadChunk", contentType: "application/octet-stream", payload: piece.readableBytesView)
            connection.writePart(ByteBuffer(bytes: message))
        }
    }

    func completes(_ result: Result<InvocationResult, ServiceError>, on connection: ConnectionHandler) {
        switch result {
        case .failure(let error) where !hasBegun:
            if error.underlying != nil { connection.core.report(error, connection.request.id) }
            connection.refuse(Refusal(error))
        case .failure(let error):
            complete(code: error.code.exception.name, details: error.message, tail: nil, on: connection)
        case .success(let result):
            let isWhole = !hasBegun
            if isWhole { begin(result.executedVersion, on: connection) }
            guard hasBegun else { return }
            // The error that ends a stream is no part of what the function wrote.
            if isWhole { takes(result.payload, on: connection) }
            let failed = result.outcome != .success
            complete(code: failed ? "Unhandled" : nil, details: failed ? String(buffer: result.payload) : nil, tail: result.logTail, on: connection)
        }
    }

    private func complete(code: String?, details: String?, tail: ByteBuffer?, on connection: ConnectionHandler) {
        var members: [JSON.Member] = []
        if let code { members.append(.init("ErrorCode", .string(code))) }
        if let details { members.append(.init("ErrorDetails", .string(details))) }
        if let tail { members.append(.init("LogResult", .string(Base64.encode(tail.readableBytesView)))) }
        connection.writePart(ByteBuffer(bytes: EventStreamMessage.event("InvokeComplete", payload: JSON.object(members).text().utf8)))
        connection.finishParts()
    }
}

/// A function URL with InvokeMode RESPONSE_STREAM: status and headers from the prelude, where there is one, then the body.
final class FunctionURLStream: StreamedAnswer {
    private enum State {
        case waiting
        case prelude(HTTPIntegrationPrelude)
        case body
        /// What goes before the body was unusable; the client has been told.
        case refused
    }

    private let maximumDepth: Int
    private var state = State.waiting

    init(maximumDepth: Int) { self.maximumDepth = maximumDepth }

    func begins(_ head: ResponseStream.Head, on connection: ConnectionHandler) {
        if HTTPIntegrationPrelude.isContentType(head.contentType) {
            state = .prelude(HTTPIntegrationPrelude(maximumDepth: maximumDepth, dropsCORS: connection.request.cors != nil))
            return
        }
        var fields = ByteBuffer()
        fields.writeField("Content-Type", head.contentType)
        start(200, fields, on: connection)
    }

    private func start(_ status: Int, _ fields: ByteBuffer, on connection: ConnectionHandler) {
        var head = connection.startAnswer(status)
        connection.writeTraceID(into: &head)
        head.writeImmutableBuffer(fields)
        state = connection.startParts(status, &head) ? .body : .refused
    }

    func takes(_ part: ByteBuffer, on connection: ConnectionHandler) {
        switch state {
        case .waiting, .refused: return
        case .body: connection.writePart(part)
        case .prelude(var prelude):
            do throws(FunctionURLResponse.Invalid) {
                guard let (response, body) = try prelude.take(part) else {
                    state = .prelude(prelude)
                    return
                }
                start(response.status, response.fields, on: connection)
                connection.writePart(body)
            } catch {
                refuse(error, on: connection)
            }
        }
    }

    private func refuse(_ error: FunctionURLResponse.Invalid, on connection: ConnectionHandler) {
        state = .refused
        connection.answerBadGateway(reason: error.reason)
    }

    func completes(_ result: Result<InvocationResult, ServiceError>, on connection: ConnectionHandler) {
        switch state {
        // Nothing has been sent yet, so status and body can still tell what happened.
        case .waiting: connection.answerFunctionURL(result)
        case .prelude:
            if case .success(let result) = result, result.outcome != .success {
                connection.answerBadGateway(reason: ConnectionHandler.reason(result.outcome))
            } else if case .failure = result {
                connection.answerFunctionURL(result)
            } else {
                refuse(HTTPIntegrationPrelude.incomplete, on: connection)
            }
        case .body:
            // The status is long gone: only an answer without its end says that this is not all.
            guard case .success(let result) = result, result.outcome == .success else { return connection.breakOff() }
            connection.finishParts()
        case .refused: return
        }
    }
}

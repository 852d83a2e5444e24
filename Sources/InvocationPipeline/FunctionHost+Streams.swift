import FunctionModel
import NIOCore
import WorkerNode

/// Answers that leave while their function still writes them.
extension FunctionHost {
    func environmentStreams(_ environment: Environment, contentType: String) {
        guard let call = calls[environment.workerNumber], let stream = call.invocation.stream else { return }
        // Nobody waits for what has not begun yet; for the rest of an answer nobody ever will.
        guard !call.isClientGone else { return abandon(call) }
        call.isStreaming = true
        stream.onPause = { [weak environment] in environment?.setPaused($0) }
        stream.begins(ResponseStream.Head(executedVersion: version.version, contentType: Self.mediaType(contentType)))
        environment.setPaused(stream.isPaused)
    }

    func environmentStreamed(_ environment: Environment, part: ByteBuffer) {
        guard let call = calls[environment.workerNumber], let stream = call.invocation.stream, call.isStreaming else { return }
        guard call.streamedBytes + part.readableBytes <= ResponseStream.maximumBytes else { return tooLong(call, environment) }
        if call.answerBegan == nil { call.answerBegan = .now() }
        call.streamedBytes += part.readableBytes
        stream.takes(part)
    }

    /// The rest of a streamed answer is its last part: what remains for the completion is that it has ended.
    /// - Returns: nil when the answer was too long and the invocation has ended by that.
    func lastPart(of call: Call, _ environment: Environment, _ payload: ByteBuffer) -> ByteBuffer? {
        if payload.readableBytes > 0 { environmentStreamed(environment, part: payload) }
        return calls[environment.workerNumber] === call ? ByteBuffer() : nil
    }

    /// As with a time limit its end is reported when it is reaped; the permit stays taken until then.
    private func tooLong(_ call: Call, _ environment: Environment) {
        calls[environment.workerNumber] = nil
        environment.killNow()
        settle(
            call, environment, outcome: .invalidResponse,
            payload: ErrorPayload.make(
                type: "Function.ResponseSizeTooLarge",
                message: "Response payload size exceeded maximum allowed payload size (\(ResponseStream.maximumBytes) bytes)."))
        perform()
    }

    /// The client of a stream has gone: the function is ended, since whatever it would still write is for nobody.
    func abandon(_ call: Call) {
        call.isAbandoned = true
        cutOff(call)
    }

    /// It becomes a header field of the answer.
    private static func mediaType(_ text: String) -> String {
        let isField = !text.isEmpty && text.utf8.count <= 255 && text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        return isField ? text : "application/octet-stream"
    }
}

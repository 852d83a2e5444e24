import AccessControl
import FunctionModel
import InvocationPipeline
import NIOCore
import NIOHTTP1

/// One request from its header to whoever answers it.
extension ConnectionHandler {
    func begin(_ head: HTTPRequestHead) {
        sequence += 1
        phase = .receiving
        headerStarted = false
        let now = core.loop.now
        deadline = now + core.configuration.bodyTimeout
        core.statistics.requests += 1
        core.statistics.requestsInFlight += 1
        request = ActiveRequest(
            id: core.newRequestID(), head: head, arrived: now, arrivedMilliseconds: core.milliseconds(),
            keepAlive: parent == nil && head.isKeepAlive && !core.isDraining)
        do throws(Refusal) {
            try accept(head)
        } catch {
            refuse(error)
            return
        }
        if request.fields.expectsContinue { askForBody() }
    }

    func receive(_ bytes: ByteBuffer) {
        let count = bytes.readableBytes
        guard request.received + count <= request.maximumBody else {
            refuse(tooLarge())
            return
        }
        guard core.bytes.reserve(count) else {
            refuse(Self.overloaded)
            return
        }
        request.reserved += count
        request.received += count
        bytes.withUnsafeReadableBytes { request.digest?.update($0) }
        // A body that trickles in keeps its time only as long as it keeps the rate.
        deadline =
            request.arrived + core.configuration.bodyTimeout
            + .milliseconds(Int64(request.received) * 1000 / Int64(core.configuration.minimumBodyRate))
        if request.chunks != nil { return receiveChunks(bytes) }
        if request.body == nil {
            if let length = request.fields.contentLength, length > count {
                var body = ByteBuffer()
                body.reserveCapacity(min(length, Self.pipelineLimit))
                body.writeImmutableBuffer(bytes)
                request.body = body
            } else {
                request.body = bytes
            }
        } else {
            request.body?.writeImmutableBuffer(bytes)
        }
    }

    /// Of a body that comes in signed chunks only the data is kept.
    func receiveChunks(_ bytes: ByteBuffer) {
        var body = request.body ?? ByteBuffer()
        request.body = nil
        do throws(AuthenticationError) {
            try bytes.withUnsafeReadableBytes { raw throws(AuthenticationError) in try request.chunks?.feed(raw) { body.writeBytes($0) } }
            request.body = body
        } catch {
            refuse(Refusal(error))
        }
    }

    func complete() {
        request.isComplete = true
        phase = .processing
        deadline = .distantFuture
        do throws(Refusal) {
            try authenticate()
            try dispatch()
        } catch {
            refuse(error)
        }
    }

    static let overloaded = Refusal(
        .unavailable, "the server holds as many request bytes as it may: send the request again in a moment", retryAfter: 1)

    func tooLarge() -> Refusal {
        Refusal(
            .requestTooLarge,
            "Request must be smaller than \(request.maximumBody) bytes for the \(request.operation) operation")
    }

    /// Hands the event to the pipeline; `finish` gets the result unless the client has gone.
    func invoke(_ invocation: Invocation, finish: @escaping (ConnectionHandler, Result<InvocationResult, ServiceError>) -> Void) {
        let mine = sequence
        let held = hold(invocation.event.readableBytes)
        let ticket = core.invoker.invoke(invocation) { [self] result in
            core.bytes.release(held)
            guard isCurrent(mine) else { return }
            self.ticket = nil
            finish(self, result)
        }
        if isCurrent(mine) { self.ticket = ticket }
    }

    /// Keeps an event; the client is answered when it is durable.
    func accept(
        _ invocation: Invocation, _ events: any EventAcceptor, finish: @escaping (ConnectionHandler, Result<RequestID, ServiceError>) -> Void
    ) {
        let mine = sequence
        let held = hold(invocation.event.readableBytes)
        events.accept(invocation) { [self] result in
            core.bytes.release(held)
            guard isCurrent(mine) else { return }
            finish(self, result)
        }
    }

    /// Runs a management route off the loop.
    func run(_ route: ControlRoute, _ controlRequest: ControlRequest) {
        let mine = sequence
        let held = hold(controlRequest.body.readableBytes)
        let bound = NIOLoopBound(self, eventLoop: core.loop)
        let loop = core.loop
        let handler = route.handler
        let keep = core.audit
        let now = core.wallClock
        task = Task {
            // A form of megabytes is looked through for what it asks for, which is no work for the loop.
            let audit = keep.flatMap { keep in Audited(controlRequest, route).map { (keep, $0) } }
            let result: Result<ControlResponse, ServiceError>
            do {
                result = .success(try await handler(controlRequest))
            } catch let error as ServiceError {
                result = .failure(error)
            } catch {
                result = .failure(
                    ServiceError(.internalFailure, "failed to answer \(controlRequest.method) \(controlRequest.path)", underlying: error))
            }
            if let (keep, audited) = audit { await keep(audited.entry(result, time: now())) }
            loop.execute { bound.value.controlFinished(mine, held, route, result) }
        }
    }

    func controlFinished(_ mine: UInt64, _ held: Int, _ route: ControlRoute, _ result: Result<ControlResponse, ServiceError>) {
        core.endControlRequest(route)
        core.bytes.release(held)
        guard isCurrent(mine) else { return }
        task = nil
        switch result {
        case .success(let response): response.nextPart.map { answer(response, $0) } ?? answer(response)
        case .failure(let error):
            if error.underlying != nil { core.report(error, request.id) }
            refuse(Refusal(error))
        }
    }

    /// Hands an event to the pipeline, whose answer may come in parts: `answer` turns these into what the client reads.
    func invoke(_ make: (ResponseStream) -> Invocation, answer: any StreamedAnswer) {
        let mine = sequence
        let stream = ResponseStream(
            begin: { [self] head in if isCurrent(mine) { answer.begins(head, on: self) } },
            take: { [self] part in if isCurrent(mine) { answer.takes(part, on: self) } })
        request.stream = stream
        invoke(make(stream)) { connection, result in answer.completes(result, on: connection) }
    }

    func isCurrent(_ mine: UInt64) -> Bool { sequence == mine && phase == .processing }

    /// The body's reservation passes to whoever holds its bytes now, also beyond the connection's end.
    func hold(_ count: Int) -> Int {
        core.bytes.release(request.reserved)
        request.reserved = 0
        request.body = nil
        core.bytes.add(count)
        return count
    }
}

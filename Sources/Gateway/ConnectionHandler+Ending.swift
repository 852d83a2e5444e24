import NIOCore

/// What follows an answer, time limits, and how a connection ends.
extension ConnectionHandler: GatewayConnection {
    var isOfFunction: Bool { session != nil }

    /// The end of the connection tells the client that the answer is not complete.
    func breakOff() { context?.close(promise: nil) }

    var canDiscardRest: Bool {
        let fields = request.fields
        // A client that waits for 100 may or may not send its body after a refusal: nothing tells where it ends.
        guard fields.isParsed, !fields.expectsContinue, !fields.isChunked, parent == nil || fields.contentLength != nil else { return false }
        return (fields.contentLength ?? 0) - request.received <= Self.discardLimit
    }

    func nextPhase() -> Phase {
        if parent != nil { return nextStreamPhase() }
        guard request.keepAlive else {
            dropQueue()
            pendingRefusal = nil
            deadline = core.loop.now + core.configuration.writeTimeout
            return .lingering
        }
        return request.isComplete ? .idle : .discarding
    }

    func bodyDiscarded() {
        if parent != nil { return phase = .lingering }
        becomeIdle()
    }

    func becomeIdle() {
        phase = .idle
        headerStarted = false
        deadline = core.loop.now + core.configuration.idleTimeout
        if core.isClosing, queue.isEmpty {
            context?.close(promise: nil)
            return
        }
        pump()
    }

    /// A close at once could turn into a reset that overtakes the answer; so the sending side is closed first, and the
    /// rest when the peer has closed its own.
    func lastAnswerSent() {
        guard phase == .lingering, let context else { return }
        request.isSent = true
        answered = core.loop.now
        if parent != nil { return streamAnswered() }
        if inputClosed || core.isClosing {
            context.close(promise: nil)
            return
        }
        deadline = core.loop.now + core.configuration.lingerTimeout
        context.close(mode: .output, promise: nil)
        if readPending {
            readPending = false
            context.read()
        }
    }

    // MARK: Time

    func checkDeadlines(_ now: NIODeadline) {
        checkSending(now)
        guard now >= deadline, let context else { return }
        switch phase {
        case .idle where headerStarted:
            core.statistics.timeouts += 1
            refuseConnection(
                Refusal(.requestTimeout, "no complete request header within \(core.configuration.headerTimeout.nanoseconds / 1_000_000_000) s"))
        case .receiving:
            core.statistics.timeouts += 1
            refuse(Refusal(.requestTimeout, "the request body came too slowly"), closing: true)
        case .idle, .discarding, .lingering: context.close(promise: nil)
        case .processing, .closed: break
        }
    }

    func checkSending(_ now: NIODeadline) {
        guard let unsent, let context else { return }
        if let parent { return checkStreamSending(now, since: unsent.since, parent) }
        let waiting = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? nil
        if let waiting, waiting != unsent.bytes {
            self.unsent = (waiting, now)
            if phase == .lingering { deadline = max(deadline, now + core.configuration.writeTimeout) }
        } else if now >= unsent.since + core.configuration.writeTimeout {
            core.statistics.timeouts += 1
            context.close(promise: nil)
        }
    }

    /// - Parameter awaitsFirst: whether a connection that has not had its first request may still get it: the peer cannot know
    ///   that it has to come again.
    func closeWhenIdle(awaitsFirst: Bool) {
        request.keepAlive = false
        endOpenAnswer()
        switch phase {
        case .idle where awaitsFirst && sequence == 0: deadline = min(deadline, core.loop.now + core.configuration.lingerTimeout)
        case .idle where queue.isEmpty: context?.close(promise: nil)
        case .discarding: context?.close(promise: nil)
        case .lingering: if request.isSent { context?.close(promise: nil) }
        case .idle, .receiving, .processing, .closed: break
        }
    }

    func cut() { context?.close(promise: nil) }

    /// The drain limit is over.
    func abort() {
        switch phase {
        // What has begun cannot become a refusal any more.
        case .processing where request.parts != .none: breakOff()
        case .processing:
            if let ticket { core.invoker.cancel(ticket) }
            ticket = nil
            task?.cancel()
            task = nil
            refuse(Refusal(.unavailable, "the server is shutting down: send the request again", retryAfter: 1), closing: true)
        case .receiving: refuse(Refusal(.unavailable, "the server is shutting down: send the request again", retryAfter: 1), closing: true)
        case .idle, .discarding, .lingering: context?.close(promise: nil)
        case .closed: break
        }
    }
}

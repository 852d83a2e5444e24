import DurableQueue
import EventBus
import FunctionModel
import JSONValues

/// One claimed event on its way.
struct EventAttempt: Sendable {
    let claimed: ClaimedMessage
    let queue: QueueKey
    let function: FunctionKey
    let attributes: EventAttributes
    let policy: RetryPolicy
    let config: EventInvokeConfig?
    /// ARN of the function's dead-letter queue; empty for none.
    let deadLetters: String
    let recursiveLoop: RecursiveLoop

    /// What led to the event, all its attempts included.
    var trace: String {
        let message = claimed.message
        return TraceHeader.readable(message.trace) ?? TraceHeader.text(of: message.id, milliseconds: message.sent)
    }

    /// As this attempt's function sees it.
    var payload: [UInt8] {
        let message = claimed.message
        return attributes.terms?.payload(message.body, attempt: message.receives) ?? message.body
    }
}

/// Writes down what becomes of events, off the loop.
struct EventSettler: Sendable {
    private static let tries = 6

    let store: any QueueStore
    let now: @Sendable () -> Int64

    /// A disk that is full for a moment must not cost a second run of an event that is done.
    /// - Returns: what the operator should know, if anything.
    func settle(_ settlement: Settlement, of queue: QueueKey) async -> String? {
        switch await attempt(settlement, of: queue) {
        case .success(.done), .success(.stale): nil
        case .success(.refused(let reason)): reason
        case .failure(let error): error.code == .resourceNotFound ? nil : "\(error); it will be attempted again when its lease ends"
        }
    }

    /// The same for the messages of a batch, each by itself.
    /// - Returns: the fault of the store, if it did not go away.
    func settle(_ settlements: [Settlement], of queue: QueueKey) async -> String? {
        var fault: String?
        for number in 0..<Self.tries {
            do {
                _ = try await store.settleSoon(settlements, of: queue, now: now())
                return nil
            } catch {
                if (error as? ServiceError)?.code == .resourceNotFound { return nil }
                fault = "\(error)"
                try? await Task.sleep(for: .milliseconds(200 << number))
            }
        }
        return fault
    }

    private func attempt(_ settlement: Settlement, of queue: QueueKey) async -> Result<Settlement.Result, ServiceError> {
        var last = ServiceError(.internalFailure, "failed to settle")
        for number in 0..<Self.tries {
            do {
                if let result = try await store.settleSoon([settlement], of: queue, now: now()).first { return .success(result) }
            } catch {
                last = error as? ServiceError ?? ServiceError(.internalFailure, "failed to settle", underlying: error)
                // Its function was deleted, and with it the queue.
                if last.code == .resourceNotFound { break }
                try? await Task.sleep(for: .milliseconds(200 << number))
            }
        }
        return .failure(last)
    }

    /// The event goes to its destinations, or to those that were given up; never both, never neither.
    /// - Parameter targetExists: whether a destination that is a function is there.
    /// - Returns: what the operator should know, if anything.
    func conclude(_ attempt: EventAttempt, _ outcome: EventOutcome, isSuccess: Bool, targetExists: Bool) async -> String? {
        let receipt = attempt.claimed.receipt
        let failure = failure(outcome)
        // What follows from the event has come by the function once more, also where its run was refused.
        let trace = Lineage.adding(Lineage.tag(of: attempt.function), to: attempt.trace)
        var complaints: [String] = []
        var deliveries: [Settlement.Delivery] = []
        if let arn = isSuccess ? attempt.config?.onSuccess : attempt.config?.onFailure {
            switch await delivery(of: outcome.record(now: now()), to: arn, attempt, trace, isSuccess: isSuccess, targetExists: targetExists) {
            case .success(let delivery): deliveries.append(delivery)
            case .failure(let error): complaints.append("the destination \(arn) cannot take it: \(error.message)")
            }
        }
        if !isSuccess, !attempt.deadLetters.isEmpty, let key = QueueKey(arn: attempt.deadLetters) {
            deliveries.append(
                Settlement.Delivery(
                    to: key,
                    NewMessage(
                        body: outcome.request, attributes: outcome.deadLetterAttributes(message: failure.reason),
                        group: key.name.hasSuffix(".fifo") ? attempt.function.name : nil, trace: trace, origin: "destination")))
        }
        if !isSuccess, let terms = attempt.attributes.terms, let key = terms.deadLetters.flatMap(QueueKey.init(arn:)) {
            deliveries.append(
                Settlement.Delivery(
                    to: key,
                    NewMessage(
                        body: outcome.request, attributes: outcome.letterAttributes(terms, failure),
                        group: key.name.hasSuffix(".fifo") ? attempt.function.name : nil, trace: trace, origin: "destination")))
        }
        if isSuccess || !deliveries.isEmpty {
            switch await self.attempt(Settlement(receipt, .acknowledge, deliveries: deliveries), of: attempt.queue) {
            case .success(.done), .success(.stale): return complaints.first
            case .success(.refused(let reason)): complaints.append("a destination cannot take it: \(reason)")
            case .failure(let error): return error.code == .resourceNotFound ? nil : "\(error); it will be attempted again when its lease ends"
            }
        }
        // A function that has succeeded must not run again for the sake of its destination.
        if isSuccess { return await settle(Settlement(receipt, .acknowledge), of: attempt.queue) ?? complaints.joined(separator: "; ") }
        return await keepFailed(attempt, failure, complaints)
    }

    private func keepFailed(_ attempt: EventAttempt, _ failure: Settlement.Failure, _ complaints: [String]) async -> String? {
        let failed = AsyncQueue.failed(attempt.function)
        let time = now()
        _ = try? await store.create(
            QueueRecord(
                key: failed, kind: .internal, settings: QueueSettings(retention: AsyncQueue.failedRetention), created: time, modified: time))
        var failure = failure
        for complaint in complaints { failure.reason += "; \(complaint)" }
        let complaint = complaints.isEmpty ? nil : complaints.joined(separator: "; ")
        switch await self.attempt(Settlement(attempt.claimed.receipt, .move(to: failed, failure)), of: attempt.queue) {
        case .success(.done), .success(.stale): return complaint
        case .success(.refused(let reason)):
            let dropped = await settle(Settlement(attempt.claimed.receipt, .acknowledge), of: attempt.queue)
            return dropped ?? "event \(attempt.claimed.message.id) was given up and cannot be kept: \(reason)"
        case .failure(let error): return error.code == .resourceNotFound ? nil : "\(error); it will be attempted again when its lease ends"
        }
    }

    private func failure(_ outcome: EventOutcome) -> Settlement.Failure {
        guard let response = outcome.response, response.isFunctionError else {
            return Settlement.Failure(kind: outcome.condition, reason: Self.words(outcome.condition), isCounted: false)
        }
        let text = FunctionErrorText(payload: response.payload)
        return Settlement.Failure(kind: text.errorType ?? outcome.condition, reason: text.errorMessage ?? "")
    }

    private static func words(_ condition: String) -> String {
        switch RetryPolicy.GivingUp(rawValue: condition) {
        case .eventAgeExceeded: "the event was not processed within its maximum age"
        case .zeroReservedConcurrency: "the function is stopped: its reserved concurrency is 0"
        case .recursiveInvocation: "one chain of requests came to the function \(Lineage.maximumRounds) times: a recursive loop"
        case .retriesExhausted, nil: "no further attempt is left"
        }
    }

    private func delivery(
        of record: [UInt8], to arn: String, _ attempt: EventAttempt, _ trace: String, isSuccess: Bool, targetExists: Bool
    ) async -> Result<Settlement.Delivery, ServiceError> {
        switch EventDestination(arn: arn) {
        case .queue(let account, let region, let name):
            let key = QueueKey(account: account, region: region, name: name)
            return .success(
                Settlement.Delivery(
                    to: key,
                    NewMessage(body: record, group: name.hasSuffix(".fifo") ? attempt.function.name : nil, trace: trace, origin: "destination")))
        case .function(let target, let qualifier):
            guard !goesOn(attempt) else { return .failure(Self.circle) }
            guard targetExists else { return .failure(ServiceError(.resourceNotFound, "function \(target.name) does not exist")) }
            let key = AsyncQueue.pending(target)
            if let error = await make(key) { return .failure(error) }
            return .success(
                Settlement.Delivery(
                    to: key,
                    NewMessage(
                        body: record, attributes: EventAttributes(qualifier: qualifier).encoded, trace: trace,
                        origin: "destination")))
        case .eventBus(let account, let region, let name):
            let bus = EventBusKey(account: account, region: region, name: name)
            guard !goesOn(attempt) else { return .failure(Self.circle) }
            guard record.count <= BusEvent.maximumBytes else {
                return .failure(ServiceError(.requestTooLarge, "the record has \(record.count) bytes, more than the \(BusEvent.maximumBytes) of an event"))
            }
            // Every account has it; others have a queue for as long as they are there.
            if bus.isDefault, let error = await make(bus.queue) { return .failure(error) }
            guard let detail = try? JSON(parsing: record, maximumDepth: BusEvent.maximumDepth) else {
                return .failure(ServiceError(.invalidParameterValue, "the record is nested more than the \(BusEvent.maximumDepth) levels of an event"))
            }
            let event = self.event(detail, on: bus, attempt, trace, isSuccess: isSuccess)
            return .success(Settlement.Delivery(to: bus.queue, BusMessage.message(for: event)))
        case nil: return .failure(ServiceError(.invalidParameterValue, "it is no ARN of a function, a queue or an event bus"))
        }
    }

    /// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    private func event(_ detail: JSON, on bus: EventBusKey, _ attempt: EventAttempt, _ trace: String, isSuccess: Bool) -> BusEvent {
        let function = "\(attempt.function.arn):\(attempt.attributes.qualifier ?? FunctionVersion.latest)"
        let time = now()
        return BusEvent(
            id: RequestID.random().description, detailType: "Lambda Function Invocation Result - \(isSuccess ? "Success" : "Failure")", source: "lambda",
            bus: bus, time: time / 1000, resources: [bus.arn, function],
            detail: detail, ingested: time, trace: trace)
    }

    private static let circle = ServiceError(.invalidParameterValue, "the recursive loop was stopped once already, and goes on by this destination")

    /// Whether the destination of a run that was stopped has led to the next one. A queue takes such an event all the same: it
    /// does not come out of there by itself.
    private func goesOn(_ attempt: EventAttempt) -> Bool {
        attempt.recursiveLoop == .terminate && Lineage.rounds(of: Lineage.tag(of: attempt.function), in: attempt.trace) > Lineage.maximumRounds
    }

    /// One of the platform's own queues, if it is not there.
    private func make(_ key: QueueKey) async -> ServiceError? {
        let time = now()
        do {
            _ = try await store.create(QueueRecord(key: key, kind: .internal, created: time, modified: time))
            return nil
        } catch {
            return error as? ServiceError ?? ServiceError(.internalFailure, "\(error)")
        }
    }
}

public import DurableQueue
public import FunctionModel
public import InvocationPipeline
public import NIOCore
public import Registry

/// How events are delivered. Documented defaults; the program's configuration file sets them.
public struct EventConfiguration: Sendable {
    /// Attempts of events on their way at once on this node; synchronous requests have the rest.
    public var maximumInFlight = 500
    /// Bound of a function without a reservation.
    public var nodeConcurrency = 1_000
    /// Milliseconds before the first, second, … further attempt after a function error.
    public var retryDelays: [Int64] = [60_000, 120_000]
    /// Milliseconds beyond a function's time limit after which an attempt counts as lost.
    public var leaseMargin: Int64 = 120_000

    public init() {}
}

/// What is told of events for metrics and the log; all calls come on the loop and must be cheap.
public struct EventObserver {
    public var accepted: (FunctionKey) -> Void
    /// An event will be tried again.
    public var retried: (FunctionKey) -> Void
    /// An event was given up; where it went, if anywhere.
    public var gaveUp: (FunctionKey, _ condition: String) -> Void
    /// For the operator's log.
    public var failure: (_ what: String, FunctionKey, _ reason: String) -> Void

    public init(
        accepted: @escaping (FunctionKey) -> Void, retried: @escaping (FunctionKey) -> Void,
        gaveUp: @escaping (FunctionKey, String) -> Void, failure: @escaping (String, FunctionKey, String) -> Void
    ) {
        self.accepted = accepted
        self.retried = retried
        self.gaveUp = gaveUp
        self.failure = failure
    }
}

/// Asynchronous invocations: accepts events durably, claims them under lease, sends each through the same pipeline as a
/// synchronous request, and settles it with its outcome. Confined to the loop.
public final class EventDispatcher: EventAcceptor {
    private let store: any QueueStore
    private let invoker: any Invoker
    private let loop: any EventLoop
    private let configuration: EventConfiguration
    private let observer: EventObserver
    /// Milliseconds since 1970.
    private let now: @Sendable () -> Int64
    private let settler: EventSettler
    private var snapshot: RegistrySnapshot
    private var plan: DeliveryPlan
    /// Queues that are known to be there.
    private var known: Set<QueueKey> = []
    /// What is on its way to the disk, by number.
    private var accepting: [UInt64: Acceptance] = [:]
    private var acceptances: UInt64 = 0
    private let answers = StoreAnswers<(number: UInt64, result: Result<Accepted, any Error>)>()
    private let settlements = StoreAnswers<Settled>()
    private var isStarted = false
    private var isDraining = false
    private var isFilling = false
    private var resumption: Scheduled<Void>?
    private var drainWaiters: [EventLoopPromise<Void>] = []

    public init(
        store: any QueueStore, invoker: any Invoker, snapshot: RegistrySnapshot, loop: any EventLoop, configuration: EventConfiguration,
        observer: EventObserver, now: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.invoker = invoker
        self.snapshot = snapshot
        self.loop = loop
        self.configuration = configuration
        self.observer = observer
        self.now = now
        settler = EventSettler(store: store, now: now)
        plan = DeliveryPlan(maximumInFlight: max(1, configuration.maximumInFlight))
    }

    // MARK: Accepting

    public func accept(_ invocation: Invocation, completion: @escaping (Result<RequestID, ServiceError>) -> Void) {
        let key = AsyncQueue.pending(invocation.function)
        let message = NewMessage(
            id: invocation.requestID, body: Array(invocation.event.readableBytesView),
            attributes: EventAttributes(
                qualifier: invocation.qualifier, clientContext: invocation.clientContext, tenantID: invocation.tenantID
            ).encoded,
            deduplicationKey: invocation.deduplicationKey, trace: invocation.traceID, origin: invocation.trigger.name)
        acceptances += 1
        let number = acceptances
        accepting[number] = Acceptance(function: invocation.function, queue: key, message: message, completion: completion)
        guard known.contains(key) else { return acceptIntoNewQueue(number) }
        let answer = answer(number)
        store.enqueue(message, to: key, now: now()) { answer($0) }
    }

    /// The function has had no event yet; or it was deleted and made again, and its queue went with it.
    private func acceptIntoNewQueue(_ number: UInt64) {
        guard let acceptance = accepting[number] else { return }
        accepting[number]?.hasMadeQueue = true
        let (store, time, key, message) = (store, now(), acceptance.queue, acceptance.message)
        let answer = answer(number)
        Task {
            do {
                _ = try await store.create(QueueRecord(key: key, kind: .internal, created: time, modified: time))
                store.enqueue(message, to: key, now: time) { answer($0) }
            } catch { answer(.failure(error)) }
        }
    }

    /// To be called by any thread: brings the answer to the loop.
    private func answer(_ number: UInt64) -> @Sendable (Result<Accepted, any Error>) -> Void {
        let (answers, loop) = (answers, loop)
        let me = NIOLoopBound(self, eventLoop: loop)
        return { result in
            if answers.add((number, result)) { loop.execute { for (number, result) in answers.takeAll() { me.value.accepted(number, result) } } }
        }
    }

    private func accepted(_ number: UInt64, _ result: Result<Accepted, any Error>) {
        guard let acceptance = accepting[number] else { return }
        switch result {
        case .success(let event):
            known.insert(acceptance.queue)
            accepting[number] = nil
            if !event.isDuplicate { observer.accepted(acceptance.function) }
            acceptance.completion(.success(event.id))
        case .failure(let error as ServiceError) where error.code == .resourceNotFound && !acceptance.hasMadeQueue:
            known.remove(acceptance.queue)
            acceptIntoNewQueue(number)
        case .failure(let error):
            accepting[number] = nil
            acceptance.completion(.failure(error as? ServiceError ?? ServiceError(.internalFailure, "failed to keep the event", underlying: error)))
        }
    }

    // MARK: Changes

    /// From its return on, events meet the snapshot's functions. What waited for a function goes with it.
    public func apply(_ snapshot: RegistrySnapshot, changed: FunctionKey) -> [QueueKey] {
        guard snapshot.generation >= self.snapshot.generation else { return [] }
        self.snapshot = snapshot
        guard snapshot.functions[changed] == nil else { return [] }
        let queues = [AsyncQueue.pending(changed), AsyncQueue.failed(changed)]
        for queue in queues { known.remove(queue) }
        return queues
    }

    // MARK: Claiming

    /// Takes up what an earlier process left: its leases are void.
    public func start() {
        isStarted = true
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (store, loop, now) = (store, loop, now)
        store.observe { activity in
            let ready = activity.ready.filter { AsyncQueue.function(waitingIn: $0) != nil }
            guard !ready.isEmpty else { return }
            loop.execute { bound.value.ready(ready) }
        }
        Task {
            do {
                let queues = try await store.queues(.internal)
                for (key, counts) in queues where counts.inFlight > 0 { try await store.reclaim(key, now: now()) }
                let waiting = Set(queues.filter { $0.counts.total > 0 && AsyncQueue.function(waitingIn: $0.key) != nil }.map(\.key))
                loop.execute {
                    bound.value.known.formUnion(queues.map(\.key))
                    bound.value.ready(waiting)
                }
            } catch {
                loop.execute {
                    bound.value.observer.failure("events of an earlier run could not be taken up", FunctionKey(account: "", region: "", name: ""), "\(error)")
                }
            }
        }
    }

    /// Claims nothing any more; the future is done when what is on its way is settled.
    public func beginDrain() -> EventLoopFuture<Void> {
        isDraining = true
        resumption?.cancel()
        let promise = loop.makePromise(of: Void.self)
        drainWaiters.append(promise)
        tellIfDrained()
        return promise.futureResult
    }

    private func tellIfDrained() {
        guard isDraining, plan.inFlight == 0 else { return }
        let waiters = drainWaiters
        drainWaiters = []
        for waiter in waiters { waiter.succeed() }
    }

    public var inFlight: Int { plan.inFlight }

    private func ready(_ keys: Set<QueueKey>) {
        for key in keys {
            guard let function = AsyncQueue.function(waitingIn: key) else { continue }
            plan.messagesReady(key, limit: limit(of: function))
        }
        fill()
    }

    /// What is left of a function's concurrency when synchronous requests have an eighth for themselves.
    private func limit(of function: FunctionKey) -> Int {
        let most = min(snapshot.functions[function]?.reservedConcurrency ?? configuration.nodeConcurrency, configuration.nodeConcurrency)
        return max(1, most - most / 8)
    }

    private func fill() {
        guard isStarted, !isDraining, !isFilling else { return }
        isFilling = true
        let now = self.now()
        let next = plan.nextResumption(now: now)
        while let claim = plan.next(now: now) { take(claim) }
        isFilling = false
        guard let next, resumption == nil else { return }
        let bound = NIOLoopBound(self, eventLoop: loop)
        resumption = loop.scheduleTask(in: .milliseconds(max(1, next - now))) {
            bound.value.resumption = nil
            bound.value.fill()
        }
    }

    private func take(_ claim: DeliveryPlan.Claim) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (store, loop, now) = (store, loop, now)
        let lease = lease(of: claim.key)
        // Beside others on their way an event is in no hurry, and one commit is enough for many.
        let isFirst = plan.inFlight(claim.key) == claim.count
        Task {
            do {
                let messages =
                    isFirst
                    ? try await store.claim(from: claim.key, limit: claim.count, lease: lease, now: now())
                    : try await store.claimSoon(from: claim.key, limit: claim.count, lease: lease, now: now())
                loop.execute { bound.value.took(claim, messages) }
            } catch {
                // Full or failing disk, or the queue is gone with its function.
                try? await Task.sleep(for: .seconds(1))
                loop.execute { bound.value.took(claim, [], error) }
            }
        }
    }

    private func lease(of key: QueueKey) -> Int64 {
        let record = AsyncQueue.function(waitingIn: key).flatMap { snapshot.functions[$0] }
        let longest = record.map { record in ([record.latest] + record.published).map(\.configuration.timeout).max() ?? 900 } ?? 900
        return Int64(longest) * 1_000 + configuration.leaseMargin
    }

    private func took(_ claim: DeliveryPlan.Claim, _ messages: [ClaimedMessage], _ error: (any Error)? = nil) {
        if let error, let function = AsyncQueue.function(waitingIn: claim.key), (error as? ServiceError)?.code != .resourceNotFound {
            observer.failure("events could not be claimed", function, "\(error)")
        }
        // After a fault there may be as many as before.
        if error != nil, (error as? ServiceError)?.code != .resourceNotFound, let function = AsyncQueue.function(waitingIn: claim.key) {
            plan.messagesReady(claim.key, limit: limit(of: function))
        }
        plan.claimed(claim, got: messages.count)
        for message in messages { dispatch(message, of: claim.key) }
        fill()
        tellIfDrained()
    }

    // MARK: One attempt

    private func dispatch(_ claimed: ClaimedMessage, of queue: QueueKey) {
        let message = claimed.message
        guard let function = AsyncQueue.function(waitingIn: queue), let record = snapshot.functions[function] else {
            return finish(Settlement(claimed.receipt, .acknowledge), of: queue, wait: nil, throttled: false)
        }
        let attributes = EventAttributes(message.attributes)
        let version = record.version(qualifier: attributes.qualifier)
        let config = record.eventInvokeConfigs[attributes.qualifier ?? FunctionVersion.latest]
        let policy = RetryPolicy(
            maximumRetries: attributes.terms?.maximumRetries ?? config?.maximumRetryAttempts ?? EventInvokeConfig.maximumRetryAttempts,
            maximumAge: Int64(attributes.terms?.maximumAge ?? config?.maximumEventAge ?? EventInvokeConfig.maximumEventAge) * 1_000,
            delays: configuration.retryDelays)
        let attempt = EventAttempt(
            claimed: claimed, queue: queue, function: function, attributes: attributes, policy: policy, config: config,
            deadLetters: (version ?? record.latest).configuration.deadLetterTarget, recursiveLoop: record.recursiveLoop)
        let now = self.now()
        if record.reservedConcurrency == 0 { return giveUp(attempt, .zeroReservedConcurrency) }
        if policy.isTooOld(accepted: message.sent, now: now) { return giveUp(attempt, .eventAgeExceeded) }
        let watch = AttemptWatch()
        let submitted = NIODeadline.now()
        _ = invoker.invoke(
            Invocation(
                requestID: message.id, function: function, qualifier: attributes.qualifier, trigger: Trigger(origin: message.origin), event: ByteBuffer(bytes: attempt.payload),
                clientContext: attributes.clientContext, tenantID: attributes.tenantID, traceID: attempt.trace, arrived: submitted, arrivedMilliseconds: now,
                attempt: UInt32(clamping: message.receives), ageMilliseconds: UInt32(clamping: now - message.sent), watch: watch)
        ) { [self] result in
            let wait = watch.dispatched.map { ($0 - submitted).nanoseconds / 1_000_000 }
            switch result {
            case .success(let result): answered(attempt, result, wait: wait)
            case .failure(let error): failed(attempt, error, wait: wait)
            }
        }
    }

    private func answered(_ attempt: EventAttempt, _ result: InvocationResult, wait: Int64?) {
        let response = EventOutcome.Response(
            executedVersion: result.executedVersion, isFunctionError: result.outcome != .success, payload: Array(result.payload.readableBytesView))
        guard result.outcome != .success else { return conclude(attempt, condition: "Success", response: response, wait: wait) }
        let message = attempt.claimed.message
        let decision = attempt.policy.decide(
            .function, errors: message.errors + 1, services: 0, accepted: message.sent, now: now(), random: .random(in: 0...UInt64.max))
        switch decision {
        case .giveUp(let reason): conclude(attempt, condition: reason.rawValue, response: response, wait: wait)
        case .retry(let delay):
            observer.retried(attempt.function)
            let error = FunctionErrorText(payload: response.payload.count <= 65_536 ? response.payload : [])
            let failure = Settlement.Failure(kind: error.errorType ?? "\(result.outcome)", reason: error.errorMessage ?? "")
            finish(Settlement(attempt.claimed.receipt, .release(delay: delay, failure)), of: attempt.queue, wait: wait, throttled: false)
        }
    }

    /// Nothing of the function's own: it is tried again for as long as the event may live.
    private func failed(_ attempt: EventAttempt, _ error: ServiceError, wait: Int64?) {
        if error.code == .recursiveInvocation { return giveUp(attempt, .recursiveInvocation, wait: wait) }
        // What is wrong with the event itself is as wrong the next time.
        if error.code == .invalidParameterValue { return giveUp(attempt, .retriesExhausted, wait: wait) }
        let message = attempt.claimed.message
        let isThrottle = error.code == .tooManyRequests || error.code == .tooManyRequestsFunction
        let failure = Settlement.Failure(
            kind: isThrottle ? "TooManyRequestsException" : "ServiceException", reason: error.message, isCounted: false,
            // An attempt that has a usage record keeps its number for itself.
            takesBackReceive: wait == nil)
        if isDraining {
            return finish(Settlement(attempt.claimed.receipt, .release(delay: 0, failure)), of: attempt.queue, wait: wait, throttled: false)
        }
        let services = message.failures.reversed().prefix { !$0.isCounted }.count + 1
        let decision = attempt.policy.decide(
            .service, errors: message.errors, services: services, accepted: message.sent, now: now(), random: .random(in: 0...UInt64.max))
        switch decision {
        case .giveUp(let reason): giveUp(attempt, reason, wait: wait)
        case .retry(let delay):
            observer.retried(attempt.function)
            finish(Settlement(attempt.claimed.receipt, .release(delay: delay, failure)), of: attempt.queue, wait: wait, throttled: true)
        }
    }

    private func giveUp(_ attempt: EventAttempt, _ reason: RetryPolicy.GivingUp, wait: Int64? = nil) {
        conclude(attempt, condition: reason.rawValue, response: nil, wait: wait)
    }

    /// The event's end: it goes with all that follows from it in one step.
    private func conclude(_ attempt: EventAttempt, condition: String, response: EventOutcome.Response?, wait: Int64?) {
        let isSuccess = condition == "Success"
        if !isSuccess { observer.gaveUp(attempt.function, condition) }
        if isSuccess, attempt.config?.onSuccess == nil {
            return finish(Settlement(attempt.claimed.receipt, .acknowledge), of: attempt.queue, wait: wait, throttled: false)
        }
        let outcome = EventOutcome(
            requestID: attempt.claimed.message.id, functionARN: "\(attempt.function.arn):\(attempt.attributes.qualifier ?? FunctionVersion.latest)",
            condition: condition,
            // A claim without a run was taken back or never counted; too old or stopped ones have not run this time.
            invokeCount: response == nil ? max(0, attempt.claimed.message.receives - 1) : attempt.claimed.message.receives,
            request: attempt.payload, response: response)
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (settler, loop) = (settler, loop)
        var targetExists = true
        if let arn = isSuccess ? attempt.config?.onSuccess : attempt.config?.onFailure, case .function(let key, _)? = EventDestination(arn: arn) {
            targetExists = snapshot.functions[key] != nil
        }
        Task { [targetExists] in
            let complaint = await settler.conclude(attempt, outcome, isSuccess: isSuccess, targetExists: targetExists)
            loop.execute { bound.value.settled(attempt.queue, wait: wait, throttled: false, complaint) }
        }
    }

    private func finish(_ settlement: Settlement, of queue: QueueKey, wait: Int64?, throttled: Bool) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (settlements, loop) = (settlements, loop)
        store.settleSoon(settlement, of: queue, now: now()) { result in
            let settled = Settled(settlement: settlement, queue: queue, wait: wait, throttled: throttled, result: result)
            if settlements.add(settled) { loop.execute { for settled in settlements.takeAll() { bound.value.settled(settled) } } }
        }
    }

    private func settled(_ settled: Settled) {
        switch settled.result {
        case .success(.done), .success(.stale): return self.settled(settled.queue, wait: settled.wait, throttled: settled.throttled, nil)
        case .success(.refused), .failure: break
        }
        // Not at once: it may take several tries.
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (settler, loop) = (settler, loop)
        Task {
            let complaint = await settler.settle(settled.settlement, of: settled.queue)
            loop.execute { bound.value.settled(settled.queue, wait: settled.wait, throttled: settled.throttled, complaint) }
        }
    }

    private func settled(_ queue: QueueKey, wait: Int64?, throttled: Bool, _ complaint: String?) {
        if let complaint, let function = AsyncQueue.function(waitingIn: queue) { observer.failure("an event could not be settled", function, complaint) }
        plan.finished(queue, wait: wait, throttled: throttled, now: now())
        fill()
        tellIfDrained()
    }
}

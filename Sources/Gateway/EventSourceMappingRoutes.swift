public import DurableQueue
import EventPatterns
public import EventSourceMappings
public import ExternalSources
import FunctionModel
import LambdaAPI
public import Registry

/// Lambda's five operations on event source mappings, for queues and brokers outside.
public struct EventSourceMappingRoutes: Sendable {
    private let mappings: EventSourceMappingRegistry
    private let functions: FunctionRegistry
    /// Milliseconds since 1970.
    private let now: @Sendable () -> Int64
    /// nil where there is no such queue.
    private let queue: @Sendable (QueueKey) async throws -> QueueRecord?
    /// nil where this build has the kind's adapter, else what to say.
    private let missing: @Sendable (ExternalSource.Kind) -> String?

    public init(
        mappings: EventSourceMappingRegistry, functions: FunctionRegistry, now: @escaping @Sendable () -> Int64,
        missing: @escaping @Sendable (ExternalSource.Kind) -> String?, queue: @escaping @Sendable (QueueKey) async throws -> QueueRecord?
    ) {
        self.mappings = mappings
        self.functions = functions
        self.now = now
        self.queue = queue
        self.missing = missing
    }

    public var all: [ControlRoute] {
        let path = "/2015-03-31/event-source-mappings"
        return [
            ControlRoute("POST", path) { try await create($0) },
            // Clients write it with a slash at the end.
            ControlRoute("POST", path + "/") { try await create($0) },
            ControlRoute("GET", path) { try list($0) },
            ControlRoute("GET", path + "/") { try list($0) },
            ControlRoute("GET", "\(path)/{UUID}") { request in
                try .json(response(try mappings.mapping(request.parameters["UUID"] ?? "", account: request.caller.account, region: request.caller.region)))
            },
            ControlRoute("PUT", "\(path)/{UUID}") { try await update($0) },
            ControlRoute("DELETE", "\(path)/{UUID}") { request in
                let gone = try await mappings.delete(request.parameters["UUID"] ?? "", account: request.caller.account, region: request.caller.region)
                return try .json(response(gone, state: "Deleting"), status: 202)
            },
        ]
    }

    private func create(_ request: ControlRequest) async throws -> ControlResponse {
        let body = try request.decode(EventSourceMappingRequest.self)
        try body.validate(isNew: true)
        try TagRules.check(body.tags ?? [:])
        let target = try await target(body.functionName ?? "", request)
        let mapping = try await body.selfManagedEventSource == nil ? queueMapping(body, target, request) : externalMapping(body, target, request)
        try await mappings.create(mapping)
        return try .json(response(mapping, state: mapping.isEnabled ? "Creating" : "Disabled"), status: 202)
    }

    private func queueMapping(_ body: EventSourceMappingRequest, _ target: FunctionTarget, _ request: ControlRequest) async throws -> EventSourceMapping {
        try body.refuseExternalMembers()
        let arn = body.eventSourceArn ?? ""
        guard let source = QueueKey(arn: arn) else {
            throw ServiceError(.invalidParameterValue, "Unrecognized event source \(arn.prefix(200)): arn:aws:sqs:REGION:ACCOUNT:NAME is offered here, and SelfManagedEventSource for brokers outside")
        }
        guard source.account == request.caller.account, source.region == request.caller.region, let record = try await queue(source) else {
            throw ServiceError(
                .invalidParameterValue,
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue \(arn.prefix(200)) does not exist.")
        }
        let time = now()
        let mapping = EventSourceMapping(
            id: RequestID.random().description, function: target.key, qualifier: target.qualifier, source: .queue(source), batchSize: body.batchSize ?? 10,
            batchingWindow: body.maximumBatchingWindowInSeconds ?? 0, filters: body.filters ?? [],
            reportsBatchItemFailures: body.reportsBatchItemFailures ?? false, maximumConcurrency: body.scalingConfig?.maximumConcurrency,
            isEnabled: body.enabled ?? true, tags: body.tags ?? [:], created: time, modified: time)
        try Self.check(mapping, isFIFO: record.kind == .fifo)
        return mapping
    }

    private func externalMapping(_ body: EventSourceMappingRequest, _ target: FunctionTarget, _ request: ControlRequest) async throws -> EventSourceMapping {
        let id = RequestID.random().description
        let source = try body.externalSource(account: request.caller.account, reader: id)
        if let reason = missing(source.kind) { throw ServiceError(.invalidParameterValue, reason) }
        let policy = body.failurePolicy(SourceFailurePolicy())
        try await checkDestination(policy, request)
        let time = now()
        let mapping = EventSourceMapping(
            id: id, function: target.key, qualifier: target.qualifier, source: .external(source), batchSize: body.batchSize ?? 100,
            batchingWindow: body.maximumBatchingWindowInSeconds ?? 0, filters: body.filters ?? [],
            reportsBatchItemFailures: body.reportsBatchItemFailures ?? false, maximumConcurrency: body.scalingConfig?.maximumConcurrency,
            failurePolicy: policy, isEnabled: body.enabled ?? true, tags: body.tags ?? [:], created: time, modified: time)
        try Self.checkFilters(mapping)
        return mapping
    }

    /// A queue, or a function, of the caller's own.
    private func checkDestination(_ policy: SourceFailurePolicy, _ request: ControlRequest) async throws {
        guard let arn = policy.onFailure else { return }
        switch EventDestination(arn: arn) {
        case .queue(let account, let region, let name) where account == request.caller.account:
            guard try await queue(QueueKey(account: account, region: region, name: name)) != nil else {
                throw ServiceError(.invalidParameterValue, "The destination \(arn) does not exist: create the queue first")
            }
        case .function(let key, let qualifier) where key.account == request.caller.account:
            try await functions.snapshot.eventTarget(key, qualifier: qualifier, of: "A destination")
        default:
            throw ServiceError(.invalidParameterValue, "The destination \(arn.prefix(200)) cannot take what is given up: a queue or a function of the account can")
        }
    }

    private func update(_ request: ControlRequest) async throws -> ControlResponse {
        let body = try request.decode(EventSourceMappingRequest.self)
        try body.validate(isNew: false)
        let id = request.parameters["UUID"] ?? ""
        let known = try mappings.mapping(id, account: request.caller.account, region: request.caller.region)
        let target: FunctionTarget? = if let name = body.functionName { try await self.target(name, request) } else { nil }
        let isFIFO: Bool
        if let key = known.source.queue {
            try body.refuseExternalMembers()
            isFIFO = try await queue(key)?.kind == .fifo
        } else {
            try await checkDestination(body.failurePolicy(known.failurePolicy), request)
            isFIFO = false
        }
        let changed = try await mappings.update(id, account: request.caller.account, region: request.caller.region) { mapping throws(ServiceError) in
            if let target { (mapping.function, mapping.qualifier) = (target.key, target.qualifier) }
            if let size = body.batchSize { mapping.batchSize = size }
            if let window = body.maximumBatchingWindowInSeconds { mapping.batchingWindow = window }
            if let filters = body.filters { mapping.filters = filters }
            if let reports = body.reportsBatchItemFailures { mapping.reportsBatchItemFailures = reports }
            if let scaling = body.scalingConfig { mapping.maximumConcurrency = scaling.maximumConcurrency }
            if let enabled = body.enabled { mapping.isEnabled = enabled }
            guard case .external(var source) = mapping.source else { return try Self.check(mapping, isFIFO: isFIFO) }
            try body.applyAccess(to: &source, account: mapping.function.account)
            mapping.source = .external(source)
            mapping.failurePolicy = body.failurePolicy(mapping.failurePolicy)
            try Self.checkFilters(mapping)
        }
        return try .json(response(changed, state: "Updating"), status: 202)
    }

    private func list(_ request: ControlRequest) throws -> ControlResponse {
        var found = mappings.list(account: request.caller.account, region: request.caller.region)
        if let arn = request.value("EventSourceArn") { found.removeAll { $0.source.queue?.arn != arn } }
        if let name = request.value("FunctionName") {
            let target = try FunctionTarget(name, qualifier: nil, account: request.caller.account, region: request.caller.region)
            found.removeAll { $0.function != target.key || (target.qualifier != nil && $0.qualifier != target.qualifier) }
        }
        let size = try request.integer("MaxItems", in: 1...10_000).map { min($0, 100) } ?? 100
        if let marker = request.value("Marker"), !marker.isEmpty {
            // From the beginning again a client would never come to an end.
            guard let index = found.firstIndex(where: { $0.id == marker }) else {
                throw ServiceError(.invalidParameterValue, "Marker '\(marker.prefix(64))' is no mapping of this list any more: begin again without it")
            }
            found.removeFirst(index + 1)
        }
        let page = found.prefix(size)
        return try .json(ListEventSourceMappingsResponse(mappings: page.map { response($0) }, nextMarker: page.count < found.count ? page.last?.id : nil))
    }

    private func target(_ name: String, _ request: ControlRequest) async throws -> FunctionTarget {
        let target = try FunctionTarget(name, qualifier: nil, account: request.caller.account, region: request.caller.region)
        try await functions.snapshot.eventTarget(target.key, qualifier: target.qualifier, of: "An event source mapping")
        return target
    }

    private static func check(_ mapping: EventSourceMapping, isFIFO: Bool) throws(ServiceError) {
        if isFIFO, mapping.batchSize > 10 {
            throw ServiceError(.invalidParameterValue, "Batch size must be less than or equal to 10 for an SQS FIFO queue")
        }
        if isFIFO, mapping.batchingWindow > 0 {
            throw ServiceError(.invalidParameterValue, "Batching window is not supported for FIFO queues")
        }
        if mapping.batchSize > 10, mapping.batchingWindow == 0 {
            throw ServiceError(.invalidParameterValue, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
        }
        try checkFilters(mapping)
    }

    private static func checkFilters(_ mapping: EventSourceMapping) throws(ServiceError) {
        guard !mapping.filters.isEmpty else { return }
        let member = mapping.source.external?.kind.filteredMember ?? "body"
        do throws(EventPatternError) { _ = try RecordFilter(patterns: mapping.filters, member: member) } catch {
            throw ServiceError(.invalidParameterValue, "Invalid filter pattern definition. \(error)")
        }
    }

    private func response(_ mapping: EventSourceMapping, state: String? = nil) -> EventSourceMappingResponse {
        var response = EventSourceMappingResponse(
            uuid: mapping.id, eventSourceArn: mapping.source.queue?.arn, eventSourceMappingArn: mapping.arn,
            functionArn: mapping.functionARN, batchSize: mapping.batchSize, batchingWindow: mapping.batchingWindow, filters: mapping.filters,
            reportsBatchItemFailures: mapping.reportsBatchItemFailures, maximumConcurrency: mapping.maximumConcurrency,
            lastModified: mapping.modified, lastProcessingResult: mappings.status(mapping.id).lastResult,
            state: state ?? (mapping.isEnabled ? "Enabled" : "Disabled"))
        if let source = mapping.source.external { response.describe(source, mapping.failurePolicy) }
        return response
    }
}

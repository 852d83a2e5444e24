internal import DeploymentPackages
internal import FunctionLogs
internal import FunctionModel
internal import Gateway
internal import InvocationPipeline
internal import JSONValues
internal import Metering
internal import NIOCore
internal import Registry
internal import Sandbox
internal import SQLiteStore
internal import Telemetry
internal import WarmPool

/// What Lambda's API lacks, below /martlet/v1, and /metrics.
struct AdminRoutes: Sendable {
    let registry: FunctionRegistry
    let packages: LocalPackageStore
    let store: SQLiteStore
    let folder: UsageFolder
    let prices: PriceTable
    let logs: FunctionLogReader
    let pipeline: NIOLoopBound<InvocationPipeline>
    let loop: any EventLoop
    let facts: NodeFacts
    let defaultNetwork: NetworkAccess
    let isLoopbackOnly: Bool
    let metrics: ServerMetrics
    let gatewayMetrics: GatewayMetrics
    let queues: QueueRoutes
    let triggers: TriggerRoutes

    private static let pageSize = 1_000
    private static let longestWaitSeconds = 30

    var all: [ControlRoute] {
        [
            ControlRoute("GET", "/metrics", access: .open) { _ in await exposition() },
            ControlRoute("GET", "/martlet/v1/runtimes") { .json(text: Array(offers($0).utf8)) },
            ControlRoute("GET", "/martlet/v1/node", access: .operator) { _ in .json(text: Array(node().utf8)) },
            ControlRoute("GET", "/martlet/v1/packages/{Sha256}") { request in
                let sha256 = request.parameters["Sha256"] ?? ""
                let isKnown = await registry.mayReuse(sha256, account: request.caller.account, isOperator: request.caller.isOperator)
                guard isKnown, await packages.reference(sha256: sha256) != nil else {
                    throw ServiceError(.resourceNotFound, "no package \(request.parameters["Sha256"] ?? "") is stored here")
                }
                return .json(text: Array("{}".utf8))
            },
            ControlRoute("GET", "/martlet/v1/functions/{FunctionName}") { try await describe($0) },
            ControlRoute("POST", "/martlet/v1/functions/{FunctionName}/ready", isAudited: false) { try await ready($0) },
            ControlRoute("PUT", "/martlet/v1/functions/{FunctionName}/settings") { try await settings($0) },
            ControlRoute("GET", "/martlet/v1/logs/{FunctionName}") { try await log($0) },
            ControlRoute("GET", "/martlet/v1/usage") { try await usage($0) },
            ControlRoute("GET", "/martlet/v1/usage/invocations/{RequestId}") { try await invocation($0) },
        ] + queues.all + triggers.all
    }

    private func key(_ request: ControlRequest) -> FunctionKey {
        FunctionKey(account: request.caller.account, region: request.caller.region, name: request.parameters["FunctionName"] ?? "")
    }

    // MARK: Node and functions

    private func node() -> String {
        var json = JSONLine()
        json.member("kernel", facts.kernel)
        json.member("cgroups", facts.cgroups.rawValue)
        json.raw("landlock", "\(facts.landlockABI)")
        json.raw("rootless", "\(facts.rootless)")
        json.member("egress", facts.egress)
        addOffers(to: &json)
        json.raw("gaps", JSONLine.array(facts.gaps.map(JSONLine.quoted)))
        return json.text
    }

    /// What somebody who deploys has to know.
    /// With the account and region that the caller acts in.
    private func offers(_ request: ControlRequest) -> String {
        var json = JSONLine()
        json.member("account", request.caller.account)
        json.member("region", request.caller.region)
        addOffers(to: &json)
        return json.text
    }

    private func addOffers(to json: inout JSONLine) {
        json.raw("loopbackOnly", "\(isLoopbackOnly)")
        json.raw("runtimes", JSONLine.array(facts.runtimes.map { offer in
            var entry = JSONLine()
            entry.member("name", offer.name)
            if !offer.interpreter.isEmpty { entry.member("interpreter", offer.interpreter) }
            return entry.text
        }))
    }

    private func description(of key: FunctionKey) async throws -> String {
        let record = try await registry.snapshot.record(key)
        let host = try await loop.submit { pipeline.value.describe(record.latest) }.get()
        var json = JSONLine()
        json.member("function", key.name)
        json.member("version", record.published.last?.version ?? record.latest.version)
        json.member("state", host?.state ?? "registered")
        if let forkable = host?.isForkable { json.raw("forkable", "\(forkable)") } else { json.raw("forkable", "null") }
        let reason = host?.forkRefusal ?? host?.lastFailure
        if let reason { json.member("reason", reason) } else { json.raw("reason", "null") }
        json.member("isolation", record.latest.configuration.isolation.rawValue)
        let wanted = record.latest.configuration.network ?? defaultNetwork
        json.member("network", facts.egress.isEmpty && wanted == .egress ? "none, because this host has no network for functions (martlet doctor)" : wanted.rawValue)
        if let error = host?.initError { json.raw("initError", error) }
        let counts = host?.counts ?? PoolCounts()
        var pool = JSONLine()
        for (name, value) in [
            ("queued", counts.queued), ("starting", counts.starting), ("ready", counts.ready), ("busy", counts.busy),
            ("ending", counts.ending), ("templates", counts.templatesReady + counts.templatesStarting),
        ] { pool.raw(name, "\(value)") }
        json.raw("pool", pool.text)
        return json.text
    }

    private func describe(_ request: ControlRequest) async throws -> ControlResponse {
        .json(text: Array(try await description(of: key(request)).utf8))
    }

    private func ready(_ request: ControlRequest) async throws -> ControlResponse {
        let key = key(request)
        let qualifier = request.value("Qualifier")
        while true {
            let promise = loop.makePromise(of: (revision: UInt64?, result: Result<Void, ServiceError>).self)
            loop.execute { pipeline.value.prepare(key, qualifier: qualifier) { promise.succeed(($0, $1)) } }
            let (revision, result) = try await promise.futureResult.get()
            if case .failure(let error) = result {
                let current = try await registry.snapshot.version(key, qualifier: qualifier)
                // Somebody deployed meanwhile: what is asked for is that the function can answer, with whichever code is newest.
                if current.revision != revision { continue }
                // The description carries the init error; a failure that is not init's is thrown.
                let host = try await loop.submit { pipeline.value.describe(current) }.get()
                guard host?.initError != nil else { throw error }
            }
            return .json(text: Array(try await description(of: key).utf8))
        }
    }

    private struct Settings: Decodable { var isolation: String? }

    private func settings(_ request: ControlRequest) async throws -> ControlResponse {
        let wanted = try request.decode(Settings.self)
        guard let text = wanted.isolation, let isolation = Isolation(rawValue: text) else {
            throw ServiceError(.invalidParameterValue, "isolation must be \(Isolation.allCases.map(\.rawValue).joined(separator: " or "))")
        }
        var change = ConfigurationChange()
        change.isolation = isolation
        _ = try await registry.updateConfiguration(key(request), change: change)
        return try await describe(request)
    }

    // MARK: Logs

    private func log(_ request: ControlRequest) async throws -> ControlResponse {
        let key = key(request)
        _ = try await registry.snapshot.record(key)
        let since = try request.integer("since", in: 0...Int.max).map(Int64.init)
        var requestID: RequestID?
        if let text = request.value("request") {
            guard let id = RequestID(text) else { throw ServiceError(.invalidParameterValue, "request=\(text) is not a request ID (a UUID)") }
            requestID = id
        }
        var cursor: LogCursor?
        if let text = request.value("after"), !text.isEmpty {
            guard let parsed = LogCursor(text) else { throw ServiceError(.invalidParameterValue, "after=\(text) is not a cursor this server gave") }
            cursor = parsed
        }
        let limit = try request.integer("limit", in: 1...FunctionLogReader.maximumLimit) ?? Self.pageSize
        var rounds = (try request.integer("wait", in: 0...Self.longestWaitSeconds) ?? 0) * 10
        while true {
            let page = try await logs.lines(of: key, since: since, requestID: requestID, after: cursor, limit: limit)
            cursor = page.next
            if !page.lines.isEmpty || page.hasGap || rounds <= 0 {
                var json = JSONLine()
                json.raw("lines", JSONLine.array(page.lines.map { line in
                    var entry = JSONLine()
                    entry.raw("time", "\(line.timeMilliseconds)")
                    if let id = line.requestID { entry.member("requestId", id.description) } else { entry.raw("requestId", "null") }
                    entry.member("text", line.text)
                    return entry.text
                }))
                json.member("next", page.next.description)
                json.raw("gap", "\(page.hasGap)")
                return .json(text: Array(json.text.utf8))
            }
            rounds -= 1
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    // MARK: Usage

    private func usage(_ request: ControlRequest) async throws -> ControlResponse {
        let by = request.value("by") ?? "function"
        var query = UsageQuery(
            since: try request.integer("since", in: Int.min...Int.max).map(Int64.init), until: try request.integer("until", in: Int.min...Int.max).map(Int64.init),
            account: try account(request, by), function: request.value("function"))
        // No report before everything written so far, also by a server that was killed, is taken in.
        try await folder.flushNow()
        if by == "invocation" {
            var after: UsageCursor?
            if let text = request.value("after"), !text.isEmpty {
                guard let cursor = UsageCursor(text) else { throw ServiceError(.invalidParameterValue, "after=\(text) is not a cursor this server gave") }
                after = cursor
            }
            let limit = try request.integer("limit", in: 1...10_000) ?? Self.pageSize
            let page = try await store.records(query, after: after, limit: limit)
            return .json(text: Array(UsageReport.json(records: page.rows, next: page.next, prices: prices).utf8))
        }
        guard let grouping = UsageQuery.Grouping(rawValue: by) else {
            let known = UsageQuery.Grouping.allCases.map(\.rawValue) + ["invocation"]
            throw ServiceError(.invalidParameterValue, "by=\(by) is not a grouping; use one of \(known.joined(separator: ", "))")
        }
        query.grouping = grouping
        let rows = try await store.report(query)
        return .json(text: Array(UsageReport.json(rows: rows, grouping: grouping, prices: prices).utf8))
    }

    /// Everybody sees their own; the operator also what all tenants used.
    private func account(_ request: ControlRequest, _ grouping: String) throws(ServiceError) -> String? {
        guard let wanted = request.value("account") else {
            return grouping == UsageQuery.Grouping.tenant.rawValue && request.caller.isOperator ? nil : request.caller.account
        }
        guard wanted == request.caller.account || request.caller.isOperator else {
            throw ServiceError(.accessDenied, "User: arn:aws:iam::\(request.caller.account):root is not authorized to see the usage of account \(wanted.prefix(64))")
        }
        return wanted
    }

    private func invocation(_ request: ControlRequest) async throws -> ControlResponse {
        let text = request.parameters["RequestId"] ?? ""
        guard let id = RequestID(text) else { throw ServiceError(.invalidParameterValue, "\(text) is not a request ID (a UUID)") }
        try await folder.flushNow()
        let records = try await store.record(requestID: id).filter { $0.key.account == request.caller.account }
        guard !records.isEmpty else { throw ServiceError(.resourceNotFound, "no usage record has the request ID \(id)") }
        return .json(text: Array(UsageReport.json(records: records, next: nil, prices: prices).utf8))
    }

    // MARK: Metrics

    private func exposition() async -> ControlResponse {
        let descriptions = (try? await loop.submit { pipeline.value.descriptions() }.get()) ?? []
        // Versions of one function add up.
        var pools: [String: PoolFigures] = [:]
        for (version, host) in descriptions {
            var pool = pools[version.key.name] ?? PoolFigures()
            pool.workersStarting += host.counts.starting
            pool.workersReady += host.counts.ready
            pool.workersBusy += host.counts.busy
            pool.workersEnding += host.counts.ending
            pool.templatesStarting += host.counts.templatesStarting
            pool.templatesReady += host.counts.templatesReady
            pool.queueDepth += host.counts.queued
            pools[version.key.name] = pool
        }
        metrics.setPools(pools)
        await queues.measure(metrics)
        await triggers.measure(metrics)
        await gatewayMetrics.measure()
        return .text(String(decoding: metrics.registry.render(), as: UTF8.self), type: MetricsRegistry.contentType)
    }
}

/// One JSON object, written member by member.
struct JSONLine {
    private var body = ""

    var text: String { "{\(body)}" }

    mutating func raw(_ name: String, _ value: String) {
        if !body.isEmpty { body += "," }
        body += "\(Self.quoted(name)):\(value)"
    }

    mutating func member(_ name: String, _ value: String) { raw(name, Self.quoted(value)) }

    static func array(_ elements: [String]) -> String { "[\(elements.joined(separator: ","))]" }

    static func quoted(_ text: String) -> String { JSON.string(text).text(indented: false) }
}

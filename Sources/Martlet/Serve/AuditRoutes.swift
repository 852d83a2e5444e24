internal import AccessControl
internal import Auditing
internal import FunctionModel
internal import Gateway
internal import JSONValues
internal import Telemetry

extension ServerConfiguration.Rates {
    var clientRate: RateLimit? { perClient > 0 ? RateLimit(perSecond: perClient, burst: clientBurst > 0 ? clientBurst : perClient) : nil }
    var keyRate: RateLimit? { perKey > 0 ? RateLimit(perSecond: perKey, burst: keyBurst > 0 ? keyBurst : perKey) : nil }
}

/// The log of management calls: an operator reads all of it, everybody else the calls of the own account.
struct AuditRoutes: Sendable {
    /// nil where none is kept.
    let log: AuditLog?

    private static let pageSize = 100
    private static let maximumPage = 10_000

    var all: [ControlRoute] { [ControlRoute("GET", "/martlet/v1/audit") { try await entries($0) }] }

    /// What the gateway calls. A call whose entry cannot be kept was made all the same, so it is answered; the operator is told.
    static func keeping(_ log: AuditLog) -> @Sendable (AuditEntry) async -> Void {
        { entry in
            do { try await log.record(entry) } catch {
                Log.error("a management call could not be kept", ["operation": .init(entry.operation), "requestId": .init(entry.requestID.description), "error": .init(describing: error)])
            }
        }
    }

    private func entries(_ request: ControlRequest) async throws -> ControlResponse {
        guard let log else { throw ServiceError(.invalidParameterValue, "no log of management calls is kept here: set audit.totalMB to more than 0") }
        let limit = try request.integer("limit", in: 1...Self.maximumPage) ?? Self.pageSize
        let since = try request.integer("since", in: 0...Int.max).map(Int64.init)
        let account = request.caller.isOperator ? request.value("account") : request.caller.account
        do {
            let found = try await log.newest(limit, since: since, account: account)
            return .json(text: Array(JSON.object([.init("entries", .array(found.map(\.json)))]).text().utf8))
        } catch {
            throw ServiceError(.internalFailure, "failed to read the log of management calls", underlying: error)
        }
    }
}

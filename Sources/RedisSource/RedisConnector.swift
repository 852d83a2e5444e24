#if Redis
public import ExternalSources

/// Redis streams through consumer groups, Redis 5 or newer.
///
/// What a reader has received stays in its pending list until it is acknowledged. The reader has the same name after a restart
/// and begins with that list, so nothing is lost and nobody else has to claim anything.
public struct RedisConnector: SourceConnector {
    public init() {}

    public func connect(_ request: SourceRequest) throws(SourceFault) -> any SourceConnection {
        let endpoint = try request.endpoint()
        let client = try RedisClient(endpoint)
        do throws(SourceFault) {
            try logIn(client, request.credentials)
            try makeGroup(client, request.source)
        } catch {
            client.close()
            throw error
        }
        return RedisConnection(client, request)
    }

    private func logIn(_ client: RedisClient, _ credentials: SourceCredentials?) throws(SourceFault) {
        guard let credentials else { return }
        // Servers before version 6 know passwords only.
        let user = credentials.username == "default" || credentials.username.isEmpty ? [] : [credentials.username]
        _ = try client.call(["AUTH"] + user + [credentials.password])
    }

    private func makeGroup(_ client: RedisClient, _ source: ExternalSource) throws(SourceFault) {
        let start =
            switch source.startingPosition {
            case .trimHorizon: "0"
            case .latest: "$"
            case .atTimestamp(let time): "\(max(0, time - 1))-18446744073709551615"
            }
        do { _ = try client.call(["XGROUP", "CREATE", source.name, source.consumerGroup, start, "MKSTREAM"]) } catch {
            guard error.description.contains("BUSYGROUP") else { throw error }
        }
    }
}
#endif

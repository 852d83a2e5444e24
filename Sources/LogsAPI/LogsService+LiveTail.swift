import FunctionModel
public import JSONValues

extension LogsService {
    /// StartLiveTail.
    /// - Parameters:
    ///   - requestID: the request's, which the session is told of.
    ///   - sessionID: unique.
    ///   - now: milliseconds since 1970; the session shows what is logged from then on.
    /// - Throws: `LogsError`.
    public func startLiveTail(_ body: JSON, requestID: String, sessionID: String, now: Int64, _ caller: Caller) async throws -> LiveTailSession {
        let members = Members(body)
        guard let identifiers = try members.texts("logGroupIdentifiers", count: 1...10, 1...2048) else {
            throw Members.fault("logGroupIdentifiers", "null", "Member must not be null")
        }
        let names = try members.texts("logStreamNames", count: 1...100, 1...512)
        let prefixes = try members.texts("logStreamNamePrefixes", count: 1...100, 1...512)
        let pattern = try members.text("logEventFilterPattern", 0...1024)
        if names != nil, prefixes != nil { throw LogsError.invalid("Only one of logStreamNames and logStreamNamePrefixes may be given.") }
        if names != nil || prefixes != nil, identifiers.count > 1 {
            throw LogsError.invalid("logStreamNames and logStreamNamePrefixes may be given for one log group only; logGroupIdentifiers has \(identifiers.count).")
        }
        let filter = LiveTailSession.Filter(streams: names.map(Set.init), streamPrefixes: prefixes, pattern: try FilterPattern(pattern ?? ""))
        let known = Set(await store.owners(account: caller.account, region: caller.region).map(\.group))
        var groups: [String: String] = [:]
        for identifier in identifiers {
            guard !identifier.hasSuffix("*") else {
                throw LogsError.invalid("The log group identifier '\(identifier.prefix(200))' must not end with an asterisk.")
            }
            let name = try Self.name(ofGroup: identifier, caller)
            guard known.contains(name) else { throw LogsError.noGroup }
            guard groups.updateValue(identifier, forKey: name) == nil else {
                throw LogsError.invalid("logGroupIdentifiers names the log group \(name) twice.")
            }
        }
        guard let place = liveTails.take(caller.account) else {
            throw LogsError(
                .limitExceeded, "The account has \(LiveTailPlaces.limit) Live Tail sessions open, which is the limit: end one and try again.")
        }
        func list(_ name: String, _ texts: [String]?) -> [JSON.Member] { texts.map { [.init(name, .array($0.map(JSON.string)))] } ?? [] }
        let start = JSON.object(
            [.init("requestId", .string(requestID)), .init("sessionId", .string(sessionID))] + list("logGroupIdentifiers", identifiers)
                + list("logStreamNames", names) + list("logStreamNamePrefixes", prefixes)
                + (pattern.map { [.init("logEventFilterPattern", .string($0))] } ?? []))
        return LiveTailSession(start: start, store: store, caller: caller, groups: groups, filter: filter, since: now, place: place)
    }
}

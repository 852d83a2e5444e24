import FunctionModel
public import JSONValues

/// CloudWatch Logs' operations that read, over the logs of functions: a group for each function (or several functions in a group
/// that they name), a stream for each revision in memory.
///
/// Source: botocore's model of `logs` (2014-03-28) and the API reference.
public struct LogsService: Sendable {
    /// Who asks.
    public struct Caller: Sendable {
        public let account: String
        public let region: String

        public init(account: String, region: String) {
            self.account = account
            self.region = region
        }
    }

    let store: any LogStore
    let liveTails = LiveTailPlaces()

    public init(store: any LogStore) { self.store = store }

    /// The operations with one answer; `startLiveTail` has many.
    /// - Parameter operation: `FilterLogEvents`.
    /// - Throws: `LogsError`, or what the store throws.
    public func perform(_ operation: String, _ body: JSON, _ caller: Caller) async throws -> JSON {
        let members = Members(body)
        switch operation {
        case "DescribeLogGroups": return try await describeLogGroups(members, caller)
        case "DescribeLogStreams": return try await describeLogStreams(members, caller)
        case "GetLogEvents": return try await getLogEvents(members, caller)
        case "FilterLogEvents": return try await filterLogEvents(members, caller)
        case _ where operation.hasPrefix("Create") || operation.hasPrefix("Put") || operation.hasPrefix("Delete"):
            throw LogsError(
                .invalidOperation,
                "\(operation) is not supported by Martlet: functions write their logs themselves, and the server's settings say how much is kept.")
        default:
            throw LogsError(
                .unknownOperation,
                "\(operation.prefix(64)) is not supported by Martlet, which has DescribeLogGroups, DescribeLogStreams, GetLogEvents, FilterLogEvents and StartLiveTail.")
        }
    }

    // MARK: Groups

    static func isGroupCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: ".-_/#".utf8.contains(byte)
        }
    }

    static func arn(group: String, _ caller: Caller) -> String { "arn:aws:logs:\(caller.region):\(caller.account):log-group:\(group)" }

    /// The group that a request names, by name or ARN.
    func group(_ members: Members, _ caller: Caller) async throws -> (name: String, owners: [LogOwner]) {
        let name = try members.text("logGroupName", 1...512, allowed: Self.isGroupCharacter)
        let identifier = try members.text("logGroupIdentifier", 1...2048)
        guard (name == nil) != (identifier == nil) else {
            throw LogsError.invalid(
                name == nil ? "Either logGroupName or logGroupIdentifier must be given." : "Only one of logGroupName and logGroupIdentifier may be given.")
        }
        let group = try name ?? Self.name(ofGroup: identifier ?? "", caller)
        let owners = await store.owners(account: caller.account, region: caller.region).filter { $0.group == group }
        guard !owners.isEmpty else { throw LogsError.noGroup }
        return (group, owners.sorted { $0.function.name < $1.function.name })
    }

    static func name(ofGroup identifier: String, _ caller: Caller) throws(LogsError) -> String {
        guard identifier.hasPrefix("arn:") else { return identifier }
        let prefix = arn(group: "", caller)
        // Another account's or region's group is none of the caller's.
        guard identifier.hasPrefix(prefix) else { throw .noGroup }
        let name = identifier.dropFirst(prefix.utf8.count)
        return String(name.hasSuffix(":*") ? name.dropLast(2) : name)
    }

    private func describeLogGroups(_ members: Members, _ caller: Caller) async throws -> JSON {
        let prefix = try members.text("logGroupNamePrefix", 1...512, allowed: Self.isGroupCharacter)
        let pattern = try members.text("logGroupNamePattern", 0...512, allowed: Self.isGroupCharacter)
        if prefix != nil, pattern != nil { throw LogsError.invalid("Only one of logGroupNamePrefix and logGroupNamePattern may be given.") }
        let limit = try members.integer("limit", in: 1...50) ?? 50
        let after = try members.text("nextToken").map { try LogToken.name($0) }
        var groups: [String: [LogOwner]] = [:]
        for owner in await store.owners(account: caller.account, region: caller.region) { groups[owner.group, default: []].append(owner) }
        let names = groups.keys.sorted().filter { name in
            (prefix.map { name.hasPrefix($0) } ?? true) && (pattern.map { $0.isEmpty || name.contains($0) } ?? true) && (after.map { name > $0 } ?? true)
        }
        var found: [JSON] = []
        for name in names.prefix(limit) {
            var bytes = 0
            for owner in groups[name] ?? [] { bytes += try await store.size(of: owner) }
            let arn = Self.arn(group: name, caller)
            found.append(
                .object([
                    .init("logGroupName", .string(name)), .init("creationTime", .integer(groups[name]?.map(\.created).min() ?? 0)),
                    .init("metricFilterCount", .integer(0)), .init("arn", .string("\(arn):*")), .init("storedBytes", .integer(bytes)),
                    .init("logGroupClass", .string("STANDARD")), .init("logGroupArn", .string(arn)),
                ]))
        }
        return Self.page("logGroups", found, next: names.count > limit ? LogToken.text(name: names[limit - 1]) : nil)
    }

    static func page(_ name: String, _ values: [JSON], next: String?, _ more: [JSON.Member] = []) -> JSON {
        .object([.init(name, .array(values))] + more + (next.map { [.init("nextToken", .string($0))] } ?? []))
    }
}

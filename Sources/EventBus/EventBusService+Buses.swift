import DurableQueue
import FunctionModel
import JSONValues

/// Buses, and the tags of buses and rules.
extension EventBusService {
    static let maximumTags = 50

    /// What is kept nowhere and would be a promise: encryption with a key of KMS, logs, partners, dead letters of decryption.
    private static let unsupported = ["EventSourceName", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig"]

    func createBus(_ members: Members, _ caller: Caller) async throws -> JSON {
        let name = try members.name("Name", maximum: 256)
        let description = try members.text("Description", maximum: 512)
        let tags = try Self.tags(members)
        try Self.refuseUnsupported(members)
        let key = EventBusKey(account: caller.account, region: caller.region, name: name)
        let time = now()
        try await registry.changeBus(key) { old throws(EventBusError) in
            guard old == nil, !key.isDefault else { throw EventBusError(.resourceAlreadyExists, "Event bus \(name) already exists.") }
            return StoredEventBus(key: key, description: description, tags: tags, created: time, modified: time)
        }
        try await makeQueue(of: key)
        return .object([.init("EventBusArn", .string(key.arn))] + Self.optional([("Description", description)]))
    }

    func makeQueue(of bus: EventBusKey) async throws {
        let time = now()
        _ = try await store.create(QueueRecord(key: bus.queue, kind: .internal, created: time, modified: time))
    }

    func updateBus(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try knownBus(members, caller, "Name")
        let description = try members.text("Description", maximum: 512)
        try Self.refuseUnsupported(members)
        let time = now()
        try await registry.changeBus(key) { old throws(EventBusError) in
            guard var bus = old ?? (key.isDefault ? StoredEventBus(key: key, created: time, modified: time) : nil) else { throw Self.noBus(key.name) }
            bus.description = description
            bus.modified = time
            return bus
        }
        return .object([.init("Arn", .string(key.arn)), .init("Name", .string(key.name))] + Self.optional([("Description", description)]))
    }

    private static func refuseUnsupported(_ members: Members) throws(EventBusError) {
        for name in unsupported where members.has(name) {
            if name == "LogConfig", members.json[name]?["Level"]?.string == "OFF" { continue }
            if members.json[name]?.string?.isEmpty == true { continue }
            throw .invalid("\(name) is not supported by Martlet.")
        }
    }

    func deleteBus(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try bus(named: try members.required("Name", maximum: 1_600), caller)
        guard !key.isDefault else { throw EventBusError.invalid("Cannot delete event bus default.") }
        try await registry.deleteBus(key)
        do { try await store.delete(key.queue) } catch let error as ServiceError where error.code == .resourceNotFound {
            // EventBridge does not mind either.
        }
        return .object([])
    }

    func describeBus(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let key = try knownBus(members, caller, "Name")
        return .object(form(registry.table.buses[key] ?? StoredEventBus(key: key, created: 0, modified: 0)))
    }

    func listBuses(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let prefix = try members.text("NamePrefix", maximum: 256) ?? ""
        let buses = registry.buses(account: caller.account, region: caller.region).filter { $0.key.name.hasPrefix(prefix) }
        let (page, token) = try page(buses, members, name: \.key.name)
        return .object([.init("EventBuses", .array(page.map { .object(form($0)) }))] + token)
    }

    private func form(_ bus: StoredEventBus) -> [JSON.Member] {
        var members = Self.optional([("Name", bus.key.name), ("Arn", bus.key.arn), ("Description", bus.description)])
        // The default bus was never made.
        if bus.created > 0 {
            members += [.init("CreationTime", .number(Self.seconds(bus.created))), .init("LastModifiedTime", .number(Self.seconds(bus.modified)))]
        }
        return members
    }

    static func seconds(_ milliseconds: Int64) -> String { "\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst())" }

    // MARK: Tags

    private enum Tagged {
        case bus(EventBusKey)
        case rule(RuleKey)
    }

    private func tagged(_ members: Members, _ caller: Caller) throws(EventBusError) -> Tagged {
        let arn = try members.required("ResourceARN", maximum: 1_600)
        if let key = RuleKey(arn: arn), key.bus.account == caller.account, key.bus.region == caller.region {
            return .rule(try rule(key).key)
        }
        if case .eventBus(caller.account, caller.region, let name)? = EventDestination(arn: arn) {
            let key = EventBusKey(account: caller.account, region: caller.region, name: name)
            if registry.hasBus(key) { return .bus(key) }
        }
        throw EventBusError(.resourceNotFound, "\(arn.prefix(200)) is no rule and no event bus of this account.")
    }

    static func tags(_ members: Members) throws(EventBusError) -> [String: String] {
        var tags: [String: String] = [:]
        for tag in try members.list("Tags", 0...maximumTags) ?? [] {
            guard let key = tag["Key"]?.string, let value = tag["Value"]?.string, (1...128).contains(key.utf8.count), value.utf8.count <= 256 else {
                throw .invalid("each of Tags needs a Key of 1 to 128 and a Value of 0 to 256 bytes")
            }
            tags[key] = value
        }
        return tags
    }

    func listTags(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let tags: [String: String]
        switch try tagged(members, caller) {
        case .bus(let key): tags = registry.table.buses[key]?.tags ?? [:]
        case .rule(let key): tags = try rule(key).stored.tags
        }
        let list = tags.sorted { $0.key < $1.key }.map { JSON.object([.init("Key", .string($0.key)), .init("Value", .string($0.value))]) }
        return .object([.init("Tags", .array(list))])
    }

    func tag(_ members: Members, _ caller: Caller) async throws -> JSON {
        guard members.has("Tags") else { throw Members.fault("Tags", "null", "Member must not be null") }
        let added = try Self.tags(members)
        return try await changeTags(members, caller) { $0.merge(added) { _, new in new } }
    }

    func untag(_ members: Members, _ caller: Caller) async throws -> JSON {
        let names = try members.texts("TagKeys", 0...200)
        return try await changeTags(members, caller) { tags in for name in names { tags[name] = nil } }
    }

    private func changeTags(_ members: Members, _ caller: Caller, _ body: @escaping @Sendable (inout [String: String]) -> Void) async throws -> JSON {
        let time = now()
        @Sendable func changed(_ tags: [String: String]) throws(EventBusError) -> [String: String] {
            var tags = tags
            body(&tags)
            guard tags.count <= Self.maximumTags else { throw EventBusError(.limitExceeded, "A resource has at most \(Self.maximumTags) tags.") }
            return tags
        }
        switch try tagged(members, caller) {
        case .bus(let key):
            try await registry.changeBus(key) { old throws(EventBusError) in
                guard var bus = old ?? (key.isDefault ? StoredEventBus(key: key, created: time, modified: time) : nil) else {
                    throw Self.noBus(key.name)
                }
                bus.tags = try changed(bus.tags)
                return bus
            }
        case .rule(let key):
            try await registry.changeRule(key) { old throws(EventBusError) in
                guard var rule = old else { throw Self.noRule(key) }
                rule.tags = try changed(rule.tags)
                return rule
            }
        }
        return .object([])
    }
}

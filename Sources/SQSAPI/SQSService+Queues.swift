import DurableQueue
import FunctionModel
import JSONValues

/// Queues: making, finding, changing, tagging.
extension SQSService {
    private static let maximumTags = 50
    private static let pageSize = 1_000
    private static let empty = JSON.object([])

    // MARK: Making and deleting

    func createQueue(_ members: Members, _ caller: Caller) async throws -> JSON {
        let name = try members.required("QueueName")
        guard Self.isName(name) else {
            throw SQSError(
                .invalidParameterValue,
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length; a FIFO queue's name ends with .fifo")
        }
        let wanted = try members.textMap("Attributes") ?? [:]
        let isFIFO = name.hasSuffix(".fifo")
        guard isFIFO == (wanted["FifoQueue"] != nil) else {
            throw SQSError(
                .invalidParameterValue,
                isFIFO ? "A queue whose name ends with .fifo needs the attribute FifoQueue=true." : "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
        }
        var attributes = QueueAttributes(isFIFO: isFIFO)
        try attributes.set(wanted, creating: true)
        let tags = try members.textMap("tags") ?? members.textMap("Tags") ?? [:]
        try Self.check(tags: tags)
        let key = QueueKey(account: caller.account, region: caller.region, name: name)
        try await checkTarget(of: attributes, for: key)
        let time = now()
        let queue = try await store.create(
            QueueRecord(
                key: key, kind: isFIFO ? .fifo : .standard, settings: attributes.settings, attributes: attributes.values, tags: tags, created: time,
                modified: time))
        if let different = attributes.difference(to: QueueAttributes(isFIFO: isFIFO, values: queue.attributes)) {
            throw SQSError(.queueNameExists, "A queue already exists with the same name and a different value for attribute \(different)")
        }
        return .object([.init("QueueUrl", .string(url(key)))])
    }

    func deleteQueue(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try await record(members, caller).key
        moves.cancel(of: key)
        defer { forget(key) }
        try await store.delete(key)
        return Self.empty
    }

    func purge(_ members: Members, _ caller: Caller) async throws -> JSON {
        try await store.purge(record(members, caller).key, now: now())
        return Self.empty
    }

    // MARK: Finding

    func queueURL(_ members: Members, _ caller: Caller) async throws -> JSON {
        let name = try members.required("QueueName")
        if let owner = try members.text("QueueOwnerAWSAccountId"), owner != caller.account { throw SQSError.noQueue }
        guard Self.isName(name) else { throw SQSError.noQueue }
        let key = try await record(QueueKey(account: caller.account, region: caller.region, name: name)).key
        return .object([.init("QueueUrl", .string(url(key)))])
    }

    func listQueues(_ members: Members, _ caller: Caller) async throws -> JSON {
        let prefix = try members.text("QueueNamePrefix") ?? ""
        let wanted = try members.integer("MaxResults", in: 1...Self.pageSize)
        var last = try members.text("NextToken")
        if let token = last, !Self.isName(token) { throw SQSError.value(token, of: "NextToken", "It is not one that a list has given.") }
        let limit = wanted ?? Self.pageSize
        var found: [QueueKey] = []
        // The platform's own queues lie between the clients'.
        while found.count <= limit {
            let page = try await store.queues(account: caller.account, region: caller.region, prefix: prefix, after: last, limit: limit + 1)
            found += page.filter { $0.kind != .internal }.map(\.key)
            last = page.last?.key.name
            if page.count <= limit { break }
        }
        return Self.page(found.prefix(limit).map(url), "QueueUrls", next: wanted != nil && found.count > limit ? found[limit - 1].name : nil)
    }

    func deadLetterSources(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try await record(members, caller).key
        let limit = try members.integer("MaxResults", in: 1...Self.pageSize)
        let token = try members.text("NextToken")
        let sources = try await store.sources(of: key).filter { token == nil || $0.name > token ?? "" }.sorted()
        let page = sources.prefix(limit ?? Self.pageSize)
        return Self.page(page.map(url), "queueUrls", next: page.count < sources.count ? page.last?.name : nil)
    }

    private static func page(_ urls: [String], _ name: String, next: String?) -> JSON {
        var members: [JSON.Member] = [.init(name, .array(urls.map { .string($0) }))]
        if let next { members.append(.init("NextToken", .string(next))) }
        return .object(members)
    }

    // MARK: Attributes

    func attributes(_ members: Members, _ caller: Caller) async throws -> JSON {
        let names = try members.texts("AttributeNames")
        if let unknown = names.first(where: { !QueueAttributes.isKnown($0) }) {
            throw SQSError(.invalidAttributeName, "Unknown Attribute \(unknown.prefix(100)).")
        }
        let queue = try await record(members, caller)
        guard !names.isEmpty else { return Self.empty }
        var values = QueueAttributes(isFIFO: queue.kind == .fifo, values: queue.attributes).shown
        values["QueueArn"] = queue.key.arn
        values["CreatedTimestamp"] = String(queue.created / 1000)
        values["LastModifiedTimestamp"] = String(queue.modified / 1000)
        let wantsAll = names.contains("All")
        if wantsAll || names.contains(where: { $0.hasPrefix("Approximate") }) {
            let counts = try await store.counts(of: queue.key, now: now())
            values["ApproximateNumberOfMessages"] = String(counts.visible)
            values["ApproximateNumberOfMessagesNotVisible"] = String(counts.inFlight)
            values["ApproximateNumberOfMessagesDelayed"] = String(counts.delayed)
        }
        let shown = values.filter { wantsAll || names.contains($0.key) }.sorted { $0.key < $1.key }
        return .object([.init("Attributes", .object(shown.map { .init($0.key, .string($0.value)) }))])
    }

    func setAttributes(_ members: Members, _ caller: Caller) async throws -> JSON {
        guard let wanted = try members.textMap("Attributes") else { throw Members.missing("Attributes") }
        var queue = try await record(members, caller)
        var attributes = QueueAttributes(isFIFO: queue.kind == .fifo, values: queue.attributes)
        try attributes.set(wanted, creating: false)
        try await checkTarget(of: attributes, for: queue.key)
        queue.attributes = attributes.values
        queue.settings = attributes.settings
        try await update(queue)
        return Self.empty
    }

    private func update(_ queue: QueueRecord) async throws {
        var queue = queue
        queue.modified = now()
        defer { forget(queue.key) }
        try await store.update(queue)
    }

    /// A dead-letter queue must be there, be of the same kind and owner, and allow it.
    private func checkTarget(of attributes: QueueAttributes, for source: QueueKey) async throws {
        guard let key = attributes.redrivePolicy?.target else { return }
        func fault(_ reason: String) -> SQSError { .value(key.arn, of: "RedrivePolicy", reason) }
        guard key.account == source.account, key.region == source.region else { throw fault("Dead letter target must be in the same account and region.") }
        guard key != source, Self.isName(key.name) else { throw fault("A queue cannot be its own dead letter target.") }
        guard let target = try? await store.queue(key) else { throw fault("Dead letter target does not exist.") }
        guard (target.kind == .fifo) == attributes.isFIFO else { throw fault("Dead-letter queue must be of the same type as the source queue.") }
        let allow = QueueAttributes(isFIFO: attributes.isFIFO, values: target.attributes).redriveAllowPolicy
        guard allow?.allows(source) ?? true else { throw fault("Queue \(source.name) is not allowed to use this dead-letter queue by its RedriveAllowPolicy.") }
    }

    // MARK: Tags

    func tags(_ members: Members, _ caller: Caller) async throws -> JSON {
        let tags = try await record(members, caller).tags.sorted { $0.key < $1.key }
        return tags.isEmpty ? Self.empty : .object([.init("Tags", .object(tags.map { .init($0.key, .string($0.value)) }))])
    }

    func tag(_ members: Members, _ caller: Caller) async throws -> JSON {
        guard let added = try members.textMap("Tags"), !added.isEmpty else { throw Members.missing("Tags") }
        var queue = try await record(members, caller)
        queue.tags.merge(added) { _, new in new }
        try Self.check(tags: queue.tags)
        try await update(queue)
        return Self.empty
    }

    func untag(_ members: Members, _ caller: Caller) async throws -> JSON {
        let names = try members.texts("TagKeys")
        guard !names.isEmpty else { throw Members.missing("TagKeys") }
        var queue = try await record(members, caller)
        for name in names { queue.tags[name] = nil }
        try await update(queue)
        return Self.empty
    }

    private static func check(tags: [String: String]) throws(SQSError) {
        guard tags.count <= maximumTags else { throw SQSError(.invalidParameterValue, "Too many tags added for queue: at most \(maximumTags) are possible.") }
        for (name, value) in tags {
            guard (1...128).contains(name.utf8.count), value.utf8.count <= 256, !name.lowercased().hasPrefix("aws:") else {
                throw SQSError(.invalidParameterValue, "Tag keys must be between 1 and 128 characters in length and not begin with aws:, tag values have at most 256: '\(name.prefix(128))'.")
            }
        }
    }

    // MARK: Permissions

    /// Kept in the queue's policy as SQS does. Access is by account here, so it opens a queue to nobody else.
    func addPermission(_ members: Members, _ caller: Caller) async throws -> JSON {
        let label = try Self.label(members)
        let accounts = try members.texts("AWSAccountIds")
        let actions = try members.texts("Actions")
        guard !accounts.isEmpty, accounts.allSatisfy({ $0.utf8.count == 12 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            throw SQSError.value(accounts.first ?? "", of: "PrincipalId", "Unable to verify: an account has 12 digits.")
        }
        guard (1...7).contains(actions.count) else {
            throw SQSError(.overLimit, "\(actions.count) Actions were found, maximum allowed is 7, and at least 1 is needed.")
        }
        for action in actions where action != "*" && !Self.permittedActions.contains(action) {
            throw SQSError.value("SQS:\(action)", of: "ActionName", "Only the queue owner is allowed to invoke this action, or it does not exist.")
        }
        var queue = try await record(members, caller)
        var statements = Self.statements(queue)
        guard !statements.contains(where: { $0["Sid"]?.string == label }) else { throw SQSError.value(label, of: "Label", "Already exists.") }
        statements.append(
            .object([
                .init("Sid", .string(label)), .init("Effect", .string("Allow")),
                .init("Principal", .object([.init("AWS", .array(accounts.map { .string("arn:aws:iam::\($0):root") }))])),
                .init("Action", .array(actions.map { .string("SQS:\($0)") })), .init("Resource", .string(queue.key.arn)),
            ]))
        Self.set(statements, of: &queue)
        try await update(queue)
        return Self.empty
    }

    func removePermission(_ members: Members, _ caller: Caller) async throws -> JSON {
        let label = try Self.label(members)
        var queue = try await record(members, caller)
        let statements = Self.statements(queue)
        let rest = statements.filter { $0["Sid"]?.string != label }
        guard rest.count < statements.count else { throw SQSError.value(label, of: "Label", "can't find label on existing policy.") }
        Self.set(rest, of: &queue)
        try await update(queue)
        return Self.empty
    }

    private static let permittedActions: Set<String> = [
        "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues",
        "PurgeQueue",
    ]

    private static func label(_ members: Members) throws(SQSError) -> String {
        let label = try members.required("Label")
        guard (1...80).contains(label.utf8.count), label.utf8.allSatisfy(MessageAttributes.isNameByte) else {
            throw .value(label, of: "Label", "It has 1 to 80 alphanumeric characters, hyphens and underscores.")
        }
        return label
    }

    private static func statements(_ queue: QueueRecord) -> [JSON] {
        queue.attributes["Policy"].flatMap { try? JSON(parsing: $0) }?["Statement"]?.array ?? []
    }

    private static func set(_ statements: [JSON], of queue: inout QueueRecord) {
        guard !statements.isEmpty else {
            queue.attributes["Policy"] = nil
            return
        }
        queue.attributes["Policy"] = JSON.object([
            .init("Version", .string("2012-10-17")), .init("Id", .string("\(queue.key.arn)/SQSDefaultPolicy")), .init("Statement", .array(statements)),
        ]).text()
    }
}

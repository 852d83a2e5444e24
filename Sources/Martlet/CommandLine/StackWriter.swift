internal import JSONValues
internal import SAMTemplates

/// Does a plan's steps.
struct StackWriter {
    let client: APIClient
    let context: StackContext
    let reader: StackReader
    var packages: StackPackages
    /// What the template wants, with `LateName`s in it.
    let wanted: [StackResource.Identity: StackResource]
    /// Functions whose code an alias follows: they are published with each change.
    let published: Set<String>
    /// What `LateName`s stand for by now.
    private(set) var lateNames: [String: String]

    init(
        client: APIClient, context: StackContext, packages: StackPackages, wanted: [StackResource], published: Set<String>, lateNames: [String: String]
    ) {
        self.client = client
        self.context = context
        reader = StackReader(client: client, context: context)
        self.packages = packages
        self.wanted = Dictionary(uniqueKeysWithValues: wanted.map { ($0.identity, $0) })
        self.published = published
        self.lateNames = lateNames
    }

    mutating func run(_ step: StackPlan.Step) async throws {
        guard step.action != .keep else { return }
        guard step.action != .delete, var resource = wanted[step.identity] else { return try await delete(step.identity) }
        resource.properties = resource.properties.mapValues { LateName.replaced(in: $0, lateNames) }
        let isNew = step.action == .create
        switch step.identity.kind {
        case .queue: try await write(queue: resource, isNew: isNew, changed: Set(step.differences.map(\.property)))
        case .layer: try await write(layer: resource)
        case .function: try await write(function: resource, isNew: isNew, changed: Set(step.differences.map(\.property)))
        case .alias: try await write(alias: resource, isNew: isNew)
        case .invokeConfig: try await write(invokeConfig: resource)
        case .url: try await write(url: resource, isNew: isNew)
        case .domain: try await write(domain: resource)
        case .mapping: try await write(mapping: resource)
        case .rule: try await write(rule: resource)
        case .schedule: try await write(schedule: resource, isNew: isNew)
        }
    }

    // MARK: Functions

    private mutating func write(function: StackResource, isNew: Bool, changed: Set<String>) async throws {
        let (name, properties) = (function.identity.name, function.properties)
        var members: [JSON.Member] = []
        for member in ["Runtime", "Handler", "MemorySize", "Timeout", "Description", "Layers"] { members.append(.init(member, properties[member] ?? .null)) }
        members.append(.init("Environment", .object([.init("Variables", properties["Environment"] ?? .object([]))])))
        members.append(.init("EphemeralStorage", .object([.init("Size", properties["EphemeralStorage"] ?? .integer(512))])))
        members.append(.init("DeadLetterConfig", .object([.init("TargetArn", properties["DeadLetterTarget"] ?? .string(""))])))
        let publishes = JSON.Member("Publish", .bool(published.contains(name)))
        let apart: Set<String> = ["Tags", "ReservedConcurrentExecutions"]
        if isNew {
            members += [
                .init("FunctionName", .string(name)), .init("Role", .string(DeployCommand.role)), publishes, .init("Tags", properties["Tags"] ?? .object([])),
                .init("Code", .object(try await packages.code(of: function.identity, client))),
            ]
            try await send(APIRequest("POST", LambdaPaths.functions, json: .object(members)))
        } else if !changed.isSubset(of: apart) {
            // One request: between two, an invocation would meet new settings with the old code.
            members += try await packages.code(of: function.identity, client)
            try await send(APIRequest("PUT", LambdaPaths.code(name), json: .object(members + [publishes])))
        }
        if !isNew, changed.contains("Tags") {
            try await setTags(LambdaPaths.tags(context.functionARN(name)), to: properties["Tags"], from: try await reader.properties(of: function)?["Tags"])
        }
        guard changed.contains("ReservedConcurrentExecutions") else { return }
        let value = properties["ReservedConcurrentExecutions"] ?? .null
        if value == .null {
            try await client.send(APIRequest("DELETE", LambdaPaths.concurrency(name)))
        } else {
            try await client.send(APIRequest("PUT", LambdaPaths.concurrency(name), json: .object([.init("ReservedConcurrentExecutions", value)])))
        }
    }

    private func setTags(_ path: [String], to wanted: JSON?, from present: JSON?) async throws {
        let gone = (present ?? .null).members.map(\.name).filter { wanted?[$0] == nil }
        if !gone.isEmpty { try await client.send(APIRequest("DELETE", path, query: gone.map { ("tagKeys", $0) })) }
        if let wanted, !wanted.members.isEmpty { try await client.send(APIRequest("POST", path, json: .object([.init("Tags", wanted)]))) }
    }

    private func send(_ request: APIRequest) async throws {
        var request = request
        // Code may be large, and the server unpacks it before it answers.
        request.timeout = 300
        try await client.send(request)
    }

    private func write(alias: StackResource, isNew: Bool) async throws {
        let (function, name) = StackReader.parts(alias.identity.name)
        let qualifier = [(name: "Qualifier", value: name ?? "")]
        // Where nothing has changed since the last version, that one is the answer.
        let version = try await client.send(APIRequest("POST", LambdaPaths.versions(function), json: .object([]))).json()["Version"] ?? .null
        let body: [JSON.Member] = [.init("FunctionVersion", version)]
        if isNew {
            try await client.send(APIRequest("POST", LambdaPaths.aliases(function), json: .object(body + [.init("Name", .optional(name))])))
        } else {
            try await client.send(APIRequest("PUT", LambdaPaths.aliases(function) + [name ?? ""], json: .object(body)))
        }
        let path = LambdaPaths.provisionedConcurrency(function)
        if let count = alias.properties["ProvisionedConcurrentExecutions"], count != .null {
            try await client.send(APIRequest("PUT", path, query: qualifier, json: .object([.init("ProvisionedConcurrentExecutions", count)])))
        } else if !isNew {
            _ = try await client.find(APIRequest("DELETE", path, query: qualifier))
        }
    }

    private func write(invokeConfig: StackResource) async throws {
        let (function, qualifier) = StackReader.parts(invokeConfig.identity.name)
        var members: [JSON.Member] = []
        for name in ["MaximumRetryAttempts", "MaximumEventAgeInSeconds"] {
            if let value = invokeConfig.properties[name], value != .null { members.append(.init(name, value)) }
        }
        let sides = ["OnSuccess", "OnFailure"].compactMap { side -> JSON.Member? in
            guard let arn = invokeConfig.properties[side], arn != .string("") else { return nil }
            return .init(side, .object([.init("Destination", arn)]))
        }
        members.append(.init("DestinationConfig", .object(sides)))
        try await client.send(
            APIRequest("PUT", LambdaPaths.eventInvokeConfig(function), query: [("Qualifier", qualifier ?? "$LATEST")], json: .object(members)))
    }

    private func write(url: StackResource, isNew: Bool) async throws {
        var members: [JSON.Member] = []
        for name in ["AuthType", "InvokeMode"] { members.append(.init(name, url.properties[name] ?? .null)) }
        let cors = (url.properties["Cors"] ?? .null).members.filter { $0.value != .null }
        if !isNew || !cors.isEmpty { members.append(.init("Cors", .object(cors))) }
        try await client.send(StackReader.urlRequest(isNew ? "POST" : "PUT", url.identity.name, .object(members)))
    }

    // MARK: Events

    private func write(domain: StackResource) async throws {
        let cors = (domain.properties["cors"] ?? .null).members.filter { $0.value != .null }.map { member in
            JSON.Member(member.name.prefix(1).lowercased() + member.name.dropFirst(), member.value)
        }
        var members = domain.properties.filter { $0.key != "cors" }.map { JSON.Member($0.key, $0.value) }
        if domain.properties["cors"] != .null { members.append(.init("cors", .object(cors))) }
        try await client.send(APIRequest("PUT", MartletPaths.domains + [domain.identity.name], json: .object(members)))
    }

    private func write(mapping: StackResource) async throws {
        let parts = mapping.identity.name.split(separator: " ").map(String.init)
        let properties = mapping.properties
        var members: [JSON.Member] = []
        for name in ["BatchSize", "Enabled", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes"] { members.append(.init(name, properties[name] ?? .null)) }
        let filters = (properties["Filters"]?.array ?? []).map { JSON.object([.init("Pattern", $0)]) }
        members.append(.init("FilterCriteria", .object([.init("Filters", .array(filters))])))
        let concurrency = properties["MaximumConcurrency"] ?? .null
        members.append(.init("ScalingConfig", .object(concurrency == .null ? [] : [.init("MaximumConcurrency", concurrency)])))
        if let known = try await reader.mapping(queue: parts[0], function: parts[1])?["UUID"]?.string {
            try await client.send(APIRequest("PUT", LambdaPaths.eventSourceMappings + [known], json: .object(members)))
        } else {
            members += [.init("EventSourceArn", .string(parts[0])), .init("FunctionName", .string(parts[1]))]
            try await client.send(APIRequest("POST", LambdaPaths.eventSourceMappings, json: .object(members)))
        }
    }

    private func write(rule: StackResource) async throws {
        let (bus, name) = StackReader.rule(rule.identity.name)
        let properties = rule.properties
        var members: [JSON.Member] = [
            .init("Name", .string(name)), .init("EventBusName", .string(bus)), .init("State", properties["State"] ?? .null),
            .init("Description", properties["Description"] ?? .string("")),
        ]
        if let schedule = properties["ScheduleExpression"], schedule != .string("") { members.append(.init("ScheduleExpression", schedule)) }
        if let pattern = properties["EventPattern"], pattern != .null { members.append(.init("EventPattern", .string(pattern.text()))) }
        _ = try await client.eventBridge("PutRule", members)
        let target = properties["Target"] ?? .null
        let targets = try await client.findEventBridge("ListTargetsByRule", ruleMembers(bus, name))?["Targets"]?.array ?? []
        let others = targets.compactMap { $0["Id"] }.filter { $0 != target["Id"] }
        if !others.isEmpty { _ = try await client.eventBridge("RemoveTargets", ruleMembers(bus, name) + [.init("Ids", .array(others))]) }
        _ = try await client.eventBridge("PutTargets", ruleMembers(bus, name) + [.init("Targets", .array([target]))])
    }

    private func ruleMembers(_ bus: String, _ name: String) -> [JSON.Member] { [.init("Rule", .string(name)), .init("EventBusName", .string(bus))] }

    private func write(schedule: StackResource, isNew: Bool) async throws {
        let (group, name) = StackReader.rule(schedule.identity.name)
        var members: [JSON.Member] = [.init("GroupName", .string(group))]
        for member in ["ScheduleExpression", "ScheduleExpressionTimezone", "State", "Description", "FlexibleTimeWindow"] {
            members.append(.init(member, schedule.properties[member] ?? .null))
        }
        // Scheduler's API requires a role; Martlet's schedules need none.
        let target = (schedule.properties["Target"] ?? .null).members + [.init("RoleArn", .string(DeployCommand.role))]
        members.append(.init("Target", .object(target)))
        try await client.send(APIRequest(isNew ? "POST" : "PUT", ["schedules", name], json: .object(members)))
    }

    // MARK: Queues and layers

    private func write(queue: StackResource, isNew: Bool, changed: Set<String>) async throws {
        let name = queue.identity.name
        var attributes: [JSON.Member] = []
        for (attribute, value) in queue.properties where attribute != "Tags" {
            if attribute == "RedrivePolicy" {
                // An empty text takes it back; a new queue has none.
                if value != .null { attributes.append(.init(attribute, .string(value.text()))) } else if !isNew { attributes.append(.init(attribute, .string(""))) }
            } else {
                attributes.append(.init(attribute, value))
            }
        }
        let tags = queue.properties["Tags"] ?? .object([])
        if isNew {
            if name.hasSuffix(".fifo") { attributes.append(.init("FifoQueue", .string("true"))) }
            _ = try await client.sqs("CreateQueue", [.init("QueueName", .string(name)), .init("Attributes", .object(attributes)), .init("tags", tags)])
            return
        }
        _ = try await client.sqs("SetQueueAttributes", [reader.queueURL(name), .init("Attributes", .object(attributes))])
        guard changed.contains("Tags") else { return }
        let present = try await reader.properties(of: queue)?["Tags"] ?? .null
        let gone = present.members.map(\.name).filter { tags[$0] == nil }
        if !gone.isEmpty { _ = try await client.sqs("UntagQueue", [reader.queueURL(name), .init("TagKeys", .array(gone.map { .string($0) }))]) }
        if !tags.members.isEmpty { _ = try await client.sqs("TagQueue", [reader.queueURL(name), .init("Tags", tags)]) }
    }

    private mutating func write(layer: StackResource) async throws {
        var members: [JSON.Member] = [.init("Content", .object(try await packages.code(of: layer.identity, client, mayReuse: false)))]
        for name in ["Description", "LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures"] { members.append(.init(name, layer.properties[name] ?? .null)) }
        var request = APIRequest("POST", LambdaPaths.layerVersions(layer.identity.name), json: .object(members))
        request.timeout = 300
        let made = try await client.send(request).json()
        lateNames[LateName.layer(layer.logicalID)] = made["LayerVersionArn"]?.string
    }

    // MARK: Deletion

    /// What is gone already is no error: a deletion that ended in the middle is done again.
    private func delete(_ identity: StackResource.Identity) async throws {
        switch identity.kind {
        case .queue: _ = try await client.findSQS("DeleteQueue", [reader.queueURL(identity.name)])
        case .layer: try await deleteLayer(identity.name)
        case .function: _ = try await client.find(APIRequest("DELETE", LambdaPaths.function(identity.name)))
        case .alias:
            let (function, alias) = StackReader.parts(identity.name)
            _ = try await client.find(APIRequest("DELETE", LambdaPaths.provisionedConcurrency(function), query: [("Qualifier", alias ?? "")]))
            _ = try await client.find(APIRequest("DELETE", LambdaPaths.aliases(function) + [alias ?? ""]))
        case .invokeConfig:
            let (function, qualifier) = StackReader.parts(identity.name)
            _ = try await client.find(APIRequest("DELETE", LambdaPaths.eventInvokeConfig(function), query: [("Qualifier", qualifier ?? "$LATEST")]))
        case .url: _ = try await client.find(StackReader.urlRequest("DELETE", identity.name))
        case .domain: _ = try await client.find(APIRequest("DELETE", MartletPaths.domains + [identity.name]))
        case .mapping:
            let parts = identity.name.split(separator: " ").map(String.init)
            if let id = try await reader.mapping(queue: parts[0], function: parts[1])?["UUID"]?.string {
                _ = try await client.find(APIRequest("DELETE", LambdaPaths.eventSourceMappings + [id]))
            }
        case .rule: try await deleteRule(identity.name)
        case .schedule:
            let (group, name) = StackReader.rule(identity.name)
            _ = try await client.find(APIRequest("DELETE", ["schedules", name], query: [("groupName", group)]))
        }
    }

    private func deleteRule(_ identity: String) async throws {
        let (bus, name) = StackReader.rule(identity)
        let targets = try await client.findEventBridge("ListTargetsByRule", ruleMembers(bus, name))?["Targets"]?.array ?? []
        if !targets.isEmpty {
            _ = try await client.findEventBridge("RemoveTargets", ruleMembers(bus, name) + [.init("Ids", .array(targets.compactMap { $0["Id"] }))])
        }
        _ = try await client.findEventBridge("DeleteRule", [.init("Name", .string(name)), .init("EventBusName", .string(bus))])
    }

    private func deleteLayer(_ name: String) async throws {
        while true {
            let page = try await client.find(APIRequest("GET", LambdaPaths.layerVersions(name)))?.json()
            let numbers = (page?["LayerVersions"]?.array ?? []).compactMap { $0["Version"]?.integer }
            guard !numbers.isEmpty else { return }
            for number in numbers { try await client.send(APIRequest("DELETE", LambdaPaths.layerVersions(name) + [String(number)])) }
        }
    }
}

internal import JSONValues
internal import SAMTemplates

/// Reads what is on the server, in the form in which a template's wishes are.
struct StackReader {
    let client: APIClient
    let context: StackContext

    /// nil where there is no such thing.
    func properties(of resource: StackResource) async throws -> [String: JSON]? {
        let identity = resource.identity
        return switch identity.kind {
        case .queue: try await queue(identity.name)
        case .layer: try await layer(identity.name)
        case .function: try await function(identity.name)
        case .alias: try await alias(identity.name)
        case .invokeConfig: try await invokeConfig(identity.name)
        case .url: try await url(identity.name)
        case .domain: try await domain(identity.name)
        case .mapping: try await mapping(identity.name)
        case .rule: try await rule(identity.name)
        case .schedule: try await schedule(identity.name)
        }
    }

    // MARK: Functions

    private func function(_ name: String) async throws -> [String: JSON]? {
        guard let found = try await client.find(APIRequest("GET", LambdaPaths.function(name)))?.json() else { return nil }
        var properties = Self.settings(found["Configuration"] ?? .null)
        properties["Tags"] = StackBuilder.sorted(found["Tags"] ?? .object([]))
        properties["ReservedConcurrentExecutions"] = found["Concurrency"]?["ReservedConcurrentExecutions"] ?? .null
        return properties
    }

    /// What versions have of their own.
    private static func settings(_ configuration: JSON) -> [String: JSON] {
        var properties: [String: JSON] = [:]
        for name in ["Runtime", "Handler", "MemorySize", "Timeout", "Description", "CodeSha256"] { properties[name] = configuration[name] ?? .null }
        properties["Environment"] = StackBuilder.sorted(configuration["Environment"]?["Variables"] ?? .object([]))
        properties["Layers"] = .array((configuration["Layers"]?.array ?? []).compactMap { $0["Arn"] })
        properties["EphemeralStorage"] = configuration["EphemeralStorage"]?["Size"] ?? .integer(512)
        properties["DeadLetterTarget"] = configuration["DeadLetterConfig"]?["TargetArn"] ?? .string("")
        return properties
    }

    /// Function and qualifier.
    static func parts(_ name: String) -> (function: String, qualifier: String?) {
        let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
        return (parts[0], parts.count > 1 ? parts[1] : nil)
    }

    private func alias(_ name: String) async throws -> [String: JSON]? {
        let (function, alias) = Self.parts(name)
        let path = LambdaPaths.aliases(function) + [alias ?? ""]
        guard let found = try await client.find(APIRequest("GET", path))?.json() else { return nil }
        // A deployment that ended in the middle may have left the alias behind.
        let published = try await client.find(APIRequest("GET", LambdaPaths.function(name)))?.json()["Configuration"] ?? .null
        let latest = try await client.find(APIRequest("GET", LambdaPaths.function(function)))?.json()["Configuration"] ?? .null
        let isCurrent = found["FunctionVersion"]?.string != "$LATEST" && Self.settings(published) == Self.settings(latest)
        let provisioned = try await client.find(APIRequest("GET", LambdaPaths.provisionedConcurrency(function), query: [("Qualifier", alias ?? "")]))?.json()
        return [
            "UpToDate": .bool(isCurrent),
            "ProvisionedConcurrentExecutions": provisioned?["RequestedProvisionedConcurrentExecutions"] ?? .null,
        ]
    }

    private func invokeConfig(_ name: String) async throws -> [String: JSON]? {
        let (function, qualifier) = Self.parts(name)
        let request = APIRequest("GET", LambdaPaths.eventInvokeConfig(function), query: [("Qualifier", qualifier ?? "$LATEST")])
        guard let found = try await client.find(request)?.json() else { return nil }
        return [
            "MaximumRetryAttempts": found["MaximumRetryAttempts"] ?? .null, "MaximumEventAgeInSeconds": found["MaximumEventAgeInSeconds"] ?? .null,
            "OnSuccess": found["DestinationConfig"]?["OnSuccess"]?["Destination"] ?? .string(""),
            "OnFailure": found["DestinationConfig"]?["OnFailure"]?["Destination"] ?? .string(""),
        ]
    }

    static func urlRequest(_ method: String, _ name: String, _ json: JSON? = nil) -> APIRequest {
        let (function, qualifier) = parts(name)
        return APIRequest(method, LambdaPaths.url(function), query: qualifier.map { [("Qualifier", $0)] } ?? [], json: json)
    }

    private func url(_ name: String) async throws -> [String: JSON]? {
        guard let found = try await client.find(Self.urlRequest("GET", name))?.json() else { return nil }
        return ["AuthType": found["AuthType"] ?? .null, "InvokeMode": found["InvokeMode"] ?? .null, "Cors": Self.cors(found["Cors"], maxAge: "MaxAge") { $0 }]
    }

    /// In the form of the builder's, whatever the members are called.
    private static func cors(_ json: JSON?, maxAge: String, _ spelling: (String) -> String) -> JSON {
        guard let json, json != .null else { return .null }
        var members = ["AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders"].map { JSON.Member($0, json[spelling($0)] ?? .array([])) }
        members.append(.init("MaxAge", json[spelling(maxAge)] ?? .null))
        members.append(.init("AllowCredentials", json[spelling("AllowCredentials")] ?? .null))
        return .object(members)
    }

    // MARK: Events

    private func domain(_ name: String) async throws -> [String: JSON]? {
        guard let found = try await client.find(APIRequest("GET", MartletPaths.domains + [name]))?.json() else { return nil }
        var properties: [String: JSON] = [:]
        for member in ["kind", "stage", "stageVariables", "routes", "tags"] { properties[member] = found[member] ?? .null }
        properties["cors"] = Self.cors(found["cors"], maxAge: "MaxAge") { $0.prefix(1).lowercased() + $0.dropFirst() }
        return properties
    }

    /// A mapping's ID by queue and function.
    func mapping(queue: String, function: String) async throws -> JSON? {
        let request = APIRequest("GET", LambdaPaths.eventSourceMappings, query: [("EventSourceArn", queue)])
        return try await client.send(request).json()["EventSourceMappings"]?.array?.first { $0["FunctionArn"]?.string == function }
    }

    private func mapping(_ name: String) async throws -> [String: JSON]? {
        let parts = name.split(separator: " ").map(String.init)
        guard parts.count == 2, let found = try await mapping(queue: parts[0], function: parts[1]) else { return nil }
        return [
            "BatchSize": found["BatchSize"] ?? .null, "MaximumBatchingWindowInSeconds": found["MaximumBatchingWindowInSeconds"] ?? .null,
            "Enabled": .bool(["Enabled", "Enabling", "Updating", "Creating"].contains(found["State"]?.string ?? "")),
            "Filters": .array((found["FilterCriteria"]?["Filters"]?.array ?? []).compactMap { $0["Pattern"] }),
            "FunctionResponseTypes": found["FunctionResponseTypes"] ?? .array([]),
            "MaximumConcurrency": found["ScalingConfig"]?["MaximumConcurrency"] ?? .null,
        ]
    }

    static func rule(_ name: String) -> (bus: String, rule: String) {
        let parts = name.split(separator: "/").map(String.init)
        return (parts.dropLast().joined(separator: "/"), parts.last ?? "")
    }

    private func rule(_ name: String) async throws -> [String: JSON]? {
        let (bus, rule) = Self.rule(name)
        guard let found = try await client.findEventBridge("DescribeRule", [.init("Name", .string(rule)), .init("EventBusName", .string(bus))]) else { return nil }
        let targets = try await client.findEventBridge("ListTargetsByRule", [.init("Rule", .string(rule)), .init("EventBusName", .string(bus))])
        let all = targets?["Targets"]?.array ?? []
        return [
            "ScheduleExpression": found["ScheduleExpression"] ?? .string(""),
            "EventPattern": found["EventPattern"]?.string.flatMap { try? JSON(parsing: $0) }.map(StackBuilder.sorted) ?? .null,
            "State": found["State"] ?? .null, "Description": found["Description"] ?? .string(""),
            "Target": all.count == 1 ? StackBuilder.sorted(all[0]) : .array(all),
        ]
    }

    private func schedule(_ name: String) async throws -> [String: JSON]? {
        let (group, schedule) = Self.rule(name)
        guard let found = try await client.find(APIRequest("GET", ["schedules", schedule], query: [("groupName", group)]))?.json() else { return nil }
        let target = (found["Target"] ?? .null).members.filter { $0.name != "RoleArn" }
        return [
            "ScheduleExpression": found["ScheduleExpression"] ?? .null, "ScheduleExpressionTimezone": found["ScheduleExpressionTimezone"] ?? .string("UTC"),
            "State": found["State"] ?? .string("ENABLED"), "Description": found["Description"] ?? .string(""),
            "FlexibleTimeWindow": StackBuilder.sorted(found["FlexibleTimeWindow"] ?? .null), "Target": StackBuilder.sorted(.object(target)),
        ]
    }

    // MARK: Queues and layers

    func queueURL(_ name: String) -> JSON.Member { .init("QueueUrl", .string("\(context.endpoint)/\(context.account)/\(name)")) }

    private func queue(_ name: String) async throws -> [String: JSON]? {
        let request: [JSON.Member] = [queueURL(name), .init("AttributeNames", .array([.string("All")]))]
        guard let found = try await client.findSQS("GetQueueAttributes", request)?["Attributes"] else { return nil }
        var properties: [String: JSON] = [:]
        for attribute in [
            "DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout", "ContentBasedDeduplication",
        ] { properties[attribute] = found[attribute] }
        if name.hasSuffix(".fifo"), properties["ContentBasedDeduplication"] == nil { properties["ContentBasedDeduplication"] = .string("false") }
        let policy = found["RedrivePolicy"]?.string.flatMap { try? JSON(parsing: $0) }
        properties["RedrivePolicy"] = policy.map { policy in
            .object([
                .init("deadLetterTargetArn", policy["deadLetterTargetArn"] ?? .null),
                .init("maxReceiveCount", policy["maxReceiveCount"]?.numberText.map { .number($0) } ?? .null),
            ])
        } ?? .null
        properties["Tags"] = StackBuilder.sorted(try await client.findSQS("ListQueueTags", [queueURL(name)])?["Tags"] ?? .object([]))
        return properties
    }

    /// Of a layer's newest version; `Version` is its number.
    private func layer(_ name: String) async throws -> [String: JSON]? {
        let page = try await client.find(APIRequest("GET", LambdaPaths.layerVersions(name), query: [("MaxItems", "1")]))?.json()
        guard let number = page?["LayerVersions"]?.array?.first?["Version"]?.integer else { return nil }
        let found = try await client.send(APIRequest("GET", LambdaPaths.layerVersions(name) + [String(number)])).json()
        func list(_ name: String) -> JSON { .array((found[name]?.array ?? []).compactMap(\.string).sorted().map { .string($0) }) }
        return [
            "Version": .integer(number), "CodeSha256": found["Content"]?["CodeSha256"] ?? .null, "Description": found["Description"] ?? .string(""),
            "LicenseInfo": found["LicenseInfo"] ?? .string(""), "CompatibleRuntimes": list("CompatibleRuntimes"),
            "CompatibleArchitectures": list("CompatibleArchitectures"),
        ]
    }
}

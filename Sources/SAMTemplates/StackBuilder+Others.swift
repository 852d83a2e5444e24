import JSONValues

/// Layers and queues.
extension StackBuilder {
    mutating func addLayer(_ resource: Template.Resource) throws(TemplateFault) {
        var properties = try properties(resource, globals: resource.type == "AWS::Serverless::LayerVersion" ? "LayerVersion" : nil)
        let name = try names.layerName(resource.id)
        _ = properties.text("LayerName")
        let member = resource.type == "AWS::Serverless::LayerVersion" ? "ContentUri" : "Content"
        let path = properties.text(member)
        if path == nil, !properties.has(member) { properties.fault(member, "is missing") }
        if let path, path.hasPrefix("s3://") || path.hasPrefix("http") { properties.fault(member, "must be a folder or an archive beside the template") }
        func list(_ texts: [String]?) -> JSON { .array((texts ?? []).sorted().map { .string($0) }) }
        let values: [String: JSON] = [
            "Description": .string(properties.text("Description") ?? ""), "LicenseInfo": .string(properties.text("LicenseInfo") ?? ""),
            "CompatibleRuntimes": list(properties.texts("CompatibleRuntimes")), "CompatibleArchitectures": list(properties.texts("CompatibleArchitectures")),
        ]
        var layer = StackResource(.layer, name, logicalID: resource.id, values, code: path.map { .path($0) })
        layer.isRetained = properties.choice("RetentionPolicy", ["Retain", "Delete"]) == "Retain" || Self.isRetained(resource)
        properties.finish(resource.type)
        resources.append(layer)
    }

    private static func isRetained(_ resource: Template.Resource) -> Bool { resource.json["DeletionPolicy"]?.string == "Retain" }

    /// Attributes with SQS's defaults, all as text.
    private static let queueDefaults = [
        "DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
        "VisibilityTimeout": "30",
    ]

    mutating func addQueue(_ resource: Template.Resource) throws(TemplateFault) {
        var properties = try properties(resource)
        let name = try names.queueName(resource.id)
        _ = properties.text("QueueName")
        var values: [String: JSON] = [:]
        for (attribute, usual) in Self.queueDefaults { values[attribute] = .string(properties.text(attribute) ?? usual) }
        let isFIFO = properties.bool("FifoQueue") ?? false
        if isFIFO != name.hasSuffix(".fifo") { properties.fault("QueueName", "ends in .fifo if FifoQueue is true, and only then") }
        let isContentBased = properties.bool("ContentBasedDeduplication")
        if isFIFO { values["ContentBasedDeduplication"] = .string(isContentBased == true ? "true" : "false") }
        values["RedrivePolicy"] = .null
        switch properties.any("RedrivePolicy") {
        case nil: break
        case .string(let text)?: values["RedrivePolicy"] = redrive(try? JSON(parsing: text), properties)
        case let json?: values["RedrivePolicy"] = redrive(json, properties)
        }
        values["Tags"] = Self.object(tagList(&properties))
        properties.withoutEffect("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
        properties.finish(resource.type)
        var queue = StackResource(.queue, name, logicalID: resource.id, values)
        queue.isRetained = Self.isRetained(resource)
        resources.append(queue)
    }

    private func redrive(_ json: JSON?, _ properties: Properties) -> JSON {
        guard let target = json?["deadLetterTargetArn"]?.string, let count = json?["maxReceiveCount"]?.numberText.flatMap({ Int($0) }) else {
            properties.fault("RedrivePolicy", "needs deadLetterTargetArn and maxReceiveCount")
            return .null
        }
        return .object([.init("deadLetterTargetArn", .string(target)), .init("maxReceiveCount", .integer(count))])
    }
}

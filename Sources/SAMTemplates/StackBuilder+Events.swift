public import JSONValues

/// What SAM's events of a function become.
extension StackBuilder {
    mutating func addEvents(_ events: JSON?, of resource: Template.Resource) throws(TemplateFault) {
        guard let events else { return }
        for member in events.members {
            let place = "\(resource.place).Properties.Events.\(member.name)"
            for attribute in member.value.members where attribute.name != "Type" && attribute.name != "Properties" {
                findings.fault("\(place).\(attribute.name)", "is not supported here")
            }
            var properties = Properties(member.value["Properties"], at: "\(place).Properties", findings)
            let type = member.value["Type"]?.string ?? ""
            let event = FunctionEvent(name: member.name, place: properties.place, resource: resource)
            switch type {
            case "Api": try addRoute(&properties, isREST: true, of: resource, properties.place)
            case "HttpApi": try addRoute(&properties, isREST: false, of: resource, properties.place)
            case "Schedule": try addScheduledRule(&properties, event)
            case "ScheduleV2": try addSchedule(&properties, event)
            case "SQS": try addMapping(&properties, event)
            case "EventBridgeRule", "CloudWatchEvent": try addPatternRule(&properties, event)
            case "": throw TemplateFault("\(place).Type", "is missing")
            default: throw TemplateFault("\(place).Type", "events of the type \(type) are not supported here")
            }
            properties.finish("an event of the type \(type)")
        }
    }

    struct FunctionEvent {
        let name: String
        let place: String
        let resource: Template.Resource
        /// What SAM calls what it makes of the event.
        var logicalID: String { resource.id + name }
    }

    private func isEnabled(_ properties: inout Properties) -> String {
        let state = properties.choice("State", ["ENABLED", "DISABLED"])
        let enabled = properties.bool("Enabled")
        if state != nil, enabled != nil { properties.fault("State", "and Enabled exclude each other") }
        return state ?? (enabled == false ? "DISABLED" : "ENABLED")
    }

    private func eventName(_ event: FunctionEvent, _ given: String?) -> String {
        given ?? ResourceNames.shortened("\(context.stackName)-\(event.logicalID)", to: 64)
    }

    /// Members that targets of rules and of schedules have in common.
    private func delivery(_ properties: inout Properties) -> [JSON.Member] {
        var members: [JSON.Member] = []
        if var config = properties.object("DeadLetterConfig") {
            members.append(.init("DeadLetterConfig", .object([.init("Arn", .string(config.required("Arn")))])))
            config.finish("DeadLetterConfig with an Arn; a queue is not made for it")
        }
        if var policy = properties.object("RetryPolicy") {
            var retry: [JSON.Member] = []
            if let age = policy.integer("MaximumEventAgeInSeconds", in: 60...86_400) { retry.append(.init("MaximumEventAgeInSeconds", .integer(age))) }
            if let count = policy.integer("MaximumRetryAttempts", in: 0...185) { retry.append(.init("MaximumRetryAttempts", .integer(count))) }
            policy.finish("RetryPolicy")
            members.append(.init("RetryPolicy", .object(retry)))
        }
        return members
    }

    // MARK: Rules

    private mutating func addScheduledRule(_ properties: inout Properties, _ event: FunctionEvent) throws(TemplateFault) {
        let name = eventName(event, properties.text("Name"))
        var target: [JSON.Member] = [.init("Id", .string("\(event.logicalID)LambdaTarget")), .init("Arn", .string(try names.qualifiedARN(event.resource.id)))]
        if let input = properties.text("Input") { target.append(.init("Input", .string(input))) }
        target += delivery(&properties)
        add(
            .rule, "default/\(name)", event.logicalID,
            [
                "ScheduleExpression": .string(properties.required("Schedule")), "EventPattern": .null, "State": .string(isEnabled(&properties)),
                "Description": .string(properties.text("Description") ?? ""), "Target": Self.sorted(.object(target)),
            ])
    }

    private mutating func addPatternRule(_ properties: inout Properties, _ event: FunctionEvent) throws(TemplateFault) {
        let name = eventName(event, properties.text("RuleName"))
        let bus = properties.text("EventBusName") ?? "default"
        guard let pattern = properties.any("Pattern"), case .object = pattern else { throw TemplateFault("\(event.place).Pattern", "must be a mapping") }
        var id = "\(event.logicalID)LambdaTarget"
        if var wanted = properties.object("Target") {
            id = wanted.required("Id")
            wanted.finish("Target")
        }
        var target: [JSON.Member] = [.init("Id", .string(id)), .init("Arn", .string(try names.qualifiedARN(event.resource.id)))]
        for member in ["Input", "InputPath"] { if let text = properties.text(member) { target.append(.init(member, .string(text))) } }
        if let transformer = properties.any("InputTransformer") { target.append(.init("InputTransformer", transformer)) }
        target += delivery(&properties)
        add(
            .rule, "\(bus)/\(name)", event.logicalID,
            [
                "ScheduleExpression": .string(""), "EventPattern": Self.sorted(pattern), "State": .string(isEnabled(&properties)),
                "Description": .string(properties.text("Description") ?? ""), "Target": Self.sorted(.object(target)),
            ])
    }

    // MARK: Schedules and queues

    private mutating func addSchedule(_ properties: inout Properties, _ event: FunctionEvent) throws(TemplateFault) {
        let name = eventName(event, properties.text("Name"))
        let group = properties.text("GroupName") ?? "default"
        var target: [JSON.Member] = [.init("Arn", .string(try names.qualifiedARN(event.resource.id)))]
        if let input = properties.text("Input") { target.append(.init("Input", .string(input))) }
        target += delivery(&properties)
        var window: [JSON.Member] = [.init("Mode", .string("OFF"))]
        if var wanted = properties.object("FlexibleTimeWindow") {
            let mode = wanted.choice("Mode", ["OFF", "FLEXIBLE"]) ?? "OFF"
            window = [.init("Mode", .string(mode))]
            if let minutes = wanted.integer("MaximumWindowInMinutes", in: 1...1_440) { window.insert(.init("MaximumWindowInMinutes", .integer(minutes)), at: 0) }
            wanted.finish("FlexibleTimeWindow")
        }
        let state = properties.choice("State", ["ENABLED", "DISABLED"]) ?? "ENABLED"
        add(
            .schedule, "\(group)/\(name)", event.logicalID,
            [
                "ScheduleExpression": .string(properties.required("ScheduleExpression")),
                "ScheduleExpressionTimezone": .string(properties.text("ScheduleExpressionTimezone") ?? "UTC"), "State": .string(state),
                "Description": .string(properties.text("Description") ?? ""), "FlexibleTimeWindow": .object(window), "Target": Self.sorted(.object(target)),
            ])
        properties.withoutEffect("RoleArn", "PermissionsBoundary", "KmsKeyArn", "OmitName")
    }

    private mutating func addMapping(_ properties: inout Properties, _ event: FunctionEvent) throws(TemplateFault) {
        let queue = properties.required("Queue")
        let function = try names.qualifiedARN(event.resource.id)
        var filters: [JSON] = []
        if var criteria = properties.object("FilterCriteria") {
            for filter in criteria.any("Filters")?.array ?? [] {
                guard let pattern = filter["Pattern"]?.string else { throw TemplateFault("\(event.place).FilterCriteria.Filters", "each needs a Pattern") }
                filters.append(.string(pattern))
            }
            criteria.finish("FilterCriteria")
        }
        var concurrency: Int?
        if var scaling = properties.object("ScalingConfig") {
            concurrency = scaling.integer("MaximumConcurrency", in: 2...1_000)
            scaling.finish("ScalingConfig")
        }
        add(
            .mapping, "\(queue) \(function)", event.logicalID,
            [
                "BatchSize": .integer(properties.integer("BatchSize", in: 1...10_000) ?? 10), "Enabled": .bool(properties.bool("Enabled") ?? true),
                "MaximumBatchingWindowInSeconds": .integer(properties.integer("MaximumBatchingWindowInSeconds", in: 0...300) ?? 0), "Filters": .array(filters),
                "FunctionResponseTypes": .array((properties.texts("FunctionResponseTypes") ?? []).map { .string($0) }),
                "MaximumConcurrency": concurrency.map { .integer($0) } ?? .null,
            ])
    }

    /// Members in the order of their names, so that equal values compare equal.
    public static func sorted(_ json: JSON) -> JSON {
        switch json {
        case .object(let members): .object(members.map { .init($0.name, sorted($0.value)) }.sorted { $0.name < $1.name })
        case .array(let list): .array(list.map(sorted))
        default: json
        }
    }
}

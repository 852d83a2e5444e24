public import JSONValues

/// Turns a template into the resources that it wants: SAM's, and the few of CloudFormation's that exist here.
///
/// Sources: https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html; what its
/// resources become is what `aws-sam-translator` makes of them, as far as there is such a thing here.
public struct StackBuilder {
    /// - Parameter template: as `YAMLReader` reads it.
    /// - Throws: `TemplateFaults` with everything that is wrong or not supported.
    public static func build(_ template: JSON, _ context: StackContext) throws(TemplateFaults) -> DesiredStack {
        let findings = Findings()
        var builder = StackBuilder(Template(template, overrides: context.parameters, findings), context, findings)
        let stack = builder.build()
        guard findings.faults.isEmpty else { throw TemplateFaults(faults: findings.faults) }
        return stack
    }

    let template: Template
    let context: StackContext
    let findings: Findings
    let names: ResourceNames
    let resolver: Resolver
    var resources: [StackResource] = []
    /// By the logical ID of their API.
    var apis: [String: APIDefinition] = [:]

    private init(_ template: Template, _ context: StackContext, _ findings: Findings) {
        self.template = template
        self.context = context
        self.findings = findings
        names = ResourceNames(template, context)
        resolver = names.resolver
    }

    private mutating func build() -> DesiredStack {
        let wanted = template.resources.filter { isWanted($0.json["Condition"], $0.place) }
        for resource in wanted where resource.type.hasSuffix("Api") { attempt { (builder: inout Self) throws(TemplateFault) in try builder.addAPI(resource) } }
        for resource in wanted { attempt { (builder: inout Self) throws(TemplateFault) in try builder.add(resource) } }
        addDomains()
        checkNames()
        return DesiredStack(
            resources: resources.enumerated().sorted { one, other in
                (one.element.identity.kind, deadLetterDepth(one.element), one.offset) < (other.element.identity.kind, deadLetterDepth(other.element), other.offset)
            }.map(\.element),
            outputs: outputs(), notes: findings.notes)
    }

    private mutating func attempt(_ body: (inout Self) throws(TemplateFault) -> Void) {
        do throws(TemplateFault) { try body(&self) } catch { findings.fault(error.place, error.reason) }
    }

    private func isWanted(_ condition: JSON?, _ place: String) -> Bool {
        guard let name = condition?.string else { return true }
        do throws(TemplateFault) { return try resolver.condition(named: name, "\(place).Condition") } catch {
            findings.fault(error.place, error.reason)
            return false
        }
    }

    private mutating func add(_ resource: Template.Resource) throws(TemplateFault) {
        switch resource.type {
        case "AWS::Serverless::Function": try addServerlessFunction(resource)
        case "AWS::Lambda::Function": try addLambdaFunction(resource)
        case "AWS::Serverless::LayerVersion", "AWS::Lambda::LayerVersion": try addLayer(resource)
        case "AWS::SQS::Queue": try addQueue(resource)
        case "AWS::Serverless::Api", "AWS::Serverless::HttpApi": break
        case "AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::Lambda::Permission", "AWS::SQS::QueuePolicy":
            findings.note("\(resource.place) (\(resource.type)) has no effect here")
        default: throw TemplateFault("\(resource.place).Type", "\(resource.type) is not supported here")
        }
    }

    /// A resource's properties with those of `Globals`, resolved.
    /// - Parameter globals: the section's name there.
    func properties(_ resource: Template.Resource, globals: String? = nil) throws(TemplateFault) -> Properties {
        let place = "\(resource.place).Properties"
        let own = resource.json["Properties"] ?? .object([])
        let merged = globals.flatMap { template.globals[$0] }.map { Self.merged($0, own) } ?? own
        return Properties(try resolver.value(merged, at: place), at: place, findings)
    }

    /// Mappings are joined, lists put behind each other, and any other value of the resource's own replaces the global one.
    private static func merged(_ global: JSON, _ own: JSON) -> JSON {
        switch (global, own) {
        case (.object(let globals), .object(let owns)) where !isCall(globals) && !isCall(owns):
            let joined = globals.map { member in JSON.Member(member.name, own[member.name].map { merged(member.value, $0) } ?? member.value) }
            return .object(joined + owns.filter { global[$0.name] == nil })
        case (.array(let first), .array(let second)): return .array(first + second)
        default: return own
        }
    }

    private static func isCall(_ members: [JSON.Member]) -> Bool {
        members.count == 1 && (members[0].name == "Ref" || members[0].name.hasPrefix("Fn::"))
    }

    /// How many queues are behind a queue; a dead-letter queue must be there first.
    private func deadLetterDepth(_ resource: StackResource) -> Int {
        var depth = 0
        var target = resource.properties["RedrivePolicy"]?["deadLetterTargetArn"]?.string
        // Queues that are each other's would go on for ever.
        while let arn = target, depth < resources.count {
            depth += 1
            target = resources.first { $0.identity.kind == .queue && context.queueARN($0.identity.name) == arn }?
                .properties["RedrivePolicy"]?["deadLetterTargetArn"]?.string
        }
        return depth
    }

    private func checkNames() {
        var known: [StackResource.Identity: String] = [:]
        for resource in resources {
            if let other = known.updateValue(resource.logicalID, forKey: resource.identity) {
                findings.fault("Resources.\(resource.logicalID)", "wants the same \(resource.identity.kind.rawValue) \(resource.identity.name) as \(other)")
            }
        }
    }

    // MARK: Outputs

    private func outputs() -> [(name: String, value: JSON, description: String?)] {
        var result: [(name: String, value: JSON, description: String?)] = []
        for member in template.outputs where isWanted(member.value["Condition"], "Outputs.\(member.name)") {
            let place = "Outputs.\(member.name)"
            guard let json = member.value["Value"] else {
                findings.fault("\(place).Value", "is missing")
                continue
            }
            do throws(TemplateFault) {
                guard let value = try resolver.value(json, at: "\(place).Value") else { continue }
                result.append((member.name, names.withAddresses(value), member.value["Description"]?.string))
            } catch {
                findings.fault(error.place, error.reason)
            }
        }
        return result
    }
}

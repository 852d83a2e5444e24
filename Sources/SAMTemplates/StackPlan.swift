public import JSONValues

/// What is to be done so that the server has what a template wants, and nothing else of the stack.
public struct StackPlan: Sendable {
    public enum Action: String, Sendable {
        case create, change, delete
        /// Everything is as it should be.
        case keep
    }

    public struct Difference: Hashable, Sendable {
        public let property: String
        /// nil where there is none yet.
        public let present: JSON?
        public let wanted: JSON

        public init(property: String, present: JSON?, wanted: JSON) {
            self.property = property
            self.present = present
            self.wanted = wanted
        }
    }

    public struct Step: Sendable {
        public let action: Action
        public let identity: StackResource.Identity
        public let logicalID: String
        /// nil for what is deleted.
        public let resource: StackResource?
        public let differences: [Difference]
    }

    /// In the order in which they are done.
    public let steps: [Step]

    public var changes: [Step] { steps.filter { $0.action != .keep } }

    /// What a deployment finds.
    public struct Present: Sendable {
        /// Of the stack, by its record, with the names they have in the template.
        public var recorded: [StackResource.Identity: String]
        /// What is there, stack or not, in the form of `StackResource.properties`.
        public var properties: [StackResource.Identity: [String: JSON]]

        public init(recorded: [StackResource.Identity: String] = [:], properties: [StackResource.Identity: [String: JSON]] = [:]) {
            self.recorded = recorded
            self.properties = properties
        }
    }

    /// - Throws: `TemplateFaults` where something of a wanted name is there, but not of this stack.
    public init(_ wanted: [StackResource], _ present: Present) throws(TemplateFaults) {
        var faults: [TemplateFault] = []
        var steps: [Step] = []
        var changed: Set<String> = []
        for resource in wanted {
            let found = present.properties[resource.identity]
            if found != nil, present.recorded[resource.identity] == nil {
                faults.append(
                    TemplateFault(
                        "Resources.\(resource.logicalID)",
                        "the \(resource.identity.kind.rawValue) \(resource.identity.name) is there already and not of this stack: delete it, or choose another name"))
            }
            var differences = Self.differences(resource, found)
            if resource.identity.kind == .alias, found != nil, changed.contains(Self.function(resource.identity)), !differences.contains(where: { $0.property == "UpToDate" }) {
                differences.append(Difference(property: "UpToDate", present: .bool(false), wanted: .bool(true)))
            }
            let action: Action = found == nil ? .create : differences.isEmpty ? .keep : .change
            if resource.identity.kind == .function, action != .keep { changed.insert(resource.identity.name) }
            steps.append(Step(action: action, identity: resource.identity, logicalID: resource.logicalID, resource: resource, differences: differences))
        }
        guard faults.isEmpty else { throw TemplateFaults(faults: faults) }
        let names = Set(wanted.map(\.identity))
        steps += Self.deletions(of: present.recorded.filter { !names.contains($0.key) })
        self.steps = steps
    }

    /// Of everything.
    public init(deleting recorded: [StackResource.Identity: String]) { steps = Self.deletions(of: recorded) }

    private static func differences(_ resource: StackResource, _ found: [String: JSON]?) -> [Difference] {
        resource.properties.sorted { $0.key < $1.key }.compactMap { name, value in
            if let found, found[name] ?? .null == value { return nil }
            if found == nil, value == .null { return nil }
            return Difference(property: name, present: found?[name], wanted: value)
        }
    }

    /// What refers to others goes before them.
    private static func deletions(of recorded: [StackResource.Identity: String]) -> [Step] {
        recorded.sorted { ($0.key.kind, $0.key.name) > ($1.key.kind, $1.key.name) }.map {
            Step(action: .delete, identity: $0.key, logicalID: $0.value, resource: nil, differences: [])
        }
    }

    private static func function(_ alias: StackResource.Identity) -> String { String(alias.name.prefix { $0 != ":" }) }
}

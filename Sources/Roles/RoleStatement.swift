import JSONValues

/// One statement of a role's policy.
struct RoleStatement: Hashable, Sendable {
    enum Effect: Hashable, Sendable { case allow, deny }

    /// What is listed, or all else.
    enum Choice<Pattern: Hashable & Sendable>: Hashable, Sendable {
        case only([Pattern])
        case allBut([Pattern])
    }

    let effect: Effect
    private let actions: Choice<ActionPattern>
    private let resources: Choice<ResourcePattern>

    init(allowing actions: [String], on resources: [ResourcePattern]) {
        effect = .allow
        self.actions = .only(actions.compactMap(ActionPattern.init))
        self.resources = .only(resources)
    }

    /// - Parameter number: from 1, for messages.
    init(_ json: JSON, number: Int) throws(RolePolicyFault) {
        guard case .object(let members) = json else { throw RolePolicyFault("statement \(number) must be an object") }
        let known = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"]
        if let other = members.first(where: { !known.contains($0.name) }) {
            throw RolePolicyFault(
                "statement \(number) has '\(other.name.prefix(64))', which is not judged here: a role's statement has \(known.joined(separator: ", "))")
        }
        guard Set(members.map(\.name)).count == members.count else { throw RolePolicyFault("statement \(number) has an element twice") }
        switch json["Effect"]?.string {
        case "Allow"?: effect = .allow
        case "Deny"?: effect = .deny
        default: throw RolePolicyFault("statement \(number) needs an Effect: \"Allow\" or \"Deny\"")
        }
        actions = try Self.choice(json, "Action", number, "an action such as sqs:SendMessage, with * and ? as wildcards", ActionPattern.init)
        resources = try Self.choice(json, "Resource", number, "* or an ARN of six parts, with * and ? as wildcards", ResourcePattern.init)
    }

    private static func choice<Pattern>(
        _ json: JSON, _ name: String, _ number: Int, _ form: String, _ make: (String) -> Pattern?
    ) throws(RolePolicyFault) -> Choice<Pattern> {
        guard (json[name] == nil) != (json["Not\(name)"] == nil) else {
            throw RolePolicyFault("statement \(number) needs either \(name) or Not\(name)")
        }
        let value = json[name] ?? json["Not\(name)"] ?? .null
        let texts = value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []
        guard !texts.isEmpty, texts.count == value.array?.count ?? 1 else {
            throw RolePolicyFault("statement \(number): \(name) is a text or a list of texts")
        }
        var patterns: [Pattern] = []
        for text in texts {
            guard let pattern = make(text) else { throw RolePolicyFault("statement \(number): '\(text.prefix(200))' is not \(form)") }
            patterns.append(pattern)
        }
        return json[name] == nil ? .allBut(patterns) : .only(patterns)
    }

    func covers(_ action: String) -> Bool {
        switch actions {
        case .only(let patterns): patterns.contains { $0.matches(action) }
        case .allBut(let patterns): !patterns.contains { $0.matches(action) }
        }
    }

    /// - Parameter orUnknown: what holds for a resource that is not known, unless all are meant.
    func reaches(_ resource: String?, orUnknown: Bool) -> Bool {
        switch resources {
        case .only(let patterns): patterns.contains { pattern in resource.map { pattern.matches($0) } ?? (orUnknown || pattern.isEverything) }
        case .allBut(let patterns): resource.map { resource in !patterns.contains { $0.matches(resource) } } ?? orUnknown
        }
    }
}

import JSONValues

/// Turns a template's values into plain ones: references, substitutions, conditions.
///
/// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
final class Resolver {
    typealias Attribute = (_ resource: String, _ attribute: String?, _ place: String) throws(TemplateFault) -> JSON?

    private let template: Template
    private let context: StackContext
    /// What `!Ref` and `!GetAtt` of resources are; nil for a resource that there is not.
    private let attribute: Attribute
    private var conditions: [String: Bool] = [:]
    private var depth = 0
    /// References that lead on to each other are a circle long before.
    private static let maximumDepth = 100

    init(_ template: Template, _ context: StackContext, attribute: @escaping Attribute) {
        self.template = template
        self.context = context
        self.attribute = attribute
    }

    /// - Returns: nil for `AWS::NoValue`, which takes away what it stands for.
    func value(_ json: JSON, at place: String) throws(TemplateFault) -> JSON? {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else { throw TemplateFault(place, "refers to itself, or is nested too deeply") }
        switch json {
        case .array(let list):
            var values: [JSON] = []
            for item in list { if let value = try value(item, at: place) { values.append(value) } }
            return .array(values)
        case .object(let members):
            if members.count == 1, let only = members.first, only.name == "Ref" || only.name.hasPrefix("Fn::") {
                return try call(only.name, only.value, place)
            }
            var result: [JSON.Member] = []
            for member in members {
                if let value = try value(member.value, at: "\(place).\(member.name)") { result.append(.init(member.name, value)) }
            }
            return .object(result)
        default: return json
        }
    }

    private func call(_ name: String, _ argument: JSON, _ place: String) throws(TemplateFault) -> JSON? {
        switch name {
        case "Ref": return try reference(argument.string ?? "", place)
        case "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not": return .bool(try condition(.object([.init(name, argument)]), place))
        case "Fn::GetAtt": return try getAttribute(argument, place)
        case "Fn::Sub": return .string(try substitute(argument, place))
        case "Fn::Join":
            guard let list = argument.array, list.count == 2, let separator = list[0].string, let parts = try value(list[1], at: place)?.array else {
                throw TemplateFault(place, "Fn::Join needs a separator and a list")
            }
            var texts: [String] = []
            for part in parts { texts.append(try text(part, place)) }
            return .string(texts.joined(separator: separator))
        case "Fn::If":
            guard let list = argument.array, list.count == 3, let name = list[0].string else { throw TemplateFault(place, "Fn::If needs a condition's name and two values") }
            return try value(try condition(named: name, place) ? list[1] : list[2], at: place)
        case "Fn::Select":
            guard let list = argument.array, list.count == 2, let index = try value(list[0], at: place)?.numberText.flatMap({ Int($0) }),
                let values = try value(list[1], at: place)?.array, values.indices.contains(index)
            else { throw TemplateFault(place, "Fn::Select needs an index and a list that has it") }
            return values[index]
        case "Fn::Split":
            guard let list = argument.array, list.count == 2, let separator = list[0].string, !separator.isEmpty, let whole = try value(list[1], at: place) else {
                throw TemplateFault(place, "Fn::Split needs a separator and a text")
            }
            return .array(try text(whole, place).split(separator: separator, omittingEmptySubsequences: false).map { .string(String($0)) })
        case "Fn::FindInMap":
            guard let keys = try value(argument, at: place)?.array, keys.count == 3 else { throw TemplateFault(place, "Fn::FindInMap needs a map and two keys") }
            var found: JSON? = template.mappings
            for key in keys { found = found?[try text(key, place)] }
            guard let found else { throw TemplateFault(place, "the mappings have no \(keys.map(\.plain).joined(separator: "."))") }
            return found
        default: throw TemplateFault(place, "\(name) is not supported here")
        }
    }

    // MARK: References

    private func reference(_ name: String, _ place: String) throws(TemplateFault) -> JSON? {
        switch name {
        case "AWS::NoValue": return nil
        case "AWS::AccountId": return .string(context.account)
        case "AWS::Region": return .string(context.region)
        case "AWS::Partition": return .string("aws")
        case "AWS::URLSuffix": return .string("amazonaws.com")
        case "AWS::StackName": return .string(context.stackName)
        case "AWS::StackId": return .string("arn:aws:cloudformation:\(context.region):\(context.account):stack/\(context.stackName)/martlet")
        default: break
        }
        if let parameter = template.parameters[name] { return parameter }
        guard let found = try attribute(name, nil, place) else { throw TemplateFault(place, "there is no parameter or resource '\(name)'") }
        return found
    }

    private func getAttribute(_ argument: JSON, _ place: String) throws(TemplateFault) -> JSON {
        let parts = argument.array ?? []
        guard parts.count == 2, let resource = parts[0].string, let name = parts[1].string else {
            throw TemplateFault(place, "Fn::GetAtt needs a resource and an attribute")
        }
        return try resourceAttribute(resource, name, place)
    }

    private func resourceAttribute(_ resource: String, _ name: String, _ place: String) throws(TemplateFault) -> JSON {
        guard let found = try attribute(resource, name, place) else { throw TemplateFault(place, "there is no resource '\(resource)' with the attribute \(name)") }
        return found
    }

    private func substitute(_ argument: JSON, _ place: String) throws(TemplateFault) -> String {
        var own: [String: JSON] = [:]
        var pattern = argument.string
        if let list = argument.array, list.count == 2 {
            pattern = list[0].string
            for member in list[1].members { own[member.name] = try value(member.value, at: place) }
        }
        guard let pattern else { throw TemplateFault(place, "Fn::Sub needs a text") }
        var result = ""
        var rest = pattern[...]
        while let start = rest.firstRange(of: "${") {
            result += rest[..<start.lowerBound]
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else { throw TemplateFault(place, "a ${ in Fn::Sub has no }") }
            let name = String(rest[start.upperBound..<end]).filter { $0 != " " }
            rest = rest[rest.index(after: end)...]
            if name.hasPrefix("!") {
                result += "${\(name.dropFirst())}"
            } else if let value = own[name] {
                result += try text(value, place)
            } else if let dot = name.firstIndex(of: "."), !name.hasPrefix("AWS::") {
                result += try text(try dotted(name, dot, place), place)
            } else if let value = try reference(name, place) {
                result += try text(value, place)
            }
        }
        return result + rest
    }

    /// `${Function.Alias}` is a reference, any other an attribute.
    private func dotted(_ name: String, _ dot: String.Index, _ place: String) throws(TemplateFault) -> JSON {
        if let found = try attribute(name, nil, place) { return found }
        return try resourceAttribute(String(name[..<dot]), String(name[name.index(after: dot)...]), place)
    }

    private func text(_ json: JSON, _ place: String) throws(TemplateFault) -> String {
        switch try value(json, at: place) {
        case .string(let text)?, .number(let text)?: return text
        case .bool(let value)?: return value ? "true" : "false"
        case nil: return ""
        default: throw TemplateFault(place, "a list or mapping cannot be part of a text")
        }
    }

    // MARK: Conditions

    func condition(named name: String, _ place: String) throws(TemplateFault) -> Bool {
        if let known = conditions[name] { return known }
        guard let json = template.conditions[name] else { throw TemplateFault(place, "there is no condition '\(name)'") }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else { throw TemplateFault("Conditions.\(name)", "refers to itself") }
        let result = try condition(json, "Conditions.\(name)")
        conditions[name] = result
        return result
    }

    private func condition(_ json: JSON, _ place: String) throws(TemplateFault) -> Bool {
        guard json.members.count == 1, let only = json.members.first else { throw TemplateFault(place, "is no condition") }
        let list = only.value.array ?? []
        switch only.name {
        case "Condition": return try condition(named: only.value.string ?? "", place)
        case "Fn::Equals" where list.count == 2: return try text(list[0], place) == text(list[1], place)
        case "Fn::Not" where list.count == 1: return try !condition(list[0], place)
        case "Fn::And" where (2...10).contains(list.count):
            for part in list { if try !condition(part, place) { return false } }
            return true
        case "Fn::Or" where (2...10).contains(list.count):
            for part in list { if try condition(part, place) { return true } }
            return false
        default: throw TemplateFault(place, "\(only.name) is no condition, or has the wrong number of parts")
        }
    }
}

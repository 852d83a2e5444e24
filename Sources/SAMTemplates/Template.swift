import JSONValues

/// A template's sections.
struct Template {
    struct Resource {
        let id: String
        let type: String
        let json: JSON
        var place: String { "Resources.\(id)" }
    }

    let parameters: [String: JSON]
    let conditions: [String: JSON]
    let mappings: JSON
    let globals: JSON
    /// In the template's order.
    let resources: [Resource]
    let outputs: [JSON.Member]

    private static let sections: Set<String> = [
        "AWSTemplateFormatVersion", "Transform", "Description", "Metadata", "Parameters", "Conditions", "Mappings", "Globals", "Resources", "Outputs",
    ]

    /// - Parameter overrides: of parameters, by name.
    init(_ json: JSON, overrides: [String: String], _ findings: Findings) {
        for member in json.members where !Self.sections.contains(member.name) { findings.fault(member.name, "this section is not supported here") }
        if let transform = json["Transform"], transform != .null, !(transform.array ?? [transform]).allSatisfy({ $0.string == "AWS::Serverless-2016-10-31" }) {
            findings.fault("Transform", "only AWS::Serverless-2016-10-31 is supported here")
        }
        parameters = Self.parameters(json["Parameters"] ?? .null, overrides, findings)
        conditions = Dictionary(uniqueKeysWithValues: (json["Conditions"] ?? .null).members.map { ($0.name, $0.value) })
        mappings = json["Mappings"] ?? .null
        globals = json["Globals"] ?? .null
        for member in globals.members where !["Function", "Api", "HttpApi", "LayerVersion"].contains(member.name) {
            findings.fault("Globals.\(member.name)", "is not supported here")
        }
        var resources: [Resource] = []
        for member in (json["Resources"] ?? .null).members {
            let isName = !member.name.isEmpty && member.name.utf8.allSatisfy { $0 < 0x80 && Character(Unicode.Scalar($0)).isLetter || (0x30...0x39).contains($0) }
            if !isName { findings.fault("Resources.\(member.name)", "a resource's name has letters and digits only") }
            guard let type = member.value["Type"]?.string else {
                findings.fault("Resources.\(member.name).Type", "is missing")
                continue
            }
            for attribute in member.value.members where !Self.attributes.contains(attribute.name) {
                findings.fault("Resources.\(member.name).\(attribute.name)", "is not supported here")
            }
            resources.append(Resource(id: member.name, type: type, json: member.value))
        }
        if resources.isEmpty { findings.fault("Resources", "there are none") }
        self.resources = resources
        outputs = (json["Outputs"] ?? .null).members
    }

    private static let attributes: Set<String> = ["Type", "Properties", "Condition", "DependsOn", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"]

    // MARK: Parameters

    private static func parameters(_ json: JSON, _ overrides: [String: String], _ findings: Findings) -> [String: JSON] {
        var result: [String: JSON] = [:]
        for member in json.members {
            let place = "Parameters.\(member.name)"
            guard let text = overrides[member.name] ?? scalar(member.value["Default"]) else {
                findings.fault(place, "has no default: give it with --parameter-overrides \(member.name)=VALUE")
                continue
            }
            result[member.name] = value(text, member.value, place, findings)
        }
        for name in overrides.keys.sorted() where json[name] == nil { findings.fault("Parameters.\(name)", "is not in the template") }
        return result
    }

    private static func scalar(_ json: JSON?) -> String? {
        switch json {
        case .string(let text)?, .number(let text)?: text
        case .bool(let value)?: value ? "true" : "false"
        default: nil
        }
    }

    private static func value(_ text: String, _ declared: JSON, _ place: String, _ findings: Findings) -> JSON {
        if let allowed = declared["AllowedValues"]?.array?.compactMap(scalar), !allowed.contains(text) {
            findings.fault(place, "must be one of \(allowed.joined(separator: ", ")), not '\(text)'")
        }
        if let least = scalar(declared["MinLength"]).flatMap({ Int($0) }), text.count < least { findings.fault(place, "has fewer than \(least) characters") }
        if let most = scalar(declared["MaxLength"]).flatMap({ Int($0) }), text.count > most { findings.fault(place, "has more than \(most) characters") }
        switch declared["Type"]?.string {
        case "String"?: return .string(text)
        case "Number"?:
            guard let number = Double(text) else {
                findings.fault(place, "must be a number, not '\(text)'")
                return .string(text)
            }
            if let least = scalar(declared["MinValue"]).flatMap({ Double($0) }), number < least { findings.fault(place, "must be at least \(least)") }
            if let most = scalar(declared["MaxValue"]).flatMap({ Double($0) }), number > most { findings.fault(place, "must be at most \(most)") }
            return .string(text)
        case "CommaDelimitedList"?, "List<Number>"?, "List<String>"?:
            return .array(text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map { .string(trimmed($0)) })
        case let type:
            findings.fault("\(place).Type", "\(type ?? "no type") is not supported here: use String, Number or CommaDelimitedList")
            return .string(text)
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

import JSONValues

/// What a plain scalar means.
enum YAMLScalar {
    static func value(_ text: String) -> JSON {
        switch text {
        case "", "~", "null", "Null", "NULL": .null
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": .bool(true)
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": .bool(false)
        default: isNumber(text) ? .number(text.first == "+" ? String(text.dropFirst()) : text) : .string(text)
        }
    }

    /// As JSON writes them: what has leading zeros is more likely an account's number.
    private static func isNumber(_ text: String) -> Bool {
        var digits = text.utf8[...]
        if digits.first == UInt8(ascii: "-") || digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
        let parts = digits.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy { (0x30...0x39).contains($0) } }) else { return false }
        return parts[0].count == 1 || parts[0].first != UInt8(ascii: "0")
    }
}

/// One of CloudFormation's short forms.
struct YAMLTag {
    private static let functions: Set<String> = [
        "And", "Base64", "Cidr", "Equals", "FindInMap", "GetAZs", "GetAtt", "If", "ImportValue", "Join", "Length", "Not", "Or", "Select", "Split", "Sub",
        "ToJsonString", "Transform",
    ]
    private let name: String

    /// - Parameter name: without its `!`.
    init(_ name: String, at line: Int) throws(YAMLFault) {
        guard name == "Ref" || name == "Condition" || Self.functions.contains(name) else {
            throw YAMLFault(line: line, reason: "the tag !\(name) is not one of CloudFormation's")
        }
        self.name = name
    }

    func applied(to value: JSON, at line: Int) throws(YAMLFault) -> JSON {
        if name == "Ref" || name == "Condition" {
            guard value.string != nil else { throw YAMLFault(line: line, reason: "!\(name) needs a name") }
            return .object([.init(name, value)])
        }
        if name == "GetAtt", let text = value.string {
            guard let dot = text.firstIndex(of: ".") else { throw YAMLFault(line: line, reason: "!GetAtt needs a resource and an attribute, as in Name.Arn") }
            return .object([.init("Fn::GetAtt", .array([.string(String(text[..<dot])), .string(String(text[text.index(after: dot)...]))]))])
        }
        return .object([.init("Fn::\(name)", value)])
    }
}

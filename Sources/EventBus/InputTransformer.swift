import JSONValues
import Schedules

/// Makes a target's input from parts of the event.
///
/// In a template that is JSON a variable stands for a whole value, or, inside quotes, for text; what is put in is escaped,
/// so the result is JSON again. A variable whose path finds nothing is an empty string.
///
/// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
struct InputTransformer: Sendable {
    enum Form: Sendable {
        case json
        /// One JSON value on each line.
        case lines
        case text
    }

    private enum Variable: Sendable {
        case path(InputPath)
        case ruleARN
        case ruleName
        case ingestionTime
        case event
        case eventWithoutDetail
    }

    private enum Part: Sendable {
        case literal(String)
        case variable(Variable, isQuoted: Bool)
    }

    static let maximumTemplate = 8_192
    static let maximumPaths = 100
    private static let reserved: [String: Variable] = [
        "aws.events.rule-arn": .ruleARN, "aws.events.rule-name": .ruleName, "aws.events.event.ingestion-time": .ingestionTime,
        "aws.events.event": .eventWithoutDetail, "aws.events.event.json": .event,
    ]

    let form: Form
    private let parts: [Part]

    init(paths: [JSON.Member], template: String) throws(InputFault) {
        guard (1...Self.maximumTemplate).contains(template.utf8.count) else {
            throw InputFault(reason: "InputTemplate must have 1 to \(Self.maximumTemplate) bytes")
        }
        guard paths.count <= Self.maximumPaths else { throw InputFault(reason: "InputPathsMap has more than \(Self.maximumPaths) entries") }
        var variables = Self.reserved
        for member in paths {
            guard Self.isName(member.name), !member.name.lowercased().hasPrefix("aws.") else {
                throw InputFault(reason: "'\(member.name.prefix(64))' cannot be a name in InputPathsMap: 1 to 256 letters, digits, '-' and '_', not AWS.*")
            }
            guard let text = member.value.string else { throw InputFault(reason: "the path of '\(member.name)' in InputPathsMap must be a string") }
            variables[member.name] = .path(try InputPath(text))
        }
        parts = try Self.parts(template, variables)
        form = Self.form(parts)
    }

    // MARK: Reading

    private static func isName(_ text: some StringProtocol) -> Bool {
        (1...256).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    private static func parts(_ template: String, _ variables: [String: Variable]) throws(InputFault) -> [Part] {
        var parts: [Part] = []
        var literal = ""
        var isQuoted = false
        var isEscaped = false
        var index = template.startIndex
        while index < template.endIndex {
            let character = template[index]
            // A '<' that no name follows is text.
            if character == "<", let end = template[index...].firstIndex(of: ">"), isName(template[template.index(after: index)..<end]) {
                let name = String(template[template.index(after: index)..<end])
                guard let variable = variables[name] else {
                    throw InputFault(reason: "InputTemplate has <\(name.prefix(64))>, which InputPathsMap does not define")
                }
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = ""
                parts.append(.variable(variable, isQuoted: isQuoted))
                isEscaped = false
                index = template.index(after: end)
                continue
            }
            if character == "\"", !isEscaped { isQuoted.toggle() }
            isEscaped = character == "\\" && !isEscaped
            literal.append(character)
            index = template.index(after: index)
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        return parts
    }

    private static func form(_ parts: [Part]) -> Form {
        let sample = parts.map { part in
            switch part {
            case .literal(let text): text
            case .variable(_, let isQuoted): isQuoted ? "" : "null"
            }
        }.joined()
        if (try? JSON(parsing: sample)) != nil { return .json }
        let lines = sample.split(separator: "\n").filter { !$0.allSatisfy(\.isWhitespace) }
        return !lines.isEmpty && lines.allSatisfy { (try? JSON(parsing: $0.utf8)) != nil } ? .lines : .text
    }

    // MARK: Writing

    func text(of event: BusEvent, rule: RuleKey) -> String {
        var result = ""
        for part in parts {
            switch part {
            case .literal(let text): result += text
            case .variable(let variable, let isQuoted):
                let value = Self.value(of: variable, event, rule)
                if form == .text {
                    result += value.string ?? value.text()
                } else if isQuoted {
                    result += JSON.string(value.string ?? value.text()).text().dropFirst().dropLast()
                } else {
                    result += value.text()
                }
            }
        }
        return result
    }

    private static func value(of variable: Variable, _ event: BusEvent, _ rule: RuleKey) -> JSON {
        switch variable {
        case .path(let path): path.value(in: event.json) ?? .string("")
        case .ruleARN: .string(rule.arn)
        case .ruleName: .string(rule.name)
        case .ingestionTime: .string(ScheduleTime.text(event.ingested / 1000))
        case .event: event.json
        case .eventWithoutDetail:
            .object(event.json.members.filter { $0.name != "detail" }.map { $0.name == "detail-type" ? .init("detailType", $0.value) : $0 })
        }
    }
}

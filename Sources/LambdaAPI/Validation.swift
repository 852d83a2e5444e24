public import FunctionModel

/// Collects what is wrong with a request and says it all at once, in Lambda's words.
public struct Validation {
    public indirect enum Constraint: Sendable {
        case minimum(Int)
        case maximum(Int)
        case minimumLength(Int)
        case maximumLength(Int)
        case pattern(String)
        case oneOf([String])
        case notNull
        /// Of each key of a map.
        case keys(Constraint)
        /// Of each value of a map, in words.
        case values(String)

        var text: String {
            switch self {
            case .minimum(let limit): "Member must have value greater than or equal to \(limit)"
            case .maximum(let limit): "Member must have value less than or equal to \(limit)"
            case .minimumLength(let limit): "Member must have length greater than or equal to \(limit)"
            case .maximumLength(let limit): "Member must have length less than or equal to \(limit)"
            case .pattern(let pattern): "Member must satisfy regular expression pattern: \(pattern)"
            case .oneOf(let values): "Member must satisfy enum value set: [\(values.joined(separator: ", "))]"
            case .notNull: "Member must not be null"
            case .keys(let constraint): "Map keys must satisfy constraint: [\(constraint.text)]"
            case .values(let text): "Map value must satisfy constraint: [\(text), Member must not be null]"
            }
        }
    }

    private var faults: [String] = []

    public init() {}

    /// - Parameters:
    ///   - value: shown to the caller, shortened to 200 characters; nil is shown as `null`.
    ///   - member: lower camel case, with dots: `ephemeralStorage.size`.
    public mutating func fail(_ value: (some CustomStringConvertible)?, _ member: String, _ constraint: Constraint) {
        let shown = value.map { "Value '\(String($0.description.prefix(200)))'" } ?? "Value null"
        faults.append("\(shown) at '\(member)' failed to satisfy constraint: \(constraint.text)")
    }

    public mutating func range(_ value: Int?, _ member: String, _ allowed: ClosedRange<Int>) {
        guard let value else { return }
        if value < allowed.lowerBound { fail(value, member, .minimum(allowed.lowerBound)) }
        if value > allowed.upperBound { fail(value, member, .maximum(allowed.upperBound)) }
    }

    /// Length in characters.
    public mutating func length(_ value: String?, _ member: String, _ allowed: ClosedRange<Int>) {
        guard let value else { return }
        let count = value.unicodeScalars.count
        if count < allowed.lowerBound { fail(value, member, .minimumLength(allowed.lowerBound)) }
        if count > allowed.upperBound { fail(value, member, .maximumLength(allowed.upperBound)) }
    }

    /// - Throws: `.invalidParameterValue` with every fault, if there is any.
    public func check() throws(ServiceError) {
        guard !faults.isEmpty else { return }
        throw ServiceError(
            .invalidParameterValue,
            "\(faults.count) validation error\(faults.count == 1 ? "" : "s") detected: \(faults.joined(separator: "; "))")
    }

    static func single(_ value: some CustomStringConvertible, _ member: String, _ constraint: Constraint) -> ServiceError {
        ServiceError(
            .invalidParameterValue,
            "1 validation error detected: Value '\(String(value.description.prefix(200)))' at '\(member)' failed to satisfy constraint: \(constraint.text)")
    }
}

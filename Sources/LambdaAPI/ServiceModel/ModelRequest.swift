public import FunctionModel
import JSONValues

/// A request of one operation, read as its input structure: each member from where the model says it is.
public struct ModelRequest: Sendable {
    let operation: ServiceModel.Operation
    /// By member; what is absent or null is not there.
    private(set) var members: [String: JSON] = [:]
    private let model: ServiceModel

    /// - Parameters:
    ///   - path: percent-decoded, by the name in the operation's path.
    ///   - query: percent-decoded.
    ///   - body: empty counts as `{}`.
    /// - Throws: `.serialization` for a body that is not JSON, and members of another type than the model's.
    public init(
        _ operation: ServiceModel.Operation, path: [String: String], query: [(name: String, value: String)], headers: [(name: String, value: String)],
        body: some Sequence<UInt8>, model: ServiceModel = .lambda
    ) throws(ServiceError) {
        self.operation = operation
        self.model = model
        guard let input = model.shapes[operation.input] else { return }
        let text = input.payload == nil && input.members.contains { $0.location == .body } ? try Self.parse(body) : .object([])
        for member in input.members where member.name != input.payload {
            guard let shape = model.shapes[member.shape] else { continue }
            let value: JSON? =
                switch member.location {
                case .body: try conforming(text[member.name], shape)
                case .path(let name): try scalar(path[name], shape)
                case .query(let name) where shape.kind == .list: Self.list(query.filter { $0.name == name }.map(\.value))
                case .query(let name): try scalar(query.first { $0.name == name }?.value, shape)
                case .header(let name): try scalar(headers.first { Self.isSame($0.name, name) }?.value, shape)
                }
            members[member.name] = value
        }
    }

    private static func parse(_ body: some Sequence<UInt8>) throws(ServiceError) -> JSON {
        let bytes = Array(body)
        guard bytes.contains(where: { $0 > 0x20 }) else { return .object([]) }
        let value: JSON
        do throws(JSONFault) { value = try JSON(parsing: bytes) } catch {
            throw ServiceError(.serialization, "Could not parse request body into json: \(error.description)")
        }
        guard case .object = value else { throw mismatch(value, "a structure") }
        return value
    }

    // MARK: Types

    /// The value without members that the model does not know and those that are null.
    private func conforming(_ value: JSON?, _ shape: ServiceModel.Shape) throws(ServiceError) -> JSON? {
        guard let value, value != .null else { return nil }
        switch (shape.kind, value) {
        case (.string, .string), (.blob, .string), (.boolean, .bool), (.double, .number), (.timestamp, .number): return value
        case (.integer, .number(let text)), (.long, .number(let text)):
            guard Self.isWhole(text, shape.kind) else { throw Self.mismatch(value, Self.name(shape.kind)) }
            return value
        case (.structure, .object(let given)): return .object(try members(given, shape))
        case (.map, .object(let given)):
            guard let element = shape.element.flatMap({ model.shapes[$0] }) else { return value }
            var entries: [JSON.Member] = []
            for member in given { entries.append(JSON.Member(member.name, try conforming(member.value, element) ?? .null)) }
            return .object(entries)
        case (.list, .array(let given)):
            guard let element = shape.element.flatMap({ model.shapes[$0] }) else { return value }
            var elements: [JSON] = []
            for one in given { elements.append(try conforming(one, element) ?? .null) }
            return .array(elements)
        default: throw Self.mismatch(value, Self.name(shape.kind))
        }
    }

    private func members(_ given: [JSON.Member], _ shape: ServiceModel.Shape) throws(ServiceError) -> [JSON.Member] {
        var found: [JSON.Member] = []
        for member in given {
            guard let known = shape.members.first(where: { $0.name == member.name }), let inner = model.shapes[known.shape] else { continue }
            guard let value = try conforming(member.value, inner) else { continue }
            found.append(JSON.Member(member.name, value))
        }
        return found
    }

    /// A member that is written as text outside of the body.
    private func scalar(_ text: String?, _ shape: ServiceModel.Shape) throws(ServiceError) -> JSON? {
        guard let text else { return nil }
        switch shape.kind {
        case .integer, .long:
            guard Self.isWhole(text, shape.kind) else { throw Self.mismatch(.string(text), Self.name(shape.kind)) }
            return .number(text)
        case .boolean:
            guard text == "true" || text == "false" else { throw Self.mismatch(.string(text), Self.name(shape.kind)) }
            return .bool(text == "true")
        default: return .string(text)
        }
    }

    private static func list(_ values: [String]) -> JSON? { values.isEmpty ? nil : .array(values.map { .string($0) }) }

    private static func isWhole(_ text: String, _ kind: ServiceModel.Shape.Kind) -> Bool { kind == .integer ? Int32(text) != nil : Int64(text) != nil }

    private static func isSame(_ one: String, _ other: String) -> Bool { one.utf8.count == other.utf8.count && one.lowercased() == other.lowercased() }

    /// `STRING_VALUE can not be converted to an Integer` is how Lambda has answered a text for `Timeout`; the other pairs are
    /// formed after it and could not be confirmed.
    private static func mismatch(_ value: JSON, _ wanted: String) -> ServiceError {
        let found =
            switch value {
            case .null: "NULL_VALUE"
            case .bool(let value): value ? "TRUE_VALUE" : "FALSE_VALUE"
            case .number: "NUMBER_VALUE"
            case .string: "STRING_VALUE"
            case .array: "START_ARRAY"
            case .object: "START_OBJECT"
            }
        return ServiceError(.serialization, "\(found) can not be converted to \(wanted)")
    }

    private static func name(_ kind: ServiceModel.Shape.Kind) -> String {
        switch kind {
        case .structure: "a structure"
        case .list: "a list"
        case .map: "a map"
        case .string: "a String"
        case .integer: "an Integer"
        case .long: "a Long"
        case .double: "a Double"
        case .boolean: "a Boolean"
        case .timestamp: "milliseconds since epoch"
        case .blob: "a Blob"
        }
    }

    // MARK: Constraints

    /// - Throws: `.validation`, naming each member that the model does not allow.
    public func validate() throws(ServiceError) {
        guard let input = model.shapes[operation.input] else { return }
        var check = ConstraintCheck(model: model)
        check.structure(.object(members.map { JSON.Member($0.key, $0.value) }), input, at: "")
        try check.finish()
    }
}

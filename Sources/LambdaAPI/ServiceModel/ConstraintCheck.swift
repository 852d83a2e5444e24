import FunctionModel
import JSONValues

/// Collects what a value breaks of the model's constraints, in the words of Lambda.
///
/// The forms are those of recorded answers: `Value '[…]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: […]`
/// for an element of a list, `Map keys must satisfy constraint`, `Value at '…'` for what is secret. Neither the order of the members
/// nor that of the values of an enumeration is known; both are the model's here.
struct ConstraintCheck {
    let model: ServiceModel
    private var faults: [String] = []

    /// What the service checks itself, by values of its own, or where Martlet takes more than Lambda: runtimes that the server
    /// has, brokers and topics of other kinds than Kafka.
    private static let leftToHandlers: Set = ["Runtime", "EndPointType", "Endpoint", "EndpointLists", "Topic", "SourceAccessType", "URI"]
    /// Lists that say nothing of null in recorded answers.
    private static let listsWithoutNull: Set = ["SubnetId", "SecurityGroupId"]
    /// Characters of a value that are shown.
    private static let shownLength = 4_096

    init(model: ServiceModel) { self.model = model }

    /// - Throws: `.validation` with every fault, if there is any.
    func finish() throws(ServiceError) {
        guard !faults.isEmpty else { return }
        throw ServiceError(
            .validation, "\(faults.count) validation error\(faults.count == 1 ? "" : "s") detected: \(faults.joined(separator: "; "))")
    }

    /// - Parameter path: of the structure; empty for the request.
    mutating func structure(_ value: JSON, _ shape: ServiceModel.Shape, at path: String) {
        for member in shape.members {
            let place = path.isEmpty ? Self.lowerCamel(member.name) : "\(path).\(Self.lowerCamel(member.name))"
            if let given = value[member.name] {
                check(given, member.shape, at: place)
            } else if member.isRequired, member.name != shape.payload {
                faults.append("Value null at '\(place)' failed to satisfy constraint: Member must not be null")
            }
        }
    }

    private mutating func check(_ value: JSON, _ name: String, at path: String) {
        guard let shape = model.shapes[name], !Self.leftToHandlers.contains(name) else { return }
        for constraint in broken(value, shape) { fail(value, name, at: path, constraint) }
        switch (shape.kind, value) {
        case (.structure, _): structure(value, shape, at: path)
        case (.list, .array(let elements)): list(value, elements, shape, name, at: path)
        case (.map, .object(let entries)): map(value, entries, shape, name, at: path)
        default: break
        }
    }

    private mutating func list(_ value: JSON, _ elements: [JSON], _ shape: ServiceModel.Shape, _ name: String, at path: String) {
        guard let element = shape.element, let inner = model.shapes[element], !Self.leftToHandlers.contains(element) else { return }
        guard inner.isScalar else {
            for (index, one) in elements.enumerated() { check(one, element, at: "\(path).\(index + 1).member") }
            return
        }
        guard elements.contains(where: { $0 == .null || !broken($0, inner).isEmpty }) else { return }
        var all = constraints(inner)
        if !Self.listsWithoutNull.contains(element) { all.append("Member must not be null") }
        fail(value, name, at: path, "Member must satisfy constraint: [\(all.joined(separator: ", "))]")
    }

    private mutating func map(_ value: JSON, _ entries: [JSON.Member], _ shape: ServiceModel.Shape, _ name: String, at path: String) {
        if let key = shape.keys, let inner = model.shapes[key], !Self.leftToHandlers.contains(key),
            entries.contains(where: { !broken(.string($0.name), inner).isEmpty })
        {
            fail(value, name, at: path, "Map keys must satisfy constraint: [\(constraints(inner).joined(separator: ", "))]")
        }
        guard let element = shape.element, let inner = model.shapes[element], !Self.leftToHandlers.contains(element) else { return }
        guard inner.isScalar else {
            for entry in entries { check(entry.value, element, at: "\(path).\(entry.name).member") }
            return
        }
        guard entries.contains(where: { $0.value == .null || !broken($0.value, inner).isEmpty }) else { return }
        fail(value, name, at: path, "Map value must satisfy constraint: [\((constraints(inner) + ["Member must not be null"]).joined(separator: ", "))]")
    }

    private mutating func fail(_ value: JSON, _ name: String, at path: String, _ constraint: String) {
        let shown = model.shapes[name]?.isSensitive == true ? "" : " '\(text(value, name).prefix(Self.shownLength))'"
        faults.append("Value\(shown) at '\(path)' failed to satisfy constraint: \(constraint)")
    }

    // MARK: One value

    /// What the value itself breaks, without what is inside it.
    private func broken(_ value: JSON, _ shape: ServiceModel.Shape) -> [String] {
        var result: [String] = []
        let measured: Double? =
            switch value {
            case .string(let text) where shape.kind != .blob: Double(text.unicodeScalars.count)
            case .number(let text) where shape.isNumber: Double(text)
            case .array(let elements): Double(elements.count)
            case .object(let entries) where shape.kind == .map: Double(entries.count)
            default: nil
            }
        if let measured, let maximum = shape.maximum, measured > maximum.value { result.append(shape.text(atMost: maximum)) }
        if let measured, let minimum = shape.minimum, measured < minimum.value { result.append(shape.text(atLeast: minimum)) }
        guard case .string(let text) = value else { return result }
        if let pattern = shape.pattern, !pattern.matches(text) { result.append(Self.text(pattern)) }
        if !shape.values.isEmpty, !shape.values.contains(text) { result.append(Self.text(shape.values)) }
        return result
    }

    /// All of a shape's constraints: one broken inside a list or map is answered with them.
    private func constraints(_ shape: ServiceModel.Shape) -> [String] {
        [
            shape.maximum.map(shape.text(atMost:)), shape.minimum.map(shape.text(atLeast:)), shape.pattern.map(Self.text),
            shape.values.isEmpty ? nil : Self.text(shape.values),
        ].compactMap(\.self)
    }

    private static func text(_ pattern: TextPattern) -> String { "Member must satisfy regular expression pattern: \(pattern.source)" }

    private static func text(_ values: [String]) -> String { "Member must satisfy enum value set: [\(values.joined(separator: ", "))]" }

    /// Only the first letter changes: `kMSKeyArn`.
    private static func lowerCamel(_ name: String) -> String { name.prefix(1).lowercased() + name.dropFirst() }

    /// As Java shows it: `[a, b]`, `{a=b}`, `OnFailure(destination=…)`.
    private func text(_ value: JSON, _ name: String) -> String {
        guard let shape = model.shapes[name] else { return "" }
        switch value {
        case .string(let text), .number(let text): return text
        case .bool(let flag): return flag ? "true" : "false"
        case .null: return "null"
        case .array(let elements): return "[\(elements.map { text($0, shape.element ?? "") }.joined(separator: ", "))]"
        case .object(let entries) where shape.kind == .map:
            return "{\(entries.map { "\($0.name)=\(text($0.value, shape.element ?? ""))" }.joined(separator: ", "))}"
        case .object:
            let members = shape.members.map { member in "\(Self.lowerCamel(member.name))=\(value[member.name].map { text($0, member.shape) } ?? "null")" }
            return "\(name)(\(members.joined(separator: ", ")))"
        }
    }
}

extension ServiceModel.Shape {
    fileprivate var isScalar: Bool {
        switch kind {
        case .structure, .list, .map: false
        default: true
        }
    }

    fileprivate var isNumber: Bool { kind == .integer || kind == .long || kind == .double }

    fileprivate func text(atMost limit: ServiceModel.Limit) -> String {
        "Member must have \(isNumber ? "value" : "length") less than or equal to \(limit.text)"
    }

    fileprivate func text(atLeast limit: ServiceModel.Limit) -> String {
        "Member must have \(isNumber ? "value" : "length") greater than or equal to \(limit.text)"
    }
}

import JSONValues

/// What an object must be like: all its fields, and of each `$or` one alternative.
struct ObjectPattern: Sendable {
    indirect enum Field: Sendable {
        case leaf(LeafPattern)
        case object(ObjectPattern)
    }

    private(set) var fields: [Field] = []
    private(set) var alternatives: [[ObjectPattern]] = []
    private var indices: [[UInt8]: Int] = [:]
    private var longestName = 0

    /// - Returns: false if the name is there already.
    mutating func add(_ name: String, _ field: Field) -> Bool {
        let key = Array(name.utf8)
        guard indices.updateValue(fields.count, forKey: key) == nil else { return false }
        fields.append(field)
        longestName = max(longestName, key.count)
        return true
    }

    mutating func add(alternatives: [ObjectPattern]) { self.alternatives.append(alternatives) }

    /// - Parameter node: nil where the event has nothing.
    func matches(_ node: JSON?) -> Bool {
        switch node {
        case .object(let members): return matches(members: members)
        case .array(let elements):
            var hasObject = false
            for element in elements {
                switch element {
                case .object, .array:
                    hasObject = true
                    if matches(element) { return true }
                default: break
                }
            }
            // Without an object in it, none of the fields exists.
            return hasObject ? false : matches(members: [])
        default: return matches(members: [])
        }
    }

    /// One pass over the members however many fields are wanted; of two members with one name the last counts.
    private func matches(members: [JSON.Member]) -> Bool {
        var found = [JSON?](repeating: nil, count: fields.count)
        for member in members where member.name.utf8.count <= longestName {
            if let index = indices[Array(member.name.utf8)] { found[index] = member.value }
        }
        for (index, field) in fields.enumerated() {
            switch field {
            case .leaf(let leaf): if !leaf.matches(found[index]) { return false }
            case .object(let object): if !object.matches(found[index]) { return false }
            }
        }
        return alternatives.allSatisfy { $0.contains { $0.matches(members: members) } }
    }
}

public import FunctionModel

/// The runtimes a server offers, by full name, and how a client's name for one is understood.
public struct RuntimeCatalog: Hashable, Sendable {
    /// Full names: `python3.11`, `provided`. Newest version of a language first.
    public let offered: [String]

    public init(offered: [String]) {
        self.offered = Array(Set(offered)).sorted { left, right in
            let (leftName, leftVersion) = Self.split(left)
            let (rightName, rightVersion) = Self.split(right)
            return leftName == rightName ? rightVersion.lexicographicallyPrecedes(leftVersion) : leftName < rightName
        }
    }

    /// `python3` is the newest `python3.x` offered, `nodejs` the newest `nodejs…`; `provided.al2` and `provided.al2023` are
    /// `provided`.
    /// - Throws: `.invalidParameterValue` naming what is offered.
    public func resolve(_ name: String) throws(ServiceError) -> String {
        if offered.contains(name) { return name }
        if name.hasPrefix("provided."), offered.contains("provided") { return "provided" }
        if let newest = offered.first(where: { $0.hasPrefix(name + ".") && Self.split(name).version.count == 1 }) { return newest }
        if name == "nodejs", let newest = offered.first(where: { Self.split($0).name == name }) { return newest }
        throw ServiceError(
            .invalidParameterValue,
            "Value \(name.prefix(64)) at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [\(offered.joined(separator: ", "))]; these are the runtimes this server offers")
    }

    /// `python3.11` is (`python`, [3, 11]); `nodejs20.x` is (`nodejs`, [20, 0]).
    private static func split(_ name: String) -> (name: Substring, version: [Int]) {
        let digits = name.firstIndex { $0.isNumber } ?? name.endIndex
        return (name[..<digits], name[digits...].split(separator: ".").map { Int($0) ?? 0 })
    }
}

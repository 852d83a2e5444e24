public import FunctionModel

/// Which of an alias's two versions gets the next invocation.
///
/// The error of each decision is carried to the next, as in drawing a line on a raster: of any `n` invocations in a row
/// the second version gets `n` times its weight, rounded down or up. A random choice would be off by the root of `n`, and
/// nobody could tell a wrong weight from bad luck.
public struct AliasSplit: Sendable {
    /// Weights count in billionths, so that no sum is ever rounded.
    private static let whole: UInt64 = 1_000_000_000

    private let first: String
    private let second: String
    private let share: UInt64
    private var carried: UInt64 = 0

    /// nil for an alias of one version.
    public init?(_ alias: FunctionAlias) {
        guard let additional = alias.additional else { return nil }
        first = alias.version
        second = additional.version
        share = UInt64((min(1, max(0, additional.weight)) * Double(Self.whole)).rounded())
    }

    /// The version of the next invocation.
    public mutating func next() -> String {
        carried += share
        guard carried >= Self.whole else { return first }
        carried -= Self.whole
        return second
    }
}

/// The splits of all aliases that have two versions; each begins anew when its alias is changed.
public struct AliasSplits: Sendable {
    private var splits: [UInt64: AliasSplit] = [:]

    public init() {}

    /// The version that the next invocation of the qualifier gets. The record has it, unless it was deleted in between.
    public mutating func version(of record: FunctionRecord, qualifier: String) -> FunctionVersion? {
        guard let alias = record.aliases[qualifier], alias.additional != nil, record.version(number: qualifier) == nil else {
            return record.version(qualifier: qualifier)
        }
        guard var split = splits[alias.revision] ?? AliasSplit(alias) else { return record.version(qualifier: qualifier) }
        defer { splits[alias.revision] = split }
        return record.version(number: split.next())
    }

    /// Forgets what no alias of the function needs any more.
    public mutating func changed(from old: FunctionRecord?, to new: FunctionRecord?) {
        guard let old, !splits.isEmpty else { return }
        for alias in old.aliases.values where new?.aliases[alias.name]?.revision != alias.revision { splits[alias.revision] = nil }
    }
}

/// How long to wait before a broker is tried again: doubles from half a second to half a minute, each time a random part of
/// it, so that many readers do not come back at one moment.
public struct ReconnectDelay: Hashable, Sendable {
    static let first: Int64 = 500
    static let longest: Int64 = 30_000

    private var ceiling = first

    public init() {}

    /// Milliseconds, between half of the ceiling and all of it.
    /// - Parameter random: 0 ..< 1.
    public mutating func next(random: Double) -> Int64 {
        defer { ceiling = min(ceiling * 2, Self.longest) }
        return ceiling / 2 + Int64(Double(ceiling / 2) * random)
    }

    public mutating func succeeded() { ceiling = Self.first }
}

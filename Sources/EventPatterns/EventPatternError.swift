/// Why a text is no event pattern, and where.
public struct EventPatternError: Error, Equatable, CustomStringConvertible {
    /// `a prefix must be a string`
    public let reason: String
    /// The way to the fault from the pattern's top: `detail.state[0].prefix`; empty for the whole pattern.
    public let place: String

    /// As EventBridge begins its `InvalidEventPatternException`.
    public var description: String {
        "Event pattern is not valid. Reason: \(reason)" + (place.isEmpty ? "" : " at '\(place)'")
    }
}

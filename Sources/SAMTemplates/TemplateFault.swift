/// What is wrong with a template, and where.
public struct TemplateFault: Error, Hashable, CustomStringConvertible {
    /// As in `Resources.Shop.Properties.Events`.
    public let place: String
    public let reason: String

    public init(_ place: String, _ reason: String) {
        self.place = place
        self.reason = reason
    }

    public var description: String { "\(place): \(reason)" }
}

/// All that is wrong with it, so that it can be mended at once.
public struct TemplateFaults: Error, CustomStringConvertible {
    public let faults: [TemplateFault]
    public var description: String { faults.map(\.description).joined(separator: "\n") }
}

public import FunctionModel

/// Which changes are of interest: S3's notification filters.
public struct ObjectFilter: Codable, Hashable, Sendable {
    public static let maximumEvents = 20

    /// `s3:ObjectCreated:*`, `s3:ObjectRemoved:Delete`, …; empty for all.
    public var events: [String]
    /// Of the key, not encoded.
    public var prefix: String
    public var suffix: String

    /// - Throws: `.invalidParameterValue`, naming what is wrong.
    public init(events: [String] = [], prefix: String = "", suffix: String = "") throws(ServiceError) {
        guard events.count <= Self.maximumEvents else {
            throw ServiceError(.invalidParameterValue, "a filter names at most \(Self.maximumEvents) events, not \(events.count)")
        }
        for event in events where !Self.isEventName(event) {
            throw ServiceError(
                .invalidParameterValue,
                "'\(event.prefix(64))' is no event of S3's: write for example s3:ObjectCreated:*, s3:ObjectCreated:Put or s3:ObjectRemoved:*")
        }
        guard prefix.utf8.count <= ObjectKey.maximumLength, suffix.utf8.count <= ObjectKey.maximumLength else {
            throw ServiceError(.invalidParameterValue, "a filter's prefix and suffix have at most \(ObjectKey.maximumLength) bytes")
        }
        self.events = events
        self.prefix = prefix
        self.suffix = suffix
    }

    public func passes(_ change: ObjectChange) -> Bool { passes(event: change.name, key: change.key) }

    /// - Parameter event: without `s3:`.
    public func passes(event: String, key: String) -> Bool {
        guard key.hasPrefix(prefix), key.hasSuffix(suffix) else { return false }
        return events.isEmpty
            || events.contains { wanted in
                let wanted = wanted.dropFirst(3)
                return wanted.hasSuffix("*") ? event.hasPrefix(wanted.dropLast()) : event == wanted
            }
    }

    private static func isEventName(_ text: String) -> Bool {
        guard text.hasPrefix("s3:"), text.utf8.count <= 64 else { return false }
        let name = text.dropFirst(3)
        let stem = name.hasSuffix("*") ? name.dropLast() : name
        return !name.isEmpty && stem.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: ":"): true
            default: false
            }
        }
    }
}

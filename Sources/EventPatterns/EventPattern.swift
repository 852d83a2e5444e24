public import JSONValues

/// A compiled pattern of EventBridge: fields in it must be met by the event, alternatives of one field stand in an array.
///
/// - A field's array of values is met when the event's value, or one element of its array, meets one of them.
/// - Of an array of objects, one element must meet everything that the pattern says about its fields.
/// - Strings are compared byte by byte, without Unicode normalisation. Numbers are equal as numbers from -5·10⁹ to 5·10⁹,
///   and beyond that when they are written alike.
/// - `exists` and everything else speak of leaves: a field that holds an object, or an array without a scalar, does not exist.
///
/// Matching costs at most (values in the pattern) × (bytes of the event), and no allocation that outlives it.
///
/// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
public struct EventPattern: Sendable {
    public struct Limits: Sendable {
        /// UTF-8 bytes; as for Lambda's filters, twice EventBridge's usual quota.
        public var bytes = 4096
        /// Objects and arrays inside each other.
        public var depth = 64
        /// `wildcard` texts: each may cost a pass over a long string.
        public var wildcards = 32

        public init() {}
    }

    private let root: ObjectPattern

    public init(parsing text: some Collection<UInt8>, limits: Limits = Limits()) throws(EventPatternError) {
        guard text.count <= limits.bytes else {
            throw EventPatternError(reason: "a pattern has at most \(limits.bytes) bytes, this one has \(text.count)", place: "")
        }
        let json: JSON
        do throws(JSONFault) {
            json = try JSON(parsing: text, maximumDepth: limits.depth)
        } catch {
            throw EventPatternError(reason: "it is not JSON: \(error)", place: "")
        }
        try self.init(json, limits: limits)
    }

    public init(parsing text: String, limits: Limits = Limits()) throws(EventPatternError) {
        try self.init(parsing: text.utf8, limits: limits)
    }

    /// - Parameter json: part of a larger document, whose size and depth were bounded when it was read.
    public init(_ json: JSON, limits: Limits = Limits()) throws(EventPatternError) {
        var compiler = PatternCompiler(limits: limits)
        root = try compiler.root(json)
    }

    public func matches(_ event: JSON) -> Bool { root.matches(event) }
}

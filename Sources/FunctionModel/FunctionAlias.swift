/// A name for one version of a function, or for two that share its invocations.
public struct FunctionAlias: Hashable, Sendable, Codable {
    /// The second version of an alias.
    public struct Share: Hashable, Sendable, Codable {
        /// A published one.
        public var version: String
        /// The part of the invocations that it gets, 0…1.
        public var weight: Double

        public init(version: String, weight: Double) {
            self.version = version
            self.weight = weight
        }
    }

    /// 1 to 128 characters of `[A-Za-z0-9-_]`, not all of them digits.
    public let name: String
    /// `$LATEST` or a published number.
    public var version: String
    public var additional: Share?
    /// At most 256 characters.
    public var description: String
    /// From the same row as the revisions of versions: a changed alias has a new one.
    public var revision: UInt64

    public init(name: String, version: String, additional: Share? = nil, description: String = "", revision: UInt64) {
        self.name = name
        self.version = version
        self.additional = additional
        self.description = description
        self.revision = revision
    }

    /// Whether it needs the version to be there.
    public func refers(to version: String) -> Bool { self.version == version || additional?.version == version }

    /// A name that no version number can be mistaken for.
    public static func isName(_ text: some StringProtocol) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            && !text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

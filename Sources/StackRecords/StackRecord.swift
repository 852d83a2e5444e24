public import FunctionModel

/// What a deployed template's stack consists of, so that whoever deploys it next, from any machine, knows what is its own.
///
/// The server keeps the document as it is: what it says is between deployments.
public struct StackRecord: Hashable, Sendable {
    /// Of one account and region; one more is refused.
    public static let maximumPerRegion = 500
    /// Bytes of a document.
    public static let maximumDocument = 900_000

    public let account: String
    public let region: String
    /// 1 to 128 letters, digits and `-`, the first of them a letter.
    public let name: String
    /// Counts the changes, from 1; who changes a record says which one it has seen.
    public var revision: Int
    /// A JSON object.
    public var document: String
    /// Milliseconds since 1970.
    public var modified: Int64

    public init(account: String, region: String, name: String, revision: Int, document: String, modified: Int64) {
        self.account = account
        self.region = region
        self.name = name
        self.revision = revision
        self.document = document
        self.modified = modified
    }

    /// - Throws: `.invalidParameterValue`.
    public static func check(name: String) throws(ServiceError) {
        let isLetter = { (byte: UInt8) in (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
        guard (1...128).contains(name.utf8.count), name.utf8.first.map(isLetter) == true,
            name.utf8.allSatisfy({ isLetter($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") })
        else {
            throw ServiceError(
                .invalidParameterValue, "a stack's name has 1 to 128 letters, digits and '-' and begins with a letter; '\(name.prefix(100))' does not")
        }
    }
}

/// Where records live. Any task may call; what returned is on the disk.
public protocol StackRecordStore: Sendable {
    /// In the order of their names.
    func stackRecords(account: String, region: String) async throws -> [StackRecord]
    func stackRecord(_ name: String, account: String, region: String) async throws -> StackRecord?
    /// Replaces the record whose revision is one less; with revision 1 it must be new.
    /// - Returns: whether it was so; nothing is changed otherwise.
    func save(_ record: StackRecord) async throws -> Bool
    /// - Returns: whether there was one of this revision.
    func deleteStackRecord(_ name: String, account: String, region: String, revision: Int) async throws -> Bool
}

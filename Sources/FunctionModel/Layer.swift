/// A layer's full name within one server.
public struct LayerKey: Hashable, Sendable, Codable {
    public let account: String
    public let region: String
    /// 1 to 140 characters of `[A-Za-z0-9-_]`.
    public let name: String

    public init(account: String, region: String, name: String) {
        self.account = account
        self.region = region
        self.name = name
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:layer:NAME`
    public var arn: String { "arn:aws:lambda:\(region):\(account):layer:\(name)" }

    /// Reads `arn:aws:lambda:REGION:ACCOUNT:layer:NAME[:VERSION]`; nil for anything else.
    public static func parse(arn: String) -> (key: LayerKey, version: Int?)? {
        let parts = arn.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (7...8).contains(parts.count), parts[0] == "arn", parts[1].hasPrefix("aws"), parts[2] == "lambda", parts[5] == "layer",
            !parts[3].isEmpty, !parts[4].isEmpty, isName(parts[6])
        else { return nil }
        let key = LayerKey(account: parts[4], region: parts[3], name: parts[6])
        guard parts.count == 8 else { return (key, nil) }
        guard let version = Int(parts[7]), version > 0, String(version) == parts[7] else { return nil }
        return (key, version)
    }

    public static func isName(_ text: some StringProtocol) -> Bool {
        (1...140).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}

/// Who of other accounts may use a layer version: one statement of its policy.
public struct LayerPermission: Hashable, Sendable, Codable {
    /// Unique within the policy.
    public let id: String
    /// `*`, a 12-digit account or `arn:aws:iam::ACCOUNT:root`.
    public let principal: String
    public let organization: String?

    public init(id: String, principal: String, organization: String? = nil) {
        self.id = id
        self.principal = principal
        self.organization = organization
    }

    /// Organizations are not known here: a statement for one allows nobody.
    public func allows(account: String) -> Bool {
        organization == nil && (principal == "*" || principal == account || principal.hasSuffix("::\(account):root"))
    }
}

/// One immutable version of a layer; only its policy changes.
public struct LayerVersion: Hashable, Sendable, Codable {
    /// From 1, never used again.
    public let number: Int
    public let code: CodeReference
    public let description: String
    public let compatibleRuntimes: [String]
    public let compatibleArchitectures: [String]
    public let licenseInfo: String
    /// Milliseconds since 1970.
    public let created: Int64
    public var permissions: [LayerPermission] = []
    /// Of the policy; rises with each change.
    public var policyRevision: UInt64 = 0

    public init(
        number: Int, code: CodeReference, description: String = "", compatibleRuntimes: [String] = [], compatibleArchitectures: [String] = [],
        licenseInfo: String = "", created: Int64
    ) {
        self.number = number
        self.code = code
        self.description = description
        self.compatibleRuntimes = compatibleRuntimes
        self.compatibleArchitectures = compatibleArchitectures
        self.licenseInfo = licenseInfo
        self.created = created
    }
}

/// Everything known of one layer: read and written as one.
public struct LayerRecord: Hashable, Sendable, Codable {
    public let key: LayerKey
    /// In rising order.
    public var versions: [LayerVersion]
    public var nextNumber: Int

    public init(key: LayerKey, versions: [LayerVersion] = [], nextNumber: Int = 1) {
        self.key = key
        self.versions = versions
        self.nextNumber = nextNumber
    }

    public func version(_ number: Int) -> LayerVersion? { versions.first { $0.number == number } }
}

/// The layers of a function version, in order: of two files of one name under /opt the later layer's is there.
public struct FunctionLayers: Hashable, Sendable, Codable {
    public struct Layer: Hashable, Sendable, Codable {
        /// With the version.
        public let arn: String
        public let code: CodeReference

        public init(arn: String, code: CodeReference) {
            self.arn = arn
            self.code = code
        }
    }

    public static let maximum = 5
    /// Lambda's limit; more than that fail a function's init.
    public static let maximumExtensions = 10
    public static let none = FunctionLayers(list: [], merged: "")

    public let list: [Layer]
    /// The digest under which the package store has them merged; empty for none.
    public let merged: String
    /// Files of the merged layers' folder `extensions`, by name: programs that run beside the runtime.
    public let extensions: [String]

    public init(list: [Layer], merged: String, extensions: [String] = []) {
        self.list = list
        self.merged = merged
        self.extensions = extensions
    }

    public init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        list = try members.decode([Layer].self, forKey: .list)
        merged = try members.decode(String.self, forKey: .merged)
        extensions = try members.decodeIfPresent([String].self, forKey: .extensions) ?? []
    }
}

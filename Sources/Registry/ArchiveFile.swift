import Glibc

/// Where an archive lies that a client names instead of sending it.
public struct ObjectReference: Hashable, Sendable {
    public let bucket: String
    public let key: String
    /// nil for the newest.
    public let version: String?

    public init(bucket: String, key: String, version: String? = nil) {
        self.bucket = bucket
        self.key = key
        self.version = version
    }
}

/// Fetches what functions and layers are made of.
public protocol ObjectArchives: Sendable {
    /// - Parameter account: whose keys are used.
    /// - Throws: `.invalidParameterValue` for what is not there or too large, `.accessDenied`, `.unavailable`.
    func fetch(_ object: ObjectReference, for account: String) async throws -> ArchiveFile
}

/// A file in the data directory that nobody else has; it is removed when nobody needs it any more.
public final class ArchiveFile: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    deinit { unlink(path) }
}

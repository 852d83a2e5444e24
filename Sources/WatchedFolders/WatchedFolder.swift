public import FunctionModel
public import ObjectEvents

/// A folder of this machine whose files are to a function what objects in a bucket are: it gets S3's events for them.
public struct WatchedFolder: Hashable, Sendable {
    /// Of one account and region; one more is refused.
    public static let maximumPerRegion = 100
    /// Files and folders of one; what is beyond is not looked at, and the folder's state says so.
    public static let maximumFiles = 100_000
    public static let maximumFolders = 10_000
    /// Folders within each other.
    public static let maximumDepth = 32
    /// Bytes of a file whose content goes into its event.
    public static let maximumContent = 512 << 10

    public let id: String
    /// The bucket's name in events; unique within the account and region, 1–63 characters of `[A-Za-z0-9-_.]`.
    public let name: String
    public let function: FunctionKey
    /// nil for `$LATEST`.
    public let qualifier: String?
    /// Absolute, without links.
    public let path: String
    public let filter: ObjectFilter
    /// Whether folders in it count; a file's key is its path below the folder.
    public let isRecursive: Bool
    /// Whether events carry the content of files that are small enough.
    public let hasContent: Bool
    /// Milliseconds since 1970.
    public let created: Int64

    public init(
        id: String, name: String, function: FunctionKey, qualifier: String?, path: String, filter: ObjectFilter, isRecursive: Bool, hasContent: Bool,
        created: Int64
    ) {
        self.id = id
        self.name = name
        self.function = function
        self.qualifier = qualifier
        self.path = path
        self.filter = filter
        self.isRecursive = isRecursive
        self.hasContent = hasContent
        self.created = created
    }
}

/// What tells a file from the one that was there before.
public struct FileState: Hashable, Sendable {
    /// Bytes.
    public let size: Int64
    /// Nanoseconds since 1970.
    public let modified: Int64
    public let inode: Int64

    public init(size: Int64, modified: Int64, inode: Int64) {
        self.size = size
        self.modified = modified
        self.inode = inode
    }

    /// As an event's eTag: another for another content, as far as file systems tell.
    var tag: String { String(UInt64(bitPattern: modified), radix: 16) + "-" + String(UInt64(bitPattern: inode), radix: 16) + "-" + String(size, radix: 16) }
}

/// Where watched folders and what is known of their files live between starts. Any task may call; what returned is on the disk.
public protocol WatchedFolderStore: Sendable {
    /// Every folder of every account, in no particular order. Called once at start.
    func loadWatchedFolders() async throws -> [WatchedFolder]
    /// The files of a folder that events were made of, or that were there before it was watched.
    func loadFiles(of folder: String) async throws -> [String: FileState]
    /// The folder and its first files, in one step.
    func save(_ folder: WatchedFolder, files: [String: FileState]) async throws
    /// Files that are new or changed, and those that are gone (nil), in one step.
    func saveFiles(_ changes: [String: FileState?], of folder: String) async throws
    /// Nothing happens if there is none.
    func deleteWatchedFolder(id: String) async throws
}

/// A watched folder as it is shown.
public struct WatchedFolderStatus: Sendable {
    public let folder: WatchedFolder
    /// Files that are known.
    public let files: Int
    /// Files that were seen to change and are not events yet.
    public let pending: Int
    /// Why nothing, or not everything, is seen at the moment.
    public let problem: String?
}

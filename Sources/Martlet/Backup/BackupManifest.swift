internal import JSONValues

/// What a backup says of itself, as `manifest.json`.
struct BackupManifest: Hashable {
    /// Of the archive's layout; another one is not read.
    static let format = 1
    static let name = "manifest.json"

    /// Of the program that made it.
    var version: String
    /// Milliseconds since 1970 before the first file was read.
    var time: Int64
    var hasLogs: Bool

    var json: JSON {
        .object([
            .init("format", .integer(Self.format)), .init("version", .string(version)), .init("time", .integer(time)), .init("hasLogs", .bool(hasLogs)),
        ])
    }

    init(version: String, time: Int64, hasLogs: Bool) {
        (self.version, self.time, self.hasLogs) = (version, time, hasLogs)
    }

    /// - Throws: `CommandFailure`.
    init(_ bytes: [UInt8]) throws {
        guard let json = try? JSON(parsing: bytes), let format = json["format"]?.integer, let version = json["version"]?.string,
            let time = json["time"]?.integer, let hasLogs = json["hasLogs"]?.bool
        else { throw CommandFailure("the archive is no backup of Martlet: its \(Self.name) cannot be read") }
        guard format == Self.format else {
            throw CommandFailure("the backup has the format \(format), which martlet \(martletVersion) does not know: it was made by martlet \(version)")
        }
        self.init(version: version, time: Int64(time), hasLogs: hasLogs)
    }
}

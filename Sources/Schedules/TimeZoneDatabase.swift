import LinuxPrimitives

/// The host's time zones: its administrator keeps them current, and a server that is linked statically has none of its own.
public struct TimeZoneDatabase: Sendable {
    private let directory: String

    public init(directory: String = "/usr/share/zoneinfo") { self.directory = directory }

    /// Reads a small file; may block for a moment.
    ///
    /// - Parameter name: `Europe/Berlin`.
    public func rules(named name: String) throws(ScheduleError) -> TimeZoneRules {
        if name == "UTC" { return .utc }
        guard Self.isName(name) else { throw ScheduleError("'\(name.prefix(64))' is not the name of a time zone, such as Europe/Berlin") }
        guard let file = readFile("\(directory)/\(name)", limit: 1 << 18) else {
            throw ScheduleError(
                fileKind(directory) == .folder
                    ? "the time zone '\(name)' is unknown" : "this host has no time zones in \(directory): install the package tzdata")
        }
        return try TimeZoneRules(name: name, file: file)
    }

    /// No name may lead out of the folder. Zones under `right` count leap seconds, which no schedule means.
    private static func isName(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return (1...64).contains(name.utf8.count) && parts.count <= 4 && parts[0] != "right"
            && parts.allSatisfy { part in
                !part.isEmpty
                    && part.utf8.allSatisfy { byte in
                        switch byte {
                        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "-"):
                            true
                        default: false
                        }
                    }
            }
    }
}

/// Which environment of a function wrote a line, as far as logs tell them apart: the function's revision, and the day since
/// which it has been in memory.
public struct LogStreamID: Hashable, Sendable {
    /// Days since 1970.
    public let day: Int
    /// `$LATEST` or a number.
    public let version: String
    public let revision: UInt64

    public init(day: Int, version: String, revision: UInt64) {
        self.day = day
        self.version = version
        self.revision = revision
    }

    public init(milliseconds: Int64, version: String, revision: UInt64) {
        self.init(day: Int(milliseconds / 86_400_000), version: version, revision: revision)
    }

    /// `2026/11/21/[$LATEST]` and 32 hexadecimal digits; in a group that several functions share, the function's name stands
    /// before the bracket.
    ///
    /// Source: Lambda Developer Guide, "Using CloudWatch Logs with Lambda".
    public func name(function: String? = nil) -> String {
        let (year, month, date) = LogTime.date(day)
        let digits = String(revision, radix: 16)
        return "\(year)/\(LogTime.digits(month))/\(LogTime.digits(date))/\(function ?? "")[\(version)]\(String(repeating: "0", count: 32 - digits.count))\(digits)"
    }

    /// The short form that lines carry on the disk: `20778:$LATEST:1a`.
    var text: String { "\(day):\(version):\(String(revision, radix: 16))" }

    init?(text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let day = Int(parts[0]), (0...3_000_000).contains(day), !parts[1].isEmpty,
            let revision = UInt64(parts[2], radix: 16)
        else { return nil }
        self.init(day: day, version: String(parts[1]), revision: revision)
    }
}

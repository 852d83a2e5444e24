/// Cuts output into lines as it comes in pieces.
public struct TelemetryLines: Sendable {
    /// Bytes of a line; a longer one is passed on in pieces.
    public static let longestLine = 64 << 10
    private var pending: [UInt8] = []

    public init() {}

    /// - Returns: the lines that are whole by now, without their ends; empty ones are left out.
    public mutating func append(_ bytes: some Sequence<UInt8>) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for byte in bytes {
            if byte != UInt8(ascii: "\n") { pending.append(byte) }
            if byte == UInt8(ascii: "\n") || pending.count >= Self.longestLine { take(into: &lines) }
        }
        return lines
    }

    /// What has no end yet.
    public mutating func finish() -> [[UInt8]] {
        var lines: [[UInt8]] = []
        take(into: &lines)
        return lines
    }

    private mutating func take(into lines: inout [[UInt8]]) {
        if !pending.isEmpty { lines.append(pending) }
        pending = []
    }
}

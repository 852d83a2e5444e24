/// A text with `*` for any characters and `?` for one, as policies have them.
struct WildcardPattern: Hashable, Sendable {
    private let bytes: [UInt8]

    init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    /// In time (pattern × text) at worst: after a mismatch only the last `*` takes one more byte.
    func matches(_ text: some StringProtocol) -> Bool {
        let text = Array(text.utf8)
        var (at, position) = (0, 0)
        var star: (at: Int, position: Int)?
        while position < text.count {
            if at < bytes.count, bytes[at] == UInt8(ascii: "*") {
                star = (at, position)
                at += 1
            } else if at < bytes.count, bytes[at] == UInt8(ascii: "?") || bytes[at] == text[position] {
                (at, position) = (at + 1, position + 1)
            } else if let last = star {
                star = (last.at, last.position + 1)
                (at, position) = (last.at + 1, last.position + 1)
            } else {
                return false
            }
        }
        return bytes[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

/// An element of a statement's `Action`: `sqs:Send*`, `*`. Actions are compared without regard to case.
struct ActionPattern: Hashable, Sendable {
    private let pattern: WildcardPattern

    /// Nil for what can be no action.
    init?(_ text: String) {
        guard text == "*" || text.split(separator: ":", omittingEmptySubsequences: false).count == 2, text.utf8.allSatisfy(Self.isByte) else { return nil }
        pattern = WildcardPattern(text.lowercased())
    }

    func matches(_ action: String) -> Bool { pattern.matches(action.lowercased()) }

    private static func isByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "*?:-_".utf8.contains(byte)
        }
    }
}

/// An element of a statement's `Resource`: `*`, or an ARN whose parts may hold wildcards. A wildcard ends with its part, but the
/// last part, in which a function's qualifier has a colon of its own.
struct ResourcePattern: Hashable, Sendable {
    /// Empty for `*`.
    private let parts: [WildcardPattern]

    init?(_ text: String) {
        guard text != "*" else {
            parts = []
            return
        }
        let parts = text.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", !parts[5].isEmpty else { return nil }
        self.parts = parts.map { WildcardPattern($0) }
    }

    var isEverything: Bool { parts.isEmpty }

    func matches(_ arn: String) -> Bool {
        guard !isEverything else { return true }
        let own = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        return own.count == 6 && zip(parts, own).allSatisfy { $0.matches($1) }
    }
}

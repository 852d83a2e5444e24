internal import Glibc

/// A function's full name within one server: the key of every store, from the first migration on.
///
/// `account` is the tenant's 12-digit account, `region` the region clients sign for, `name` 1–64 characters of
/// `[A-Za-z0-9-_]`.
public struct FunctionKey: Hashable, Sendable, Codable, CustomStringConvertible {
    public let account: String
    public let region: String
    public let name: String

    public init(account: String, region: String, name: String) {
        self.account = account
        self.region = region
        self.name = name
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`
    public var arn: String { "arn:aws:lambda:\(region):\(account):function:\(name)" }
    public var description: String { "\(account)/\(region)/\(name)" }
}

/// One invocation's ID, in lower-case text form wherever a person or a client sees it.
///
/// It has the form of a version 4 UUID, as Lambda's have, but begins with its time, so that what is kept by ID lies in the
/// order of time: an index grows at one end, and what goes together lies together.
public struct RequestID: Hashable, Sendable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Two random words and a time become an ID, of which 74 bits are random.
    /// - Parameter milliseconds: since 1970.
    public init(randomHigh: UInt64, randomLow: UInt64, milliseconds: Int64) {
        high = UInt64(truncatingIfNeeded: milliseconds) << 16 | 0x4000 | randomHigh & 0xFFF
        low = (randomLow & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
    }

    public static func random(using generator: inout some RandomNumberGenerator, at milliseconds: Int64) -> RequestID {
        RequestID(randomHigh: generator.next(), randomLow: generator.next(), milliseconds: milliseconds)
    }

    /// With the time of now.
    public static func random() -> RequestID {
        var generator = SystemRandomNumberGenerator()
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return random(using: &generator, at: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// The 36-character text form; nil for anything else.
    public init?(_ text: some StringProtocol) {
        var words: (UInt64, UInt64) = (0, 0)
        var digits = 0
        var position = 0
        for byte in text.utf8 {
            defer { position += 1 }
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let nibble: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): nibble = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): nibble = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): nibble = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            if digits < 16 { words.0 = words.0 << 4 | UInt64(nibble) } else { words.1 = words.1 << 4 | UInt64(nibble) }
            digits += 1
        }
        guard position == 36, digits == 32 else { return nil }
        (high, low) = words
    }

    public static let textLength = 36

    public var description: String {
        String(unsafeUninitializedCapacity: Self.textLength) { buffer in
            write(to: UnsafeMutableRawBufferPointer(buffer))
            return Self.textLength
        }
    }

    /// Writes the text form: it is in each line of a log, each answer and each worker's frame.
    /// - Parameter buffer: at least `textLength` bytes.
    public func write(to buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= Self.textLength)
        var position = 0
        func digits(_ word: UInt64, from top: UInt64, to bottom: UInt64) {
            var shift = top
            while true {
                let nibble = UInt8(truncatingIfNeeded: word >> shift) & 0xF
                buffer[position] = nibble &+ (nibble < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") &- 10)
                position += 1
                if shift == bottom { return }
                shift -= 4
            }
        }
        func dash() {
            buffer[position] = UInt8(ascii: "-")
            position += 1
        }
        digits(high, from: 60, to: 32)
        dash()
        digits(high, from: 28, to: 16)
        dash()
        digits(high, from: 12, to: 0)
        dash()
        digits(low, from: 60, to: 48)
        dash()
        digits(low, from: 44, to: 0)
    }
}

/// When a place's clocks were and will be set: the content of a TZif file.
///
/// Source: RFC 9636.
public struct TimeZoneRules: Hashable, Sendable {
    public static let utc = TimeZoneRules(name: "UTC", transitions: [], offsets: [], first: 0, rule: nil)

    public let name: String
    /// Seconds since 1970, rising; from each on, the offset of the same index holds.
    private let transitions: [Int64]
    private let offsets: [Int32]
    /// Before the first transition.
    private let first: Int32
    /// After the last one.
    private let rule: DaylightRule?

    private init(name: String, transitions: [Int64], offsets: [Int32], first: Int32, rule: DaylightRule?) {
        self.name = name
        self.transitions = transitions
        self.offsets = offsets
        self.first = first
        self.rule = rule
    }

    /// - Parameter file: version 2 or later; version 1 ends in 2037.
    public init(name: String, file: [UInt8]) throws(ScheduleError) {
        var reader = TZifReader(bytes: file)
        guard let data = reader.read() else { throw ScheduleError("the time zone file of '\(name)' is damaged or of an old version") }
        self.init(name: name, transitions: data.transitions, offsets: data.offsets, first: data.first, rule: data.rule)
    }

    /// Seconds that local time is ahead of UTC.
    public func offset(at time: Int64) -> Int64 {
        guard let last = transitions.last, time >= transitions[0] else {
            return transitions.isEmpty ? rule?.offset(at: time) ?? Int64(first) : Int64(first)
        }
        if time >= last, let rule { return rule.offset(at: time) }
        var low = 0
        var high = transitions.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if transitions[middle] <= time { low = middle } else { high = middle }
        }
        return Int64(offsets[low])
    }

    /// The first moment at which local clocks show the time; nil when they leap over it.
    ///
    /// - Parameter local: seconds from 1970-01-01T00:00:00 as the local clock counts.
    public func firstMoment(ofLocal local: Int64) -> Int64? {
        // No place is more than 26 hours from another, so the offset in force then is one of those a day around it.
        var earliest: Int64?
        for probe in [local - 93_600, local - 43_200, local, local + 43_200, local + 93_600] {
            let moment = local - offset(at: probe)
            if offset(at: moment) == local - moment, moment < earliest ?? .max { earliest = moment }
        }
        return earliest
    }
}

private struct TZifReader {
    struct Content {
        var transitions: [Int64] = []
        var offsets: [Int32] = []
        var first: Int32 = 0
        var rule: DaylightRule?
    }

    private struct Counts {
        let version: UInt8
        let utc, standard, leaps, times, types, characters: Int
    }

    let bytes: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// - Returns: nil for anything that breaks the format.
    mutating func read() -> Content? {
        guard let old = header(), old.version >= UInt8(ascii: "2"),
            skip(old.times * 5 + old.types * 6 + old.characters + old.leaps * 8 + old.standard + old.utc),
            let counts = header(), counts.types > 0, counts.leaps == 0
        else { return nil }
        var content = Content()
        for _ in 0..<counts.times {
            guard let time = integer(8), content.transitions.last ?? .min < time else { return nil }
            content.transitions.append(time)
        }
        var indices: [Int] = []
        for _ in 0..<counts.times {
            guard let index = integer(1), index < counts.types else { return nil }
            indices.append(Int(index))
        }
        var types: [Int32] = []
        for _ in 0..<counts.types {
            guard let offset = integer(4), skip(2) else { return nil }
            let seconds = Int32(truncatingIfNeeded: offset)
            guard abs(Int64(seconds)) <= 93_600 else { return nil }
            types.append(seconds)
        }
        content.offsets = indices.map { types[$0] }
        content.first = types[0]
        guard skip(counts.characters + counts.standard + counts.utc), position < bytes.count, bytes[position] == 0x0A else { return nil }
        let footer = bytes[(position + 1)...].prefix { $0 != 0x0A }
        guard footer.endIndex < bytes.count else { return nil }
        if !footer.isEmpty {
            guard let rule = DaylightRule(String(decoding: footer, as: UTF8.self)) else { return nil }
            content.rule = rule
        }
        return content
    }

    private mutating func header() -> Counts? {
        guard bytes.count - position >= 44, bytes[position..<(position + 4)].elementsEqual("TZif".utf8) else { return nil }
        let version = bytes[position + 4]
        position += 20
        var counts: [Int] = []
        for _ in 0..<6 {
            guard let count = integer(4), (0...100_000).contains(count) else { return nil }
            counts.append(Int(count))
        }
        return Counts(
            version: version, utc: counts[0], standard: counts[1], leaps: counts[2], times: counts[3], types: counts[4], characters: counts[5])
    }

    private mutating func skip(_ count: Int) -> Bool {
        guard bytes.count - position >= count else { return false }
        position += count
        return true
    }

    /// Big-endian; signed when it has eight bytes.
    private mutating func integer(_ size: Int) -> Int64? {
        guard bytes.count - position >= size else { return nil }
        var value: UInt64 = 0
        for byte in bytes[position..<(position + size)] { value = value << 8 | UInt64(byte) }
        position += size
        return Int64(bitPattern: value)
    }
}

/// One field of a cron expression with values that are simply in it or not.
struct CronField: Hashable, Sendable {
    let name: String
    let range: ClosedRange<Int>
    /// Names of the values from `range.lowerBound` on.
    var names: [String] = []

    static let minutes = CronField(name: "minutes", range: 0...59)
    static let hours = CronField(name: "hours", range: 0...23)
    static let dayOfMonth = CronField(name: "day-of-month", range: 1...31)
    static let month = CronField(
        name: "month", range: 1...12, names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"])
    static let dayOfWeek = CronField(name: "day-of-week", range: 1...7, names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])
    static let year = CronField(name: "year", range: 1970...2199)

    /// `*`, `5`, `1-5`, `*/15`, `10/5`, `1-20/3` and lists of these.
    func values(_ text: Substring) throws(ScheduleError) -> CronValues {
        var values = CronValues(range: range)
        for item in text.split(separator: ",", omittingEmptySubsequences: false) { try add(item, to: &values) }
        return values
    }

    func add(_ item: Substring, to values: inout CronValues) throws(ScheduleError) {
        let parts = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var step = 1
        if parts.count == 2 {
            guard let number = Self.number(parts[1]), number >= 1, number <= range.upperBound else {
                throw fault("'\(item.prefix(32))': a step is a number from 1 to \(range.upperBound)")
            }
            step = number
        }
        let span: ClosedRange<Int>
        let ends = parts[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        if parts[0] == "*" {
            span = range
        } else if ends.count == 2 {
            let (first, last) = (try value(ends[0]), try value(ends[1]))
            // 22-2 goes on through midnight, FRI-MON through the weekend; years have no round.
            guard first <= last || name != Self.year.name else { throw fault("'\(item.prefix(32))' ends before it begins") }
            span = first...(first <= last ? last : last + range.count)
        } else {
            let first = try value(parts[0])
            span = first...(parts.count == 2 ? range.upperBound : first)
        }
        for number in stride(from: span.lowerBound, through: span.upperBound, by: step) {
            values.insert(number > range.upperBound ? number - range.count : number)
        }
    }

    /// A number or a name.
    func value(_ text: Substring) throws(ScheduleError) -> Int {
        if let index = names.firstIndex(of: text.uppercased()) { return range.lowerBound + index }
        guard let number = Self.number(text), range.contains(number) else {
            let hint = names.isEmpty ? "" : " or a name from \(names[0]) to \(names[names.count - 1])"
            throw fault("'\(text.prefix(32))' is not a number from \(range.lowerBound) to \(range.upperBound)\(hint)")
        }
        return number
    }

    func fault(_ reason: String) -> ScheduleError { ScheduleError("cron field \(name): \(reason)") }

    /// Digits only: `Int` would take a sign.
    static func number(_ text: Substring) -> Int? {
        guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }
}

/// A set of small numbers.
struct CronValues: Hashable, Sendable {
    private let base: Int
    private var words: [UInt64]

    init(range: ClosedRange<Int>) {
        base = range.lowerBound
        words = [UInt64](repeating: 0, count: range.count / 64 + 1)
    }

    mutating func insert(_ value: Int) { words[(value - base) >> 6] |= 1 << UInt64((value - base) & 63) }

    func contains(_ value: Int) -> Bool {
        let index = value - base
        return index >= 0 && index >> 6 < words.count && words[index >> 6] >> UInt64(index & 63) & 1 == 1
    }

    /// The first value from there on.
    func next(from value: Int) -> Int? {
        var index = max(0, value - base)
        while index >> 6 < words.count {
            let rest = words[index >> 6] >> UInt64(index & 63)
            if rest != 0 { return base + index + rest.trailingZeroBitCount }
            index = (index >> 6 + 1) << 6
        }
        return nil
    }
}

/// A yearly rule in the form of the POSIX variable TZ: `CET-1CEST,M3.5.0,M10.5.0/3`.
///
/// Source: POSIX.1-2024 §8.3, with the wider range of times of RFC 9636 §3.3.1.
struct DaylightRule: Hashable, Sendable {
    private enum Day: Hashable, Sendable {
        /// 1…365; 29 February is not counted.
        case julian(Int)
        /// 0…365
        case ofYear(Int)
        /// Week 5 is the last one; Sunday is 0.
        case weekday(month: Int, week: Int, weekday: Int)
    }

    private struct Change: Hashable, Sendable {
        let day: Day
        /// Seconds after midnight by the clock in force until then.
        let time: Int64

        func local(in year: Int) -> Int64 {
            let newYear = CivilDate(year: year, month: 1, day: 1).daysSince1970
            let days: Int64
            switch day {
            case .julian(let number): days = newYear + Int64(number - 1 + (CivilDate.isLeap(year) && number >= 60 ? 1 : 0))
            case .ofYear(let number): days = newYear + Int64(number)
            case .weekday(let month, let week, let weekday):
                let first = CivilDate(year: year, month: month, day: 1).daysSince1970
                let ahead = (weekday + 1 - CivilDate.weekday(daysSince1970: first) + 7) % 7
                let day = ahead + (week - 1) * 7
                days = first + Int64(day < CivilDate.daysInMonth(month, of: year) ? day : day - 7)
            }
            return days * 86_400 + time
        }
    }

    private let standard: Int64
    private let daylight: Int64
    private let changes: (begin: Change, end: Change)?

    static func == (left: DaylightRule, right: DaylightRule) -> Bool {
        left.standard == right.standard && left.daylight == right.daylight && left.changes?.begin == right.changes?.begin
            && left.changes?.end == right.changes?.end
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(standard)
        hasher.combine(daylight)
    }

    init?(_ text: String) {
        var parser = Parser(text: Array(text.utf8))
        guard parser.name(), let west = parser.time() else { return nil }
        standard = -west
        if parser.isAtEnd {
            daylight = standard
            changes = nil
            return
        }
        guard parser.name() else { return nil }
        if parser.isAt(",") {
            daylight = standard + 3600
        } else {
            guard let west = parser.time() else { return nil }
            daylight = -west
        }
        guard parser.take(","), let begin = parser.change(), parser.take(","), let end = parser.change(), parser.isAtEnd else { return nil }
        changes = (begin, end)
    }

    func offset(at time: Int64) -> Int64 {
        guard let changes else { return standard }
        let year = CivilDate(daysSince1970: (time + standard).flooredQuotient(86_400)).year
        let begin = changes.begin.local(in: year) - standard
        let end = changes.end.local(in: year) - daylight
        // South of the equator daylight saving spans the new year.
        let isDaylight = begin < end ? time >= begin && time < end : time >= begin || time < end
        return isDaylight ? daylight : standard
    }

    private struct Parser {
        let text: [UInt8]
        private var position = 0

        init(text: [UInt8]) { self.text = text }

        var isAtEnd: Bool { position == text.count }
        func isAt(_ character: Unicode.Scalar) -> Bool { position < text.count && text[position] == UInt8(ascii: character) }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard isAt(character) else { return false }
            position += 1
            return true
        }

        /// `CET` or `<+03>`.
        mutating func name() -> Bool {
            let start = position
            if take("<") {
                while position < text.count, text[position] != UInt8(ascii: ">") { position += 1 }
                return take(">")
            }
            while position < text.count, (text[position] | 0x20) >= 0x61, (text[position] | 0x20) <= 0x7A { position += 1 }
            return position - start >= 3
        }

        mutating func number() -> Int? {
            let start = position
            var value = 0
            while position < text.count, position - start < 4, (0x30...0x39).contains(text[position]) {
                value = value * 10 + Int(text[position] - 0x30)
                position += 1
            }
            return position > start ? value : nil
        }

        /// `[+-]hh[:mm[:ss]]` in seconds.
        mutating func time() -> Int64? {
            let isNegative = take("-")
            if !isNegative { _ = take("+") }
            guard let hours = number(), hours <= 167 else { return nil }
            var seconds = hours * 3600
            for unit in [60, 1] where take(":") {
                guard let value = number(), value < 60 else { return nil }
                seconds += value * unit
            }
            return Int64(isNegative ? -seconds : seconds)
        }

        mutating func change() -> Change? {
            guard let day = day() else { return nil }
            guard take("/") else { return Change(day: day, time: 7200) }
            return time().map { Change(day: day, time: $0) }
        }

        private mutating func day() -> Day? {
            if take("M") {
                guard let month = number(), (1...12).contains(month), take("."), let week = number(), (1...5).contains(week), take("."),
                    let weekday = number(), weekday <= 6
                else { return nil }
                return .weekday(month: month, week: week, weekday: weekday)
            }
            if take("J") {
                guard let number = number(), (1...365).contains(number) else { return nil }
                return .julian(number)
            }
            guard let number = number(), number <= 365 else { return nil }
            return .ofYear(number)
        }
    }
}

import Foundation

@testable import Schedules

let database = TimeZoneDatabase()

/// Foundation's own reading of the calendar and the zones is the reference; ours shares no code with it.
func calendar(_ zone: String) -> Calendar {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(identifier: zone) ?? .gmt
    return calendar
}

/// `2026-03-29T02:30` by UTC, in seconds.
func utc(_ text: String) -> Int64 {
    let numbers = text.split { !$0.isNumber }.compactMap { Int($0) }
    let days = CivilDate(year: numbers[0], month: numbers[1], day: numbers[2]).daysSince1970
    let time = numbers.dropFirst(3) + [0, 0, 0]
    return days * 86_400 + Int64(time[3] * 3600 + time[4] * 60 + time[5])
}

func text(_ seconds: Int64) -> String {
    let date = CivilDate(daysSince1970: seconds.flooredQuotient(86_400))
    let rest = seconds - seconds.flooredQuotient(86_400) * 86_400
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(date.year)-\(two(Int64(date.month)))-\(two(Int64(date.day)))T\(two(rest / 3600)):\(two(rest / 60 % 60))"
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
}

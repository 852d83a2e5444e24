/// `2026-11-21T15:00:00Z`
public enum ScheduleTime {
    /// - Parameter seconds: since 1970.
    public static func text(_ seconds: Int64) -> String {
        let days = seconds.flooredQuotient(86_400)
        let date = CivilDate(daysSince1970: days)
        let rest = seconds - days * 86_400
        func digits(_ value: Int64, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        return "\(digits(Int64(date.year), 4))-\(digits(Int64(date.month), 2))-\(digits(Int64(date.day), 2))"
            + "T\(digits(rest / 3600, 2)):\(digits(rest / 60 % 60, 2)):\(digits(rest % 60, 2))Z"
    }
}

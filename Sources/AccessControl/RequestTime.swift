/// Seconds since 1970 and their two text forms, without Foundation.
enum RequestTime {
    /// `20261121T082057Z`
    static func basicText(_ seconds: Int64) -> String {
        let days = floorDivide(seconds, 86_400)
        let rest = seconds - days * 86_400
        let (year, month, day) = civil(days)
        return padded(year, 4) + padded(month, 2) + padded(day, 2) + "T" + padded(Int(rest / 3600), 2) + padded(Int(rest / 60 % 60), 2)
            + padded(Int(rest % 60), 2) + "Z"
    }

    /// Reads `20261121T082057Z` or, as a `Date` header has it, `Sat, 21 Nov 2026 08:20:57 GMT`.
    static func seconds(_ text: some StringProtocol) -> Int64? {
        let bytes = Array(text.utf8)
        if bytes.count == 16 { return basic(bytes) }
        return bytes.count == 29 ? headerDate(bytes) : nil
    }

    private static func basic(_ bytes: [UInt8]) -> Int64? {
        guard bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z"),
            let year = number(bytes[0..<4]), let month = number(bytes[4..<6]), let day = number(bytes[6..<8]),
            let hour = number(bytes[9..<11]), let minute = number(bytes[11..<13]), let second = number(bytes[13..<15])
        else { return nil }
        return seconds(year, month, day, hour, minute, second)
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    private static func headerDate(_ bytes: [UInt8]) -> Int64? {
        guard let day = number(bytes[5..<7]), let month = months.firstIndex(of: String(decoding: bytes[8..<11], as: UTF8.self)),
            let year = number(bytes[12..<16]), let hour = number(bytes[17..<19]), let minute = number(bytes[20..<22]),
            let second = number(bytes[23..<25]), bytes[26...].elementsEqual("GMT".utf8)
        else { return nil }
        return seconds(year, month + 1, day, hour, minute, second)
    }

    private static func seconds(_ year: Int, _ month: Int, _ day: Int, _ hour: Int, _ minute: Int, _ second: Int) -> Int64? {
        guard (1970...9999).contains(year), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        return days(year, month, day) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for byte in bytes {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }

    // The calendar is counted in eras of 400 years that begin on 1 March, so that the leap day comes last.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 719_468)
    }

    private static func civil(_ days: Int64) -> (Int, Int, Int) {
        let shifted = Int(days) + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : (value - divisor + 1) / divisor
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}

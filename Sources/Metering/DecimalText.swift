/// Exact decimal text for integers that count a fraction of a unit.
public enum DecimalText {
    /// `value` × 10^-`scale`, without trailing zeros, without exponent: a valid JSON number.
    public static func exact(_ value: UInt128, scale: Int) -> String {
        let (whole, fraction) = split(value, scale: scale)
        let trimmed = String(fraction.reversed().drop { $0 == "0" }.reversed())
        return trimmed.isEmpty ? whole : "\(whole).\(trimmed)"
    }

    /// `value` × 10^-`scale` with exactly `digits` decimals (0…`scale`), rounded half up; for tables.
    public static func fixed(_ value: UInt128, scale: Int, digits: Int) -> String {
        let kept = min(max(digits, 0), scale)
        let divisor = power(scale - kept)
        let rounded = value / divisor + (value % divisor >= divisor - value % divisor ? 1 : 0)
        let (whole, fraction) = split(divisor == 1 ? value : rounded, scale: kept)
        return kept == 0 ? whole : "\(whole).\(fraction)"
    }

    /// The number in `text` × 10^`scale`; nil unless it is a non-negative decimal number (`0.2`, `12`, `1.66667e-05`) with at
    /// most `scale` decimals and below 2^64 after scaling.
    public static func parse(_ text: some StringProtocol, scale: Int) -> UInt64? {
        var mantissa: UInt64 = 0
        var exponent = scale
        var sawPoint = false
        var sawDigit = false
        var rest = text.utf8[...]
        while let unit = rest.first, unit != UInt8(ascii: "e"), unit != UInt8(ascii: "E") {
            rest = rest.dropFirst()
            if unit == UInt8(ascii: "."), !sawPoint {
                sawPoint = true
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(unit) else { return nil }
            sawDigit = true
            let (product, overflow) = mantissa.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(unit - UInt8(ascii: "0")))
            guard !overflow, !carry else { return nil }
            mantissa = sum
            if sawPoint { exponent -= 1 }
        }
        guard sawDigit else { return nil }
        if !rest.isEmpty {
            guard let written = Int(String(decoding: rest.dropFirst(), as: UTF8.self)), abs(written) <= 64 else { return nil }
            exponent += written
        }
        while exponent < 0 {
            guard mantissa % 10 == 0 else { return nil }
            mantissa /= 10
            exponent += 1
        }
        while exponent > 0 && mantissa != 0 {
            let (product, overflow) = mantissa.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            mantissa = product
            exponent -= 1
        }
        return mantissa
    }

    private static func split(_ value: UInt128, scale: Int) -> (whole: String, fraction: String) {
        guard scale > 0 else { return (String(value), "") }
        let digits = String(value)
        let padded = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
        return (String(padded.dropLast(scale)), String(padded.suffix(scale)))
    }

    private static func power(_ exponent: Int) -> UInt128 {
        (0..<max(exponent, 0)).reduce(UInt128(1)) { value, _ in value * 10 }
    }
}

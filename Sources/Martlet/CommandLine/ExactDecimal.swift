/// A number of 10⁻¹³ units: what reports are written in, summed and shown without a `Double` between.
struct ExactDecimal: Hashable, Sendable {
    private static let scale = 13
    private let units: Int128

    static let zero = ExactDecimal(units: 0)

    private init(units: Int128) { self.units = units }

    /// Digits with at most one point, an optional minus and an optional exponent; digits beyond the thirteenth decimal
    /// are cut off.
    init?(_ text: some StringProtocol) {
        var exponent = 0
        var mantissa = Substring(String(text))
        if let mark = mantissa.firstIndex(where: { $0 == "e" || $0 == "E" }) {
            guard let number = Int(mantissa[mantissa.index(after: mark)...]), abs(number) < 40 else { return nil }
            exponent = number
            mantissa = mantissa[..<mark]
        }
        let isNegative = mantissa.first == "-"
        if isNegative { mantissa = mantissa.dropFirst() }
        let parts = mantissa.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), !parts[0].isEmpty, parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { return nil }
        let fraction = parts.count == 2 ? parts[1] : ""
        var value: Int128 = 0
        for digit in (parts[0] + fraction).utf8 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            value = product + Int128(digit - 0x30)
        }
        var shift = Self.scale - fraction.count + exponent
        while shift > 0 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            value = product
            shift -= 1
        }
        while shift < 0 {
            value /= 10
            shift += 1
        }
        units = isNegative ? -value : value
    }

    static func + (first: ExactDecimal, second: ExactDecimal) -> ExactDecimal { ExactDecimal(units: first.units &+ second.units) }

    var dividedBy1000: ExactDecimal { ExactDecimal(units: units / 1_000) }

    /// The number times 10ⁿ, cut off to a whole one.
    func scaled(by power: Int) -> Int {
        Int(clamping: units / Self.power(Self.scale - power))
    }

    /// Half away from zero, with exactly that many decimals.
    func rounded(_ decimals: Int) -> String {
        let unit = Self.power(Self.scale - decimals)
        let magnitude = (units.magnitude + UInt128(unit) / 2) / UInt128(unit)
        let digits = String(magnitude)
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        let whole = padded.dropLast(decimals)
        return (units < 0 ? "-" : "") + (decimals == 0 ? String(whole) : "\(whole).\(padded.suffix(decimals))")
    }

    /// All decimals, without zeros at the end.
    var text: String { rounded(Self.scale).trimmed(atLeast: 0) }

    private static func power(_ exponent: Int) -> Int128 { (0..<max(0, exponent)).reduce(1) { value, _ in value * 10 } }
}

extension String {
    /// A decimal without its closing zeros, but with that many decimals at least.
    func trimmed(atLeast decimals: Int) -> String {
        guard let point = firstIndex(of: ".") else { return self }
        var end = endIndex
        let shortest = index(point, offsetBy: decimals + 1, limitedBy: endIndex) ?? endIndex
        while end > shortest, self[index(before: end)] == "0" { end = index(before: end) }
        if index(before: end) == point { end = point }
        return String(self[..<end])
    }
}

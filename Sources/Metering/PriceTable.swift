public import FunctionModel

/// What is charged for, in exact integers of 10⁻¹² of the currency unit ("pico").
///
/// A cost is computed from sums in 128 bits and rounded once, half up, to a whole pico.
public struct PriceTable: Hashable, Sendable {
    /// For the total of one price; 10⁶ units per million requests or per GB-second would exceed it.
    public static let maximumPico: UInt64 = 1_000_000_000_000_000_000

    /// Shown beside amounts, as in `USD`.
    public var currency: String
    /// Pico for a million invocations.
    public var picoPerMillionRequests: UInt64
    /// Pico for 1,024 MB over 1 s, of invocations and initializations.
    public var picoPerGigabyteSecond: UInt64

    /// Both prices are at most `maximumPico`; more is taken as that.
    public init(currency: String, picoPerMillionRequests: UInt64, picoPerGigabyteSecond: UInt64) {
        self.currency = currency
        self.picoPerMillionRequests = min(picoPerMillionRequests, Self.maximumPico)
        self.picoPerGigabyteSecond = min(picoPerGigabyteSecond, Self.maximumPico)
    }

    /// Lambda's published prices for x86: 0.20 USD per million requests, 0.0000166667 USD per GB-second.
    public static let lambda = PriceTable(
        currency: "USD", picoPerMillionRequests: 200_000_000_000, picoPerGigabyteSecond: 16_666_700)

    /// Pico for sums over any number of records.
    public func cost(invocations: UInt64, megabyteMilliseconds: UInt64) -> UInt128 {
        // A request is 1/1,000,000 of its price, a MB-ms 1/1,024,000 of a GB-second: both have the denominator 128,000,000.
        let denominator: UInt128 = 128_000_000
        let requests = UInt128(invocations) * UInt128(picoPerMillionRequests)
        let memory = UInt128(megabyteMilliseconds) * UInt128(picoPerGigabyteSecond)
        // Whole parts first: the products alone may fill 124 bits.
        let whole = requests / 1_000_000 + memory / 1_024_000
        let rest = requests % 1_000_000 * 128 + memory % 1_024_000 * 125
        return whole + (rest + denominator / 2) / denominator
    }

    public func cost(of row: UsageRow) -> UInt128 {
        cost(invocations: row.invocations, megabyteMilliseconds: row.megabyteMilliseconds)
    }

    /// Pico for one record. An initialization, or what extensions did after an answer, is charged for its time but is no request.
    public func cost(of record: UsageRecord) -> UInt128 {
        cost(
            invocations: record.trigger.isInvocation ? 1 : 0,
            megabyteMilliseconds: UInt64(record.memorySize) * UInt64(record.billedMilliseconds))
    }
}

extension PriceTable: Codable {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case currency, perMillionRequests, perGigabyteSecond
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// `{"currency":"USD","perMillionRequests":"0.20","perGigabyteSecond":"0.0000166667"}`: decimal numbers with at most 12
    /// decimals, as text or as JSON numbers. What is missing is as in `lambda`; other keys are errors.
    public init(from decoder: any Decoder) throws {
        let known = CodingKeys.allCases.map(\.rawValue)
        for key in try decoder.container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath + [key],
                    debugDescription: "unknown key \(key.stringValue): prices have \(known.joined(separator: ", "))"))
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            currency: try container.decodeIfPresent(String.self, forKey: .currency) ?? Self.lambda.currency,
            picoPerMillionRequests: try Self.price(container, .perMillionRequests) ?? Self.lambda.picoPerMillionRequests,
            picoPerGigabyteSecond: try Self.price(container, .perGigabyteSecond) ?? Self.lambda.picoPerGigabyteSecond)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(currency, forKey: .currency)
        try container.encode(DecimalText.exact(UInt128(picoPerMillionRequests), scale: 12), forKey: .perMillionRequests)
        try container.encode(DecimalText.exact(UInt128(picoPerGigabyteSecond), scale: 12), forKey: .perGigabyteSecond)
    }

    private static func price(_ container: KeyedDecodingContainer<CodingKeys>, _ key: CodingKeys) throws -> UInt64? {
        guard container.contains(key) else { return nil }
        let text: String
        if let written = try? container.decode(String.self, forKey: key) {
            text = written
        } else {
            // The shortest text that names the same number is what was written, for any price of up to 15 digits.
            text = try container.decode(Double.self, forKey: key).description
        }
        guard let pico = DecimalText.parse(text, scale: 12), pico <= maximumPico else {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: container,
                debugDescription: "\(key.rawValue) is \(text): a price is a decimal number from 0 to 1000000 with at most 12 decimals")
        }
        return pico
    }
}

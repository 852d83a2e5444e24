public import FunctionModel

/// Sums over records or rows; prices are applied to these.
public struct UsageTotals: Hashable, Sendable {
    public var invocations: UInt64 = 0
    public var initializations: UInt64 = 0
    public var errors: UInt64 = 0
    public var billedMilliseconds: UInt64 = 0
    public var megabyteMilliseconds: UInt64 = 0
    public var cpuMicroseconds: UInt64 = 0
    public var bytesIn: UInt64 = 0
    public var bytesOut: UInt64 = 0

    public init() {}

    public init(_ row: UsageRow) {
        add(row)
    }

    public mutating func add(_ row: UsageRow) {
        invocations += row.invocations
        initializations += row.initializations
        errors += row.errors
        billedMilliseconds += row.billedMilliseconds
        megabyteMilliseconds += row.megabyteMilliseconds
        cpuMicroseconds += row.cpuMicroseconds
        bytesIn += row.bytesIn
        bytesOut += row.bytesOut
    }

    /// The one place that says how a record counts. `errors` are invocations with any outcome but success; a failed
    /// initialization shows in the invocations that waited for it.
    public mutating func add(_ record: UsageRecord) {
        if record.trigger == .initialization { initializations += 1 }
        if record.trigger.isInvocation {
            invocations += 1
            if record.outcome != .success { errors += 1 }
        }
        billedMilliseconds += UInt64(record.billedMilliseconds)
        megabyteMilliseconds += UInt64(record.memorySize) * UInt64(record.billedMilliseconds)
        cpuMicroseconds += record.cpuMicroseconds
        bytesIn += UInt64(record.bytesIn)
        bytesOut += UInt64(record.bytesOut)
    }
}

/// The JSON of `/martlet/v1/usage` and `martlet usage --json`. Numbers are exact decimals, never rounded through a Double.
public enum UsageReport {
    /// `{"rows":[…],"total":{…},"currency":"USD"}`; the group's field is named after the grouping.
    ///
    /// The total's cost comes from the total's sums, so it may differ from the sum of the rows' costs by half a pico per row.
    public static func json(rows: [UsageRow], grouping: UsageQuery.Grouping, prices: PriceTable) -> String {
        var total = UsageTotals()
        var texts: [String] = []
        for row in rows {
            total.add(row)
            texts.append(self.row(row, grouping: grouping, prices: prices))
        }
        return document(rows: texts, total: total, prices: prices)
    }

    /// One row per record, in the same frame.
    /// - Parameter next: where the next page begins; shown as `"next"` unless nil.
    public static func json(records: [UsageRecord], next: UsageCursor? = nil, prices: PriceTable) -> String {
        var total = UsageTotals()
        for record in records { total.add(record) }
        return document(rows: records.map { self.record($0, prices: prices) }, total: total, next: next, prices: prices)
    }

    public static func row(_ row: UsageRow, grouping: UsageQuery.Grouping, prices: PriceTable) -> String {
        var object = JSONObject()
        switch grouping {
        case .function:
            object.text("function", row.function)
            object.text("tenant", row.account)
        case .version:
            object.text("version", row.version)
            object.text("function", row.function)
            object.text("tenant", row.account)
        case .tenant, .hour, .day:
            object.text(grouping.rawValue, row.group)
        }
        sums(UsageTotals(row), prices: prices, into: &object)
        return object.end()
    }

    /// All fields of one record, with its cost.
    public static func record(_ record: UsageRecord, prices: PriceTable) -> String {
        var object = JSONObject()
        object.text("requestId", record.requestID.description)
        object.number("attempt", record.attempt)
        object.text("account", record.key.account)
        object.text("region", record.key.region)
        object.text("function", record.key.name)
        object.text("version", record.version)
        object.number("revision", record.revision)
        object.text("trigger", "\(record.trigger)")
        object.text("start", UsageTime.iso8601(record.startMilliseconds))
        object.text("startKind", "\(record.startKind)")
        object.text("outcome", "\(record.outcome)")
        object.milliseconds("queueMs", UInt64(record.queueMicroseconds))
        object.milliseconds("sandboxMs", UInt64(record.sandboxMicroseconds))
        object.milliseconds("initMs", UInt64(record.initMicroseconds))
        object.milliseconds("handlerMs", UInt64(record.handlerMicroseconds))
        object.milliseconds("totalMs", UInt64(record.totalMicroseconds))
        object.number("billedMs", record.billedMilliseconds)
        object.number("memorySize", record.memorySize)
        object.number("peakMemoryKiB", record.peakMemoryKiB)
        object.milliseconds("cpuMs", record.cpuMicroseconds)
        object.number("bytesIn", record.bytesIn)
        object.number("bytesOut", record.bytesOut)
        object.number("ageMs", record.ageMilliseconds)
        cost(prices.cost(of: record), into: &object)
        return object.end()
    }

    public static func total(_ total: UsageTotals, prices: PriceTable) -> String {
        var object = JSONObject()
        sums(total, prices: prices, into: &object)
        return object.end()
    }

    /// GB-seconds with all their decimals (at most 13).
    public static func gigabyteSeconds(megabyteMilliseconds: UInt64) -> String {
        // 1 MB-ms is 1/1,024,000 GB-s = 9,765,625 × 10⁻¹³ GB-s.
        DecimalText.exact(UInt128(megabyteMilliseconds) * 9_765_625, scale: 13)
    }

    private static func document(rows: [String], total: UsageTotals, next: UsageCursor? = nil, prices: PriceTable) -> String {
        var object = JSONObject()
        object.raw("rows", "[" + rows.joined(separator: ",") + "]")
        object.raw("total", self.total(total, prices: prices))
        object.text("currency", prices.currency)
        if let next { object.text("next", next.description) }
        return object.end()
    }

    private static func sums(_ sums: UsageTotals, prices: PriceTable, into object: inout JSONObject) {
        object.number("invocations", sums.invocations)
        object.number("initializations", sums.initializations)
        object.number("errors", sums.errors)
        object.number("billedMs", sums.billedMilliseconds)
        object.raw("gbSeconds", gigabyteSeconds(megabyteMilliseconds: sums.megabyteMilliseconds))
        object.milliseconds("cpuMs", sums.cpuMicroseconds)
        object.number("bytesIn", sums.bytesIn)
        object.number("bytesOut", sums.bytesOut)
        cost(prices.cost(invocations: sums.invocations, megabyteMilliseconds: sums.megabyteMilliseconds), into: &object)
    }

    private static func cost(_ pico: UInt128, into object: inout JSONObject) {
        object.raw("cost", DecimalText.exact(pico, scale: 12))
        object.text("costPico", String(pico))
    }
}

extension UsageCursor: CustomStringConvertible {
    /// The form of the `after` parameter.
    public var description: String { "\(startMilliseconds).\(rowID)" }

    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let start = Int64(parts[0]), let row = Int64(parts[1]) else { return nil }
        self.init(startMilliseconds: start, rowID: row)
    }
}

/// Writes one JSON object, members in the order of the calls.
private struct JSONObject {
    private var output = "{"

    mutating func raw(_ name: String, _ value: String) {
        if output.utf8.count > 1 { output += "," }
        output += "\"\(name)\":\(value)"
    }

    mutating func number(_ name: String, _ value: some BinaryInteger) {
        raw(name, String(value))
    }

    mutating func milliseconds(_ name: String, _ microseconds: UInt64) {
        raw(name, DecimalText.exact(UInt128(microseconds), scale: 3))
    }

    mutating func text(_ name: String, _ value: String) {
        var escaped = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": escaped += "\\\""
            case "\\": escaped += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        raw(name, escaped + "\"")
    }

    func end() -> String { output + "}" }
}

/// Writes Prometheus's text format 0.0.4.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
struct ExpositionText {
    private(set) var bytes: [UInt8] = []

    mutating func head(_ name: String, _ help: String, type: String) {
        append("# HELP \(name) ")
        // In help texts only backslash and line feed are escaped.
        escape(help, quotes: false)
        append("\n# TYPE \(name) \(type)\n")
    }

    mutating func sample(_ name: String, _ labels: [String], _ values: [String], _ value: some BinaryInteger) {
        series(name, labels, values)
        append(" \(value)\n")
    }

    mutating func sample(_ name: String, _ value: Observation) {
        append("\(name) ")
        switch value {
        case .whole(let number): append(String(number))
        case .millionths(let number): appendMillionths(number)
        }
        append("\n")
    }

    mutating func histogram(_ name: String, _ labels: [String], _ values: [String], _ histogram: Histogram) {
        var total: UInt64 = 0
        for (index, count) in histogram.counts.enumerated() {
            total += count
            let bound = index < histogram.bounds.count ? Self.millionths(histogram.bounds[index]) : "+Inf"
            series(name + "_bucket", labels + ["le"], values + [bound])
            append(" \(total)\n")
        }
        series(name + "_sum", labels, values)
        append(" ")
        appendMillionths(histogram.sumMicroseconds)
        append("\n")
        // From the buckets, not from a counter of its own: `_count` must equal the `+Inf` bucket of the same report.
        series(name + "_count", labels, values)
        append(" \(total)\n")
    }

    private mutating func series(_ name: String, _ labels: [String], _ values: [String]) {
        append(name)
        guard !labels.isEmpty else { return }
        append("{")
        for (index, label) in labels.enumerated() {
            append(index == 0 ? "\(label)=\"" : ",\(label)=\"")
            escape(values[index], quotes: true)
            append("\"")
        }
        append("}")
    }

    private mutating func escape(_ text: String, quotes: Bool) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\n"): append("\\n")
            case UInt8(ascii: "\"") where quotes: append("\\\"")
            default: bytes.append(byte)
            }
        }
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
    private mutating func appendMillionths(_ value: UInt64) { append(Self.millionths(value)) }

    /// A decimal without rounding: 2500 → `0.0025`.
    static func millionths(_ value: UInt64) -> String {
        let fraction = value % 1_000_000
        guard fraction > 0 else { return String(value / 1_000_000) }
        var digits = String(fraction)
        digits = String(repeating: "0", count: 6 - digits.utf8.count) + digits
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(value / 1_000_000).\(digits)"
    }
}

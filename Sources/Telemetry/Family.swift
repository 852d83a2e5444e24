import Synchronization

/// All series of one metric name: one instrument per set of label values.
///
/// Look a series up once and keep the instrument: the look-up takes a lock. The number of series is bounded. Beyond the
/// bound the first label becomes `other`; all labels but the first must therefore come from a small fixed set.
public final class Family<Instrument: Sendable>: Sendable {
    public let name: String
    public let help: String
    public let labels: [String]
    let maxSeries: Int
    private let make: @Sendable () -> Instrument

    struct Series: Sendable {
        let values: [String]
        let instrument: Instrument
    }
    private struct State {
        var places: [[String]: Int] = [:]
        /// In order of first use, so that a report does not jump about.
        var series: [Series] = []
        /// How many of them are those of `other`, which the bound does not count.
        var overflow = 0
    }
    private let state = Mutex(State())

    static var overflowValue: String { "other" }

    init(name: String, help: String, labels: [String], maxSeries: Int, make: @escaping @Sendable () -> Instrument) {
        precondition(isMetricName(name), "not a metric name: \(name)")
        precondition(labels.allSatisfy(isLabelName) && !labels.contains("le"), "not label names: \(labels)")
        self.name = name
        self.help = help
        self.labels = labels
        self.maxSeries = maxSeries
        self.make = make
        if labels.isEmpty { _ = with() }
    }

    /// The instrument of one set of label values, in the order of `labels`. Missing values are empty, surplus ones are
    /// left out.
    public func with(_ values: String...) -> Instrument {
        var values = Array(values.prefix(labels.count))
        while values.count < labels.count { values.append("") }
        return state.withLock { state in
            if let place = state.places[values] { return state.series[place].instrument }
            if state.series.count - state.overflow >= maxSeries, let first = values.first, first != Self.overflowValue {
                values[0] = Self.overflowValue
                if let place = state.places[values] { return state.series[place].instrument }
            }
            // The labels after the first come from fixed sets, so the overflow series are few; should a caller break
            // that promise, this is where it ends.
            if state.series.count >= 2 * maxSeries, let last = state.series.last { return last.instrument }
            let instrument = make()
            state.places[values] = state.series.count
            if values.first == Self.overflowValue { state.overflow += 1 }
            state.series.append(Series(values: values, instrument: instrument))
            return instrument
        }
    }

    /// Ends the series whose first label has this value (the function was deleted). Kept instruments still work, but
    /// are no longer shown.
    public func remove(_ firstValue: String) { end { $0 == firstValue } }

    /// Ends the series whose first label is none of these: what they measured is gone. `other` stays.
    public func retain(_ firstValues: Set<String>) { end { $0 != Self.overflowValue && !firstValues.contains($0) } }

    private func end(_ isOver: (String) -> Bool) {
        guard !labels.isEmpty else { return }
        state.withLock { state in
            let count = state.series.count
            state.series.removeAll { isOver($0.values[0]) }
            guard state.series.count < count else { return }
            state.places.removeAll(keepingCapacity: true)
            state.overflow = state.series.count { $0.values[0] == Self.overflowValue }
            for (place, series) in state.series.enumerated() { state.places[series.values] = place }
        }
    }

    var series: [Series] { state.withLock(\.series) }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
func isMetricName(_ text: String) -> Bool { isName(text, mayHaveColon: true) }
/// `[a-zA-Z_][a-zA-Z0-9_]*`
func isLabelName(_ text: String) -> Bool { isName(text, mayHaveColon: false) }

private func isName(_ text: String, mayHaveColon: Bool) -> Bool {
    guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9") ~= first) else { return false }
    return text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"):
            true
        case UInt8(ascii: ":"): mayHaveColon
        default: false
        }
    }
}

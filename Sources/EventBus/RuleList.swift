import JSONValues

/// A bus's rules in the order of their names, and which of them an event can match at all.
///
/// Most patterns name the sources they want, or else the detail-types: an event is compared with those that name its own, and
/// with the few that name neither.
struct RuleList: Sendable {
    private(set) var rules: [EventRule] = []
    private var bySource: [String: [Int]] = [:]
    private var byDetailType: [String: [Int]] = [:]
    private var others: [Int] = []

    init() {}

    init(_ rules: [EventRule]) {
        self.rules = rules
        for (place, rule) in rules.enumerated() where rule.stored.isEnabled {
            guard let pattern = rule.stored.pattern.flatMap({ try? JSON(parsing: $0) }) else { continue }
            if let sources = Self.texts(pattern["source"]) {
                for source in sources { bySource[source, default: []].append(place) }
            } else if let types = Self.texts(pattern["detail-type"]) {
                for type in types { byDetailType[type, default: []].append(place) }
            } else {
                others.append(place)
            }
        }
    }

    /// The values of a field that must be one of several texts; nil for any other pattern of a field.
    private static func texts(_ pattern: JSON?) -> Set<String>? {
        guard let values = pattern?.array else { return nil }
        let texts = values.compactMap(\.string)
        return texts.count == values.count ? Set(texts) : nil
    }

    func matching(_ event: BusEvent) -> [EventRule] {
        var places = others
        if let source = event.json["source"]?.string, let found = bySource[source] { places += found }
        if let type = event.json["detail-type"]?.string, let found = byDetailType[type] { places += found }
        return places.filter { rules[$0].matches(event) }.sorted().map { rules[$0] }
    }
}

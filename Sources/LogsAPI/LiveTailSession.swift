import FunctionModel
public import JSONValues

/// One client's look at what is being logged: where its reading stands in each function's log, and what it wants to see of it.
///
/// Source: CloudWatch Logs' API reference, StartLiveTail, LiveTailSessionStart and LiveTailSessionUpdate.
public actor LiveTailSession {
    /// From one update to the next.
    public static let interval = Duration.seconds(1)
    public static let timeLimit = Duration.seconds(3 * 3600)
    /// Events of one update; where there are more, so many of them are drawn.
    static let maximumEvents = 500
    /// Bytes of messages of one update, about.
    static let maximumBytes = 1 << 20

    struct Filter: Sendable {
        var streams: Set<String>?
        var streamPrefixes: [String]?
        var pattern: FilterPattern

        func admits(_ event: LogEvent) -> Bool {
            (streams.map { $0.contains(event.stream) } ?? true) && (streamPrefixes.map { $0.contains { event.stream.hasPrefix($0) } } ?? true)
                && pattern.matches(event.message)
        }
    }

    /// `LiveTailSessionStart`.
    public nonisolated let start: JSON
    private let store: any LogStore
    private let caller: LogsService.Caller
    /// As the client named them, by the groups' names.
    private let groups: [String: String]
    private let filter: Filter
    /// Milliseconds since 1970.
    private let since: Int64
    private let place: LiveTailPlaces.Place
    private var positions: [FunctionKey: LogPosition] = [:]

    init(
        start: JSON, store: any LogStore, caller: LogsService.Caller, groups: [String: String], filter: Filter, since: Int64, place: LiveTailPlaces.Place
    ) {
        self.start = start
        self.store = store
        self.caller = caller
        self.groups = groups
        self.filter = filter
        self.since = since
        self.place = place
    }

    /// `LiveTailSessionUpdate` with what has come since the last.
    /// - Throws: what the store throws; the next update then has what this one would have had.
    public func update() async throws -> JSON {
        let sample = Guarded(LiveTailSample(limit: Self.maximumEvents, bytes: Self.maximumBytes))
        let filter = filter
        var read: [FunctionKey: LogPosition] = [:]
        // Functions come and go meanwhile.
        for owner in await store.owners(account: caller.account, region: caller.region) {
            guard let identifier = groups[owner.group] else { continue }
            let function = owner.function.name
            read[owner.function] = try await store.read(owner, since: since, after: positions[owner.function]) { event in
                if filter.admits(event) { sample.change { $0.add(.init(group: identifier, function: function, event: event)) } }
                return true
            }
        }
        positions = read
        let (events, isSampled) = sample.change { ($0.events, $0.isSampled) }
        return .object([
            .init("sessionMetadata", .object([.init("sampled", .bool(isSampled))])), .init("sessionResults", .array(events.map(\.json))),
        ])
    }
}

/// So many events of however many there are, each as likely as any other.
struct LiveTailSample: Sendable {
    struct Entry: Sendable {
        let group: String
        let function: String
        let event: LogEvent

        var place: LogToken.EventPlace { LogToken.EventPlace(time: event.time, function: function, position: event.position) }

        var json: JSON {
            .object([
                .init("logStreamName", .string(event.stream)), .init("logGroupIdentifier", .string(group)), .init("message", .string(event.message)),
                .init("timestamp", .integer(event.time)), .init("ingestionTime", .integer(event.time)),
            ])
        }
    }

    private let bytes: Int
    private var limit: Int
    private var kept: [Entry] = []
    private var size = 0
    private var seen = 0

    init(limit: Int, bytes: Int) {
        self.limit = limit
        self.bytes = bytes
    }

    var isSampled: Bool { seen > kept.count }
    /// In the order of time.
    var events: [Entry] { kept.sorted { $0.place < $1.place } }

    mutating func add(_ entry: Entry) {
        seen += 1
        if kept.count < limit {
            kept.append(entry)
        } else {
            let index = Int.random(in: 0..<seen)
            guard index < limit else { return }
            size -= kept[index].event.message.utf8.count
            kept[index] = entry
        }
        size += entry.event.message.utf8.count
        // One is shown whatever its size.
        while size > bytes, kept.count > 1 {
            size -= kept.remove(at: Int.random(in: kept.indices)).event.message.utf8.count
            limit = kept.count
        }
    }
}

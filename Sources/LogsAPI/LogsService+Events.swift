import FunctionModel
import JSONValues

extension LogsService {
    /// Bytes of messages of one answer, about: the API's megabyte.
    private static let maximumPageBytes = 1 << 20
    private static let maximumEvents = 10_000
    /// Each event counts with so many bytes beside its message.
    private static let eventOverhead = 26

    private struct Found: Sendable {
        let place: LogToken.EventPlace
        let event: LogEvent
        var bytes: Int { event.message.utf8.count + LogsService.eventOverhead }
    }

    // MARK: FilterLogEvents

    func filterLogEvents(_ members: Members, _ caller: Caller) async throws -> JSON {
        let names = try members.texts("logStreamNames", count: 1...100, 1...512).map(Set.init)
        let prefix = try members.text("logStreamNamePrefix", 1...512)
        if names != nil, prefix != nil { throw LogsError.invalid("Only one of logStreamNames and logStreamNamePrefix may be given.") }
        let (start, end) = (try members.time("startTime"), try members.time("endTime"))
        let pattern = try FilterPattern(try members.text("filterPattern", 0...1024) ?? "")
        let limit = try members.integer("limit", in: 1...Self.maximumEvents) ?? Self.maximumEvents
        let after = try members.text("nextToken").map { try LogToken.event($0).place }
        let group = try await group(members, caller)
        let page = Guarded(EarliestEvents(limit: limit, bytes: Self.maximumPageBytes))
        func read(_ owner: LogOwner, after position: LogPosition?, until last: Int64) async throws -> LogPosition {
            let function = owner.function.name
            return try await store.read(owner, since: max(start ?? 0, after?.time ?? 0), after: position) { event in
                let place = LogToken.EventPlace(time: event.time, function: function, position: event.position)
                guard event.time >= start ?? 0, event.time <= min(end ?? .max, last), after.map({ place > $0 }) ?? true,
                    names.map({ $0.contains(event.stream) }) ?? true, prefix.map({ event.stream.hasPrefix($0) }) ?? true,
                    pattern.matches(event.message)
                else { return true }
                return page.change { $0.add(Found(place: place, event: event)) }
            }
        }
        var ends: [(owner: LogOwner, position: LogPosition)] = []
        for owner in group.owners { ends.append((owner, try await read(owner, after: nil, until: .max))) }
        // Functions log on while others are read. Who follows the group asks next for what came from the newest time of this
        // answer on, so what is older than that has to be in it.
        if ends.count > 1, let newest = page.change({ $0.newest }) {
            for end in ends { _ = try await read(end.owner, after: end.position, until: newest) }
        }
        let (events, isPartial) = page.change { $0.finish() }
        return Self.page(
            "events", events.map(Self.filtered), next: isPartial ? events.last.map { LogToken.text("e", $0.place) } : nil,
            [.init("searchedLogStreams", .array([]))])
    }

    /// The first so many events in order, of functions that are read one after another.
    private struct EarliestEvents: Sendable {
        let limit: Int
        let bytes: Int
        private var found: [Found] = []
        private var hasDropped = false
        /// Of all events, also those that are not among the first.
        private(set) var newest: Int64?

        init(limit: Int, bytes: Int) {
            self.limit = limit
            self.bytes = bytes
        }

        /// - Returns: always true; a later function may have earlier events, and a log's times can step back.
        mutating func add(_ event: Found) -> Bool {
            found.append(event)
            newest = max(newest ?? event.place.time, event.place.time)
            // Cut now and then, so that a long log is never held as a whole.
            if found.count > 2 * limit + 1_000 { cut() }
            return true
        }

        private mutating func cut() {
            found.sort { $0.place < $1.place }
            if found.count > limit {
                found.removeLast(found.count - limit)
                hasDropped = true
            }
        }

        mutating func finish() -> (events: [Found], isPartial: Bool) {
            cut()
            var size = 0
            let fitting = found.prefix { event in
                size += event.bytes
                return size <= bytes
            }
            // One event is shown whatever its size.
            let events = fitting.isEmpty ? Array(found.prefix(1)) : Array(fitting)
            return (events, hasDropped || events.count < found.count)
        }
    }

    /// The event's ID is its place in digits, 56 of them as the service has. Followers take events with one ID for one, so the
    /// function is in it: the files of two may have begun in the same millisecond.
    private static func filtered(_ found: Found) -> JSON {
        func digits(_ number: some BinaryInteger, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let event = found.event
        // FNV-1a: the same after each restart.
        let function = found.place.function.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let id = digits(event.time, 14) + digits(event.position.file, 14) + digits(event.position.offset, 12) + digits(function % 10_000_000_000_000_000, 16)
        return .object([
            .init("logStreamName", .string(event.stream)), .init("timestamp", .integer(event.time)), .init("message", .string(event.message)),
            .init("ingestionTime", .integer(event.time)), .init("eventId", .string(id)),
        ])
    }

    // MARK: GetLogEvents

    func getLogEvents(_ members: Members, _ caller: Caller) async throws -> JSON {
        guard let name = try members.text("logStreamName", 1...512) else { throw Members.fault("logStreamName", "null", "Member must not be null") }
        let (start, end) = (try members.time("startTime"), try members.time("endTime"))
        let limit = try members.integer("limit", in: 1...Self.maximumEvents) ?? Self.maximumEvents
        let fromHead = try members.flag("startFromHead")
        let token = try members.text("nextToken").map { try LogToken.event($0) }
        let group = try await group(members, caller)
        let forward = token.map { $0.kind == "f" } ?? fromHead
        let page = Guarded(StreamPage(limit: limit, bytes: Self.maximumPageBytes, takesLast: !forward))
        let exists = Guarded(false)
        for owner in group.owners {
            let function = owner.function.name
            try await store.read(owner, since: nil, after: nil) { event in
                guard event.stream == name else { return true }
                exists.change { $0 = true }
                let place = LogToken.EventPlace(time: event.time, function: function, position: event.position)
                guard event.time >= start ?? 0, event.time < end ?? .max else { return true }
                if let token {
                    guard token.kind == "f" ? place.position > token.place.position : place.position < token.place.position else { return token.kind == "f" }
                }
                return page.change { $0.add(Found(place: place, event: event)) }
            }
        }
        guard exists.change({ $0 }) else { throw LogsError.noStream }
        let events = page.change { $0.found }
        // At an end the token stays the same, which tells a client that there is nothing more that way.
        let none = token?.place ?? LogToken.EventPlace(time: 0, function: "", position: LogPosition(file: 0, offset: 0))
        return .object([
            .init("events", .array(events.map { found in
                .object([
                    .init("timestamp", .integer(found.event.time)), .init("message", .string(found.event.message)),
                    .init("ingestionTime", .integer(found.event.time)),
                ])
            })),
            .init("nextForwardToken", .string(LogToken.text("f", events.last?.place ?? none))),
            .init("nextBackwardToken", .string(LogToken.text("b", events.first?.place ?? none))),
        ])
    }

    /// The first or the last events of a stream that fit into an answer.
    private struct StreamPage: Sendable {
        let limit: Int
        let bytes: Int
        let takesLast: Bool
        private var taken: [Found] = []
        /// Before it are those that later ones have pushed out.
        private var start = 0
        private var size = 0

        init(limit: Int, bytes: Int, takesLast: Bool) {
            self.limit = limit
            self.bytes = bytes
            self.takesLast = takesLast
        }

        var found: ArraySlice<Found> { taken[start...] }

        /// - Returns: whether another could be taken.
        mutating func add(_ event: Found) -> Bool {
            let isFull = found.count == limit || size + event.bytes > bytes
            if isFull, !takesLast, !found.isEmpty { return false }
            taken.append(event)
            size += event.bytes
            while takesLast, found.count > 1, found.count > limit || size > bytes {
                size -= taken[start].bytes
                start += 1
            }
            if start > 2 * limit {
                taken.removeFirst(start)
                start = 0
            }
            return true
        }
    }
}

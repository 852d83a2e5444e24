import FunctionModel
import JSONValues

extension LogsService {
    private struct Stream: Sendable {
        var first: Int64
        var last: Int64
    }

    func describeLogStreams(_ members: Members, _ caller: Caller) async throws -> JSON {
        let prefix = try members.text("logStreamNamePrefix", 1...512)
        let byTime = try members.choice("orderBy", ["LogStreamName", "LastEventTime"]) == "LastEventTime"
        let descending = try members.flag("descending")
        let limit = try members.integer("limit", in: 1...50) ?? 50
        let token = try members.text("nextToken").map { try LogToken.place($0) }
        if byTime, prefix != nil { throw LogsError.invalid("Cannot order by LastEventTime with a logStreamNamePrefix.") }
        let group = try await group(members, caller)
        let streams = try await streams(of: group.owners)
        // Names are unique, so they settle what times leave open.
        func key(_ name: String, _ stream: Stream) -> (Int64, String) { (byTime ? stream.last : 0, name) }
        let ordered = streams.filter { name, _ in prefix.map { name.hasPrefix($0) } ?? true }
            .sorted { descending ? key($0.key, $0.value) > key($1.key, $1.value) : key($0.key, $0.value) < key($1.key, $1.value) }
            .drop { name, stream in
                guard let token else { return false }
                return descending ? key(name, stream) >= token : key(name, stream) <= token
            }
        let page = ordered.prefix(limit)
        let next = page.count < ordered.count ? page.last.map { LogToken.text(place: key($0.key, $0.value)) } : nil
        return Self.page(
            "logStreams",
            page.map { name, stream in
                .object([
                    .init("logStreamName", .string(name)), .init("creationTime", .integer(stream.first)),
                    .init("firstEventTimestamp", .integer(stream.first)), .init("lastEventTimestamp", .integer(stream.last)),
                    .init("lastIngestionTime", .integer(stream.last)), .init("uploadSequenceToken", .string("0")),
                    .init("arn", .string("\(Self.arn(group: group.name, caller)):log-stream:\(name)")), .init("storedBytes", .integer(0)),
                ])
            }, next: next)
    }

    private func streams(of owners: [LogOwner]) async throws -> [String: Stream] {
        let streams = Guarded<[String: Stream]>([:])
        for owner in owners {
            try await store.read(owner, since: nil, after: nil) { event in
                streams.change {
                    if $0[event.stream] == nil { $0[event.stream] = Stream(first: event.time, last: event.time) } else { $0[event.stream]?.last = event.time }
                }
                return true
            }
        }
        return streams.change { $0 }
    }
}

internal import FunctionLogs
internal import FunctionModel
internal import LogsAPI
internal import Registry

/// The logs of the functions that there are, as CloudWatch Logs' operations see them.
struct FunctionLogStore: LogStore {
    let registry: FunctionRegistry
    let reader: FunctionLogReader

    func owners(account: String, region: String) async -> [LogOwner] {
        await registry.snapshot.functions.values.filter { $0.key.account == account && $0.key.region == region }
            .map { LogOwner(function: $0.key, customGroup: $0.latest.configuration.logging.group, created: $0.created) }
    }

    func read(
        _ owner: LogOwner, since: Int64?, after position: LogPosition?, _ visit: @Sendable (LogEvent) -> Bool
    ) async throws -> LogPosition {
        let shared = owner.customGroup == nil ? nil : owner.function.name
        var names: [LogStreamID: String] = [:]
        var cursor = position.map { LogCursor(file: $0.file, offset: $0.offset) }
        while true {
            let page = try await reader.lines(of: owner.function, since: since, after: cursor, limit: FunctionLogReader.maximumLimit)
            for (line, position) in zip(page.lines, page.positions) {
                let id = line.stream ?? LogStreamID(milliseconds: line.timeMilliseconds, version: FunctionVersion.latest, revision: 0)
                let name = names[id] ?? id.name(function: shared)
                names[id] = name
                // As Lambda's own lines: each ends with a line feed.
                let position = LogPosition(file: position.file, offset: position.offset)
                let event = LogEvent(time: line.timeMilliseconds, stream: name, message: line.text + "\n", position: position)
                guard visit(event) else { return position }
            }
            guard page.isPartial else { return LogPosition(file: page.next.file, offset: page.next.offset) }
            cursor = page.next
        }
    }

    func size(of owner: LogOwner) async throws -> Int { try await reader.size(of: owner.function) }
}

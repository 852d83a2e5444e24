/// Where a listing goes on. Plain text: a token is of no use but to the one who got it, and holds nothing but what it showed.
enum LogToken {
    /// An event's place among those of a group: by time, then by function and position.
    struct EventPlace: Comparable, Sendable {
        let time: Int64
        let function: String
        let position: LogPosition

        static func < (one: EventPlace, other: EventPlace) -> Bool {
            (one.time, one.function, one.position) < (other.time, other.function, other.position)
        }
    }

    private static let unreadable = LogsError.invalid("The specified nextToken is invalid.")

    static func text(name: String) -> String { "n/\(name)" }

    static func name(_ token: String) throws(LogsError) -> String {
        guard token.hasPrefix("n/") else { throw unreadable }
        return String(token.dropFirst(2))
    }

    static func text(place: (time: Int64, name: String)) -> String { "p/\(place.time)/\(place.name)" }

    static func place(_ token: String) throws(LogsError) -> (Int64, String) {
        let parts = token.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "p", let time = Int64(parts[1]) else { throw unreadable }
        return (time, String(parts[2]))
    }

    /// - Parameter kind: `e` for FilterLogEvents, `f` and `b` for the two directions of GetLogEvents.
    static func text(_ kind: String, _ place: EventPlace) -> String {
        "\(kind)/\(place.time)/\(place.position.file)/\(place.position.offset)/\(place.function)"
    }

    static func event(_ token: String) throws(LogsError) -> (kind: String, place: EventPlace) {
        let parts = token.split(separator: "/", maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 5, ["e", "f", "b"].contains(parts[0]), let time = Int64(parts[1]), let file = UInt64(parts[2]), let offset = UInt64(parts[3])
        else { throw unreadable }
        return (String(parts[0]), EventPlace(time: time, function: String(parts[4]), position: LogPosition(file: file, offset: offset)))
    }
}

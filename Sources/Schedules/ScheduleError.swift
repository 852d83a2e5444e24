/// Why something is no schedule; the text is meant for the person who wrote it.
public struct ScheduleError: Error, Equatable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

import DurableQueue
import JSONValues
import Schedules

/// A schedule as it is read back from its queue's record.
struct StoredSchedule {
    static let attribute = "definition"

    let name: ScheduleName
    let record: QueueRecord
    let definition: ScheduleDefinition

    init(_ record: QueueRecord, _ name: ScheduleName, zones: TimeZoneDatabase) throws {
        self.record = record
        self.name = name
        // It was checked when it was taken; by now it may be over, which is no fault of what is stored.
        definition = try ScheduleDefinition(
            JSON(parsing: record.attributes[Self.attribute] ?? ""), name: name, zones: zones, created: record.created / 1000)
    }

    var json: JSON {
        var members: [JSON.Member] = [
            .init("Arn", .string(name.arn)), .init("Name", .string(name.name)), .init("GroupName", .string(name.group)),
            .init("CreationDate", Self.date(record.created)), .init("LastModificationDate", Self.date(record.modified)),
        ]
        members += definition.json.members
        for (name, usual) in [("State", "ENABLED"), ("ScheduleExpressionTimezone", "UTC"), ("ActionAfterCompletion", "NONE")]
        where definition.json[name] == nil {
            members.append(.init(name, .string(usual)))
        }
        return .object(members)
    }

    var summary: JSON {
        .object([
            .init("Arn", .string(name.arn)), .init("Name", .string(name.name)), .init("GroupName", .string(name.group)),
            .init("State", .string(definition.isEnabled ? "ENABLED" : "DISABLED")), .init("CreationDate", Self.date(record.created)),
            .init("LastModificationDate", Self.date(record.modified)), .init("Target", .object([.init("Arn", .string(definition.target.arn))])),
        ])
    }

    /// Seconds with a fraction, as REST JSON writes timestamps.
    static func date(_ milliseconds: Int64) -> JSON {
        let fraction = String(milliseconds % 1000 + 1000).dropFirst()
        return .number("\(milliseconds / 1000).\(fraction)")
    }
}

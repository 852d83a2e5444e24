import JSONValues
import Schedules

/// What a client said of a schedule, checked; kept as the JSON that `GetSchedule` gives back.
struct ScheduleDefinition: Sendable {
    /// Members that are kept as they came.
    private static let kept = [
        "ScheduleExpression", "StartDate", "EndDate", "Description", "ScheduleExpressionTimezone", "State", "Target", "FlexibleTimeWindow",
        "ActionAfterCompletion", catchUpMember,
    ]
    /// Martlet's own: what becomes of due times that passed while the server was down.
    static let catchUpMember = "MartletCatchUp"
    private static let maximumInput = 262_144

    let json: JSON
    let schedule: Schedule
    let isEnabled: Bool
    let catchUp: CatchUp
    let deletesItself: Bool
    let target: ScheduleTarget

    /// - Parameter created: of the schedule, seconds since 1970.
    init(_ body: JSON, name: ScheduleName, zones: TimeZoneDatabase, created: Int64) throws(SchedulerError) {
        json = .object(Self.kept.compactMap { name in body[name].flatMap { $0 == .null ? nil : JSON.Member(name, $0) } })
        let fields = Fields(json)
        let zone = try fields.text("ScheduleExpressionTimezone") ?? "UTC"
        let window = try Self.window(json["FlexibleTimeWindow"])
        guard let expression = try fields.text("ScheduleExpression") else { throw .invalid("ScheduleExpression is missing") }
        let (start, end) = (try Self.seconds(fields, "StartDate"), try Self.seconds(fields, "EndDate"))
        do throws(ScheduleError) {
            schedule = try Schedule(
                ScheduleExpression(expression), zone: zones.rules(named: zone), created: created,
                start: start, end: end, windowMinutes: window, salt: Self.salt(name.arn))
        } catch {
            throw .invalid(error.description)
        }
        if let description = try fields.text("Description"), description.utf8.count > 512 { throw .invalid("Description has more than 512 bytes") }
        isEnabled = try fields.choice("State", ["ENABLED", "DISABLED"]) != "DISABLED"
        deletesItself = try fields.choice("ActionAfterCompletion", ["NONE", "DELETE"]) == "DELETE"
        catchUp = try fields.choice(Self.catchUpMember, CatchUp.allCases.map(\.rawValue)).flatMap(CatchUp.init) ?? .last
        guard let wanted = json["Target"] else { throw .invalid("Target is missing") }
        target = try ScheduleTarget(wanted, maximumInput: Self.maximumInput)
    }

    /// Clients send seconds since 1970, some with a fraction.
    private static func seconds(_ fields: Fields, _ name: String) throws(SchedulerError) -> Int64? {
        switch fields.json[name] {
        case nil, .null?: return nil
        case .number(let text)?:
            if let value = Double(text), abs(value) < 1e11 { return Int64(value.rounded(.down)) }
        default: break
        }
        throw .invalid("\(name) must be a time as seconds since 1970")
    }

    private static func window(_ json: JSON?) throws(SchedulerError) -> Int {
        let fields = Fields(json ?? .object([]))
        guard let mode = try fields.choice("Mode", ["OFF", "FLEXIBLE"]) else { throw .invalid("FlexibleTimeWindow needs Mode, OFF or FLEXIBLE") }
        let minutes = fields.json["MaximumWindowInMinutes"]?.integer
        if mode == "OFF" {
            guard minutes == nil else { throw .invalid("MaximumWindowInMinutes is for the mode FLEXIBLE only") }
            return 0
        }
        guard let minutes, (1...1440).contains(minutes) else { throw .invalid("MaximumWindowInMinutes must be a whole number from 1 to 1440") }
        return minutes
    }

    /// FNV-1a: the same places in windows after each restart, others for each schedule.
    private static func salt(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

/// Where a run goes.
struct ScheduleTarget: Sendable {
    let arn: String
    /// As the client gave it, with `<aws.scheduler…>` in it; nil for the usual event.
    let input: String?
    let groupID: String?
    let deadLetters: String?
    let maximumRetries: Int?
    /// Seconds.
    let maximumAge: Int?

    init(_ json: JSON, maximumInput: Int) throws(SchedulerError) {
        let fields = Fields(json)
        guard let arn = try fields.text("Arn"), !arn.isEmpty else { throw .invalid("Target needs an Arn") }
        guard try fields.text("RoleArn") != nil else { throw .invalid("Target needs a RoleArn (any: rights are by account here)") }
        self.arn = arn
        input = try fields.text("Input")
        guard input?.utf8.count ?? 0 <= maximumInput else { throw .invalid("Input has more than \(maximumInput) bytes") }
        groupID = try json["SqsParameters"].map { parameters throws(SchedulerError) in try Fields(parameters).text("MessageGroupId") } ?? nil
        deadLetters = try json["DeadLetterConfig"].map { config throws(SchedulerError) in try Fields(config).text("Arn") } ?? nil
        maximumRetries = try Self.number(json["RetryPolicy"], "MaximumRetryAttempts", in: 0...185)
        maximumAge = try Self.number(json["RetryPolicy"], "MaximumEventAgeInSeconds", in: 60...86_400)
    }

    private static func number(_ json: JSON?, _ name: String, in range: ClosedRange<Int>) throws(SchedulerError) -> Int? {
        guard let value = json?[name], value != .null else { return nil }
        guard let number = value.integer, range.contains(number) else {
            throw .invalid("\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// Source: Scheduler user guide, "Using context attributes".
    /// - Parameter attempt: its number, or what stands for it until it is known.
    func body(name: ScheduleName, due: Int64, execution: String, attempt: String) -> String {
        let time = ScheduleTime.text(due)
        guard let input else {
            return JSON.object([
                .init("version", .string("0")), .init("id", .string(execution)), .init("detail-type", .string("Scheduled Event")),
                .init("source", .string("aws.scheduler")), .init("account", .string(name.account)), .init("time", .string(time)),
                .init("region", .string(name.region)), .init("resources", .array([.string(name.arn)])), .init("detail", .string("{}")),
            ]).text()
        }
        guard input.contains("<aws.scheduler.") else { return input }
        return input.replacing("<aws.scheduler.schedule-arn>", with: name.arn).replacing("<aws.scheduler.scheduled-time>", with: time)
            .replacing("<aws.scheduler.execution-id>", with: execution).replacing(ScheduleTerms.attemptPlaceholder, with: attempt)
    }
}

/// Members of a JSON object, read by name.
struct Fields {
    let json: JSON

    init(_ json: JSON) { self.json = json }

    func text(_ name: String) throws(SchedulerError) -> String? {
        switch json[name] {
        case nil, .null?: return nil
        case .string(let text)?: return text
        default: throw .invalid("\(name) must be a string")
        }
    }

    func choice(_ name: String, _ values: [String]) throws(SchedulerError) -> String? {
        guard let text = try text(name) else { return nil }
        guard values.contains(text) else { throw .invalid("\(name) must be one of \(values.joined(separator: ", ")), not '\(text.prefix(64))'") }
        return text
    }
}

import DurableQueue
import FunctionModel
import JSONValues
import Schedules

/// What is to be written for one schedule that is due: the runs, their history and the schedule's next state, all or nothing.
struct ScheduleStep: Sendable {
    /// Due times in one transaction.
    static let maximumRuns = 20
    private static let retryDelay: Int64 = 5_000

    let name: ScheduleName
    let settlement: Settlement
    /// Nothing is due any more and the schedule is to be deleted.
    let isOver: Bool
    let runs: [ScheduleRun]
    /// For the operator.
    var problem: String?

    /// - Parameters:
    ///   - destination: of the target; a failure for a target that is not there.
    ///   - now: milliseconds since 1970.
    init(
        _ claimed: ClaimedMessage, _ name: ScheduleName, _ definition: ScheduleDefinition, destination: Result<ScheduleDestination, ServiceError>,
        now: Int64
    ) throws {
        self.name = name
        var tick = try ScheduleTick(claimed.message.body)
        // A disabled schedule has a message for its history's sake; it is looked at once a year.
        let step =
            definition.isEnabled
            ? tick.state.advance(definition.schedule, catchUp: definition.catchUp, now: now, limit: Self.maximumRuns) : ScheduleState.Step()
        var deliveries: [Settlement.Delivery] = []
        var runs: [ScheduleRun] = []
        for due in step.due {
            let lateness = max(0, now - definition.schedule.moment(of: due))
            switch destination {
            case .success(let destination):
                let delivery = Self.delivery(of: due, definition, name, to: destination)
                deliveries.append(delivery)
                runs.append(ScheduleRun(due: due, fired: now, lateness: lateness, id: delivery.message.id))
            case .failure(let error):
                problem = error.message
                if let letter = Self.deadLetter(due, definition, name, error.message) { deliveries.append(letter) }
                runs.append(ScheduleRun(due: due, fired: now, lateness: lateness, id: nil, error: error.message))
            }
        }
        tick.remember(runs, now: now)
        self.runs = runs
        isOver = step.wake == nil && definition.isEnabled && definition.deletesItself
        if !isOver { deliveries.append(Settlement.Delivery(to: name.queue, try tick.message(wake: step.wake, now: now))) }
        settlement = Settlement(claimed.receipt, .acknowledge, deliveries: deliveries)
    }

    /// It is looked at again a little later.
    init(postponing receipt: Receipt, _ name: ScheduleName, reason: String) {
        self.name = name
        isOver = false
        runs = []
        problem = reason
        let failure = Settlement.Failure(kind: "Postponed", reason: reason, isCounted: true)
        settlement = Settlement(receipt, .release(delay: Self.retryDelay, failure))
    }

    private static func delivery(
        of due: Int64, _ definition: ScheduleDefinition, _ name: ScheduleName, to destination: ScheduleDestination
    ) -> Settlement.Delivery {
        let id = RequestID.random()
        let isFIFO = destination.queue.name.hasSuffix(".fifo")
        let terms = ScheduleTerms(definition.target, name, due: ScheduleTime.text(due), execution: id.description)
        // Who attempts a run counts the attempts; a message that is only carried is sent once.
        let attempt = destination.attributes == nil ? "1" : ScheduleTerms.attemptPlaceholder
        let body = definition.target.body(name: name, due: due, execution: id.description, attempt: attempt)
        return Settlement.Delivery(
            to: destination.queue,
            NewMessage(
                id: id, body: Array(body.utf8), attributes: destination.attributes?(terms) ?? [],
                group: isFIFO ? definition.target.groupID ?? name.name : definition.target.groupID,
                deduplicationKey: isFIFO ? "\(name.group)/\(name.name)@\(due)" : nil, origin: "schedule"))
    }

    private static func deadLetter(_ due: Int64, _ definition: ScheduleDefinition, _ name: ScheduleName, _ reason: String) -> Settlement.Delivery? {
        guard let key = definition.target.deadLetters.flatMap(QueueKey.init(arn:)), key.account == name.account else { return nil }
        let id = RequestID.random()
        var texts = ScheduleTerms(definition.target, name, due: ScheduleTime.text(due), execution: id.description).letter
        texts["ERROR_CODE"] = "ResourceNotFoundException"
        texts["ERROR_MESSAGE"] = reason
        texts["RETRY_ATTEMPTS"] = "0"
        let attributes = JSON.object(texts.sorted { $0.key < $1.key }.map { name, text in
            .init(name, .object([.init("DataType", .string("String")), .init("StringValue", .string(text))]))
        })
        let body = definition.target.body(name: name, due: due, execution: id.description, attempt: "1")
        return Settlement.Delivery(to: key, NewMessage(id: id, body: Array(body.utf8), attributes: Array(attributes.text().utf8), origin: "schedule"))
    }
}

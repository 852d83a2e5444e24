public import DurableQueue
import FunctionModel
public import JSONValues

/// Where a rule sends its events, and in which form.
public struct RuleTarget: Sendable {
    enum Destination: Sendable {
        case function(FunctionKey, qualifier: String?)
        case queue(QueueKey)
        case eventBus(EventBusKey)
        case endpoint(EndpointKey)

        /// Nil for anything that is not of the bus's account and region, or that events are not sent to.
        init?(arn: String, bus: EventBusKey) {
            if let key = EndpointKey(arn: arn) {
                guard key.kind == .destination, key.account == bus.account, key.region == bus.region else { return nil }
                self = .endpoint(key)
                return
            }
            guard let destination = EventDestination(arn: arn), destination.account == bus.account, destination.region == bus.region else {
                return nil
            }
            switch destination {
            case .function(let key, let qualifier): self = .function(key, qualifier: qualifier)
            case .queue(let account, let region, let name): self = .queue(QueueKey(account: account, region: region, name: name))
            case .eventBus(let account, let region, let name): self = .eventBus(EventBusKey(account: account, region: region, name: name))
            }
        }
    }

    enum Input: Sendable {
        case event
        case constant(String)
        case path(InputPath)
        case template(InputTransformer)
    }

    private static let known: Set<String> = [
        "Id", "Arn", "RoleArn", "Input", "InputPath", "InputTransformer", "SqsParameters", "HttpParameters", "RetryPolicy", "DeadLetterConfig",
    ]
    static let maximumInput = 8_192

    public let id: String
    public let arn: String
    /// As the client gave it, without members that are null.
    public let json: JSON
    let destination: Destination
    let input: Input
    let groupID: String?
    let http: HTTPParameters
    public let deadLetters: QueueKey?
    /// Attempts after the first, 0…185.
    let maximumRetries: Int
    /// Milliseconds from the event's acceptance.
    let maximumAge: Int64

    init(_ json: JSON, bus: EventBusKey) throws(EventBusError) {
        guard case .object(let members) = json else { throw EventBusError(.serialization, "each of Targets must be an object") }
        self.json = .object(members.filter { $0.value != .null })
        let fields = Members(json)
        let id = try fields.name("Id", maximum: 64)
        self.id = id
        arn = try fields.required("Arn", maximum: 1600)
        if let other = self.json.members.first(where: { !Self.known.contains($0.name) }) {
            throw .invalid("\(other.name.prefix(64)) of target \(id) is not supported by Martlet: targets are functions, queues, event buses and API destinations.")
        }
        guard let destination = Destination(arn: arn, bus: bus) else {
            throw .invalid(
                "Parameter \(arn.prefix(200)) is not valid. Reason: target \(id) must be the ARN of a function, a queue, an event bus or an API destination of account \(bus.account) in \(bus.region)."
            )
        }
        self.destination = destination
        _ = try fields.text("RoleArn", maximum: 1600)
        input = try Self.input(fields, id, destination)
        let parameters = try fields.object("SqsParameters")
        groupID = try parameters.map { parameters throws(EventBusError) in try Members(parameters).text("MessageGroupId", maximum: 100) } ?? nil
        try Self.check(destination, hasParameters: parameters != nil, groupID: groupID, id: id)
        http = try Self.http(fields, destination, id)
        let letters = try fields.object("DeadLetterConfig").map { config throws(EventBusError) in try Members(config).text("Arn", maximum: 1600) } ?? nil
        deadLetters = try letters.map { arn throws(EventBusError) in
            guard let key = QueueKey(arn: arn), key.account == bus.account, key.region == bus.region, !key.name.contains(":"), !key.name.hasSuffix(".fifo")
            else {
                throw .invalid("DeadLetterConfig of target \(id) is not valid: its Arn must be that of a standard queue of the same account and region.")
            }
            return key
        }
        let retries = Members(try fields.object("RetryPolicy") ?? .object([]))
        maximumRetries = try retries.integer("MaximumRetryAttempts", in: 0...185) ?? 185
        maximumAge = Int64(try retries.integer("MaximumEventAgeInSeconds", in: 60...86_400) ?? 86_400) * 1000
    }

    private static func check(_ destination: Destination, hasParameters: Bool, groupID: String?, id: String) throws(EventBusError) {
        switch destination {
        case .queue(let queue):
            if queue.name.hasSuffix(".fifo"), groupID == nil {
                throw .invalid("Parameter(s) SqsParameters must be specified for target: \(id): a FIFO queue needs a MessageGroupId.")
            }
        case .function, .eventBus, .endpoint:
            if hasParameters { throw .invalid("SqsParameters of target \(id) is for queues only.") }
        }
    }

    private static func http(_ fields: Members, _ destination: Destination, _ id: String) throws(EventBusError) -> HTTPParameters {
        guard let parameters = try fields.object("HttpParameters") else { return .none }
        guard case .endpoint = destination else { throw .invalid("HttpParameters of target \(id) is for API destinations only.") }
        return try HTTPParameters(parameters, target: id)
    }

    private static func input(_ fields: Members, _ id: String, _ destination: Destination) throws(EventBusError) -> Input {
        let constant = try fields.text("Input", maximum: maximumInput)
        let path = try fields.text("InputPath", maximum: InputPath.maximumBytes)
        let transformer = try fields.object("InputTransformer")
        guard [constant != nil, path != nil, transformer != nil].filter({ $0 }).count <= 1 else {
            throw .invalid("Only one of Input, InputPath, or InputTransformer must be provided for target \(id).")
        }
        if case .eventBus = destination, constant != nil || path != nil || transformer != nil {
            throw .invalid("Input, InputPath and InputTransformer are not supported for target \(id): an event bus gets the event as it is.")
        }
        do throws(InputFault) {
            if let constant {
                guard (try? JSON(parsing: constant)) != nil else { throw InputFault(reason: "Input is not JSON") }
                return .constant(constant)
            }
            if let path { return .path(try InputPath(path)) }
            if let transformer {
                guard let template = transformer["InputTemplate"]?.string else { throw InputFault(reason: "InputTransformer needs an InputTemplate") }
                let made = try InputTransformer(paths: transformer["InputPathsMap"]?.members ?? [], template: template)
                if case .queue = destination { return .template(made) }
                guard made.form == .json else { throw InputFault(reason: "InputTemplate is not JSON, which all but queues need") }
                return .template(made)
            }
            return .event
        } catch {
            throw .invalid("The input of target \(id) is not valid: \(error.reason).")
        }
    }

    /// What the target gets: JSON, but for a queue whose template is none.
    func payload(of event: BusEvent, rule: RuleKey) -> [UInt8] {
        switch input {
        case .event: Array(event.json.text().utf8)
        case .constant(let text): Array(text.utf8)
        case .path(let path): Array((path.value(in: event.json) ?? .null).text().utf8)
        case .template(let transformer): Array(transformer.text(of: event, rule: rule).utf8)
        }
    }
}

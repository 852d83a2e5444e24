import FunctionModel
import JSONValues

/// Why one entry of `PutEvents` is refused, while the others go on.
struct EntryFault: Error, Hashable {
    let code: String
    let message: String

    static func argument(_ name: String, _ reason: String) -> EntryFault {
        EntryFault(code: "InvalidArgument", message: "Parameter \(name) is not valid. Reason: \(reason).")
    }

    init(code: String, message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: EventBusError) {
        let isOurs = error.kind == .internalFailure || error.kind == .serviceUnavailable
        self.init(code: isOurs ? "InternalFailure" : error.kind.rawValue, message: error.message)
    }
}

/// One entry of `PutEvents`, as its sender wrote it.
struct EventEntry {
    static let maximumText = 1_024
    static let maximumResource = 2_048
    /// An event's time is no more than a year away from any clock that works; beyond the year 9999 it has no text form.
    private static let times: ClosedRange<Double> = 0...253_402_300_799

    private let json: JSON

    init(_ json: JSON) { self.json = json }

    /// Bytes as EventBridge counts them.
    ///
    /// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
    var size: Int {
        let texts = ["Source", "DetailType", "Detail"].reduce(0) { $0 + (json[$1]?.string?.utf8.count ?? 0) }
        let resources = (json["Resources"]?.array ?? []).reduce(0) { $0 + ($1.string?.utf8.count ?? 0) }
        return texts + resources + (json["Time"].map { $0 == .null ? 0 : 14 } ?? 0)
    }

    /// The bus's name or ARN; nil for the default one.
    func busName() throws(EntryFault) -> String? { try text("EventBusName", required: false, maximum: 1_600) }

    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - trace: of an entry that names none.
    func event(id: RequestID, on bus: EventBusKey, now: Int64, trace: String? = nil) throws(EntryFault) -> BusEvent {
        guard case .object = json else { throw .argument("Entries", "an entry must be an object") }
        let source = try text("Source", required: true, maximum: Self.maximumText) ?? ""
        let detailType = try text("DetailType", required: true, maximum: Self.maximumText) ?? ""
        let detail = try text("Detail", required: true, maximum: BusEvent.maximumBytes) ?? ""
        guard !source.lowercased().hasPrefix("aws.") else {
            throw EntryFault(code: "NotAuthorizedForSourceException", message: "Not authorized for the source.")
        }
        guard let parsed = try? JSON(parsing: detail, maximumDepth: BusEvent.maximumDepth), case .object = parsed else {
            throw EntryFault(code: "MalformedDetail", message: "Detail is malformed.")
        }
        let trace = try text("TraceHeader", required: false, maximum: 500) ?? trace
        return BusEvent(
            id: id.description, detailType: detailType, source: source, bus: bus, time: try time() ?? now / 1000, resources: try resources(),
            detail: parsed,
            ingested: now, trace: trace)
    }

    private func text(_ name: String, required: Bool, maximum: Int) throws(EntryFault) -> String? {
        switch json[name] {
        case nil, .null?, .string("")?:
            if required { throw .argument(name, "\(name) is a required argument") }
            return nil
        case .string(let text)?:
            guard text.utf8.count <= maximum else { throw .argument(name, "it has more than \(maximum) bytes") }
            return text
        default: throw .argument(name, "it must be a string")
        }
    }

    private func time() throws(EntryFault) -> Int64? {
        guard let value = json["Time"], value != .null else { return nil }
        guard case .number(let text) = value, let seconds = Double(text), Self.times.contains(seconds) else {
            throw .argument("Time", "it must be seconds since 1970")
        }
        return Int64(seconds)
    }

    private func resources() throws(EntryFault) -> [String] {
        guard let value = json["Resources"], value != .null else { return [] }
        guard case .array(let values) = value else { throw .argument("Resources", "it must be a list") }
        var resources: [String] = []
        for value in values {
            guard let text = value.string, text.utf8.count <= Self.maximumResource else {
                throw .argument("Resources", "each must be a string of at most \(Self.maximumResource) bytes")
            }
            resources.append(text)
        }
        return resources
    }
}

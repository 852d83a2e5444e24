internal import JSONValues

/// The records that the platform makes of an environment's life: `{"time": …, "type": …, "record": …}` on one line.
///
/// Source: Lambda Developer Guide, "Lambda Telemetry API Event schema reference".
public enum TelemetryRecord {
    public struct Initialization: Sendable {
        /// `on-demand`, `provisioned-concurrency`
        public let type: String
        public let functionName: String
        public let functionVersion: String
        /// Bytes.
        public let maximumMemory: Int

        public init(type: String, functionName: String, functionVersion: String, maximumMemory: Int) {
            self.type = type
            self.functionName = functionName
            self.functionVersion = functionVersion
            self.maximumMemory = maximumMemory
        }
    }

    public static func initStart(_ initialization: Initialization, time: String) -> String {
        event("platform.initStart", time, .object([
            .init("initializationType", .string(initialization.type)), .init("phase", .string("init")),
            .init("functionName", .string(initialization.functionName)), .init("functionVersion", .string(initialization.functionVersion)),
            .init("instanceMaxMemory", .integer(initialization.maximumMemory)),
        ]))
    }

    /// Of an init that succeeded: one that fails ends its subscribers with it.
    public static func initRuntimeDone(_ initialization: Initialization, time: String) -> String {
        event("platform.initRuntimeDone", time, .object(succeeded(initialization)))
    }

    public static func initReport(_ initialization: Initialization, milliseconds: Double, time: String) -> String {
        let metrics = JSON.object([.init("durationMs", .number(digits(milliseconds)))])
        return event("platform.initReport", time, .object(succeeded(initialization) + [.init("metrics", metrics)]))
    }

    private static func succeeded(_ initialization: Initialization) -> [JSON.Member] {
        [.init("initializationType", .string(initialization.type)), .init("phase", .string("init")), .init("status", .string("success"))]
    }

    public static func state(of one: ExtensionRegistry.Extension, time: String) -> String {
        var members: [JSON.Member] = [
            .init("name", .string(one.name)), .init("state", .string(one.state.rawValue)),
            .init("events", .array(one.events.map { .string($0.rawValue) })),
        ]
        if let errorType = one.errorType { members.append(.init("errorType", .string(errorType))) }
        return event("platform.extension", time, .object(members))
    }

    public static func subscribed(name: String, types: [TelemetrySubscription.Category], time: String) -> String {
        event("platform.telemetrySubscription", time, .object([
            .init("name", .string(name)), .init("state", .string("Subscribed")), .init("types", .array(types.map { .string($0.rawValue) })),
        ]))
    }

    public static func dropped(_ dropped: TelemetryBuffer.Dropped, time: String) -> String {
        event("platform.logsDropped", time, .object([
            .init("droppedBytes", .integer(dropped.bytes)), .init("droppedRecords", .integer(dropped.records)),
            .init("reason", .string("Consumer seems to have fallen behind as it has not acknowledged receipt of logs.")),
        ]))
    }

    /// A line of output; an object where the function's log has the JSON format and the line is one.
    /// - Parameter line: without its end.
    public static func line(_ line: some Collection<UInt8>, _ category: TelemetrySubscription.Category, isJSON: Bool, time: String) -> String {
        if isJSON, line.first == UInt8(ascii: "{"), let object = try? JSON(parsing: Array(line)), case .object = object {
            return event(category.rawValue, time, object)
        }
        return event(category.rawValue, time, .string(String(decoding: line, as: UTF8.self)))
    }

    private static func event(_ type: String, _ time: String, _ record: JSON) -> String {
        JSON.object([.init("time", .string(time)), .init("type", .string(type)), .init("record", record)]).text()
    }

    /// With three decimals.
    private static func digits(_ milliseconds: Double) -> String {
        let thousandths = Int((milliseconds * 1_000).rounded())
        let fraction = String(thousandths % 1_000)
        return "\(thousandths / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)"
    }
}

internal import JSONValues

/// What an extension asks to be sent, and how.
///
/// Source: Lambda Developer Guide, "Lambda Telemetry API reference" (ranges and defaults also in "Configuring memory usage and
/// buffering").
public struct TelemetrySubscription: Hashable, Sendable {
    public enum Category: String, Sendable, CaseIterable {
        /// What the platform does.
        case platform
        /// Lines of the runtime's output.
        case function
        /// Lines of extensions' output.
        case `extension`
    }

    /// Always within the environment's own network.
    public enum Destination: Hashable, Sendable {
        /// One POST for each batch, its body an array.
        case http(port: Int, path: String)
        /// A line for each record; nobody acknowledges them.
        case tcp(port: Int)

        public var port: Int {
            switch self {
            case .http(let port, _), .tcp(let port): port
            }
        }
    }

    public static let schemaVersions = ["2022-07-01", "2022-12-13", "2025-01-29"]
    /// `sandbox` alone is accepted as well.
    public static let host = "sandbox.localdomain"
    /// The Runtime API's own port.
    public static let reservedPort = 9001
    private static let itemRange = 1_000...10_000
    private static let byteRange = 262_144...1_048_576
    private static let timeoutRange = 25...30_000

    /// In the order of `Category`.
    public let types: [Category]
    public let destination: Destination
    /// A batch is sent when it has so many records, 1,000 to 10,000,
    public let maximumItems: Int
    /// or so many bytes, 262,144 to 1,048,576,
    public let maximumBytes: Int
    /// or its first record is so old, 25 to 30,000 milliseconds.
    public let timeoutMilliseconds: Int

    public init(types: [Category], destination: Destination, maximumItems: Int = 10_000, maximumBytes: Int = 262_144, timeoutMilliseconds: Int = 1_000) {
        self.types = types
        self.destination = destination
        self.maximumItems = maximumItems
        self.maximumBytes = maximumBytes
        self.timeoutMilliseconds = timeoutMilliseconds
    }

    /// - Throws: `ValidationError` with everything that is wrong.
    public init(parsing body: some Sequence<UInt8>) throws(ExtensionFault) {
        let request: JSON
        do throws(JSONFault) { request = try JSON(parsing: body, maximumDepth: 8) } catch { throw .validation(["the request is no JSON: \(error)"]) }
        guard case .object = request else { throw .validation(["the request is no JSON object"]) }
        var faults: [String] = []
        if request["schemaVersion"]?.string.map(Self.schemaVersions.contains) != true {
            faults.append("schemaVersion must be one of \(Self.schemaVersions.joined(separator: ", "))")
        }
        let types = Self.types(request["types"], &faults)
        let destination = Self.destination(request["destination"], &faults)
        let buffering = request["buffering"] ?? .null
        if buffering != .null, case .object = buffering {} else if buffering != .null { faults.append("buffering must be an object") }
        func number(_ name: String, _ range: ClosedRange<Int>, _ usual: Int) -> Int {
            guard let value = buffering[name], value != .null else { return usual }
            guard let number = value.integer, range.contains(number) else {
                faults.append("\(name) must be between \(range.lowerBound) and \(range.upperBound)")
                return usual
            }
            return number
        }
        let items = number("maxItems", Self.itemRange, 10_000)
        let bytes = number("maxBytes", Self.byteRange, 262_144)
        let timeout = number("timeoutMs", Self.timeoutRange, 1_000)
        guard faults.isEmpty, let destination else { throw .validation(faults) }
        self.init(types: types, destination: destination, maximumItems: items, maximumBytes: bytes, timeoutMilliseconds: timeout)
    }

    private static func types(_ value: JSON?, _ faults: inout [String]) -> [Category] {
        guard let values = value?.array, !values.isEmpty else {
            faults.append("types should not be empty")
            return []
        }
        let named = values.map { $0.string.flatMap(Category.init) }
        if named.contains(nil) { faults.append("types must be of \(Category.allCases.map(\.rawValue).joined(separator: ", "))") }
        return Category.allCases.filter { named.contains($0) }
    }

    private static func destination(_ value: JSON?, _ faults: inout [String]) -> Destination? {
        guard let value, case .object = value else {
            faults.append("destination is not provided")
            return nil
        }
        switch value["protocol"]?.string {
        case "HTTP":
            guard let uri = value["URI"]?.string, !uri.isEmpty else {
                faults.append("URI is not provided")
                return nil
            }
            return http(uri, &faults)
        case "TCP":
            // Named by a number, or as part of an address as with HTTP.
            if value["port"] == nil, let uri = value["URI"]?.string { return http(uri, &faults).map { .tcp(port: $0.port) } }
            guard let port = value["port"]?.integer, isPort(port, &faults) else {
                if faults.last != reservedText { faults.append("port must be between 1 and 65535") }
                return nil
            }
            return .tcp(port: port)
        default:
            faults.append("protocol must be HTTP or TCP")
            return nil
        }
    }

    private static let reservedText = "port \(reservedPort) is reserved"

    private static func isPort(_ port: Int, _ faults: inout [String]) -> Bool {
        guard (1...65_535).contains(port) else { return false }
        guard port != reservedPort else {
            faults.append(reservedText)
            return false
        }
        return true
    }

    /// `http://sandbox.localdomain:PORT/PATH`
    private static func http(_ uri: String, _ faults: inout [String]) -> Destination? {
        let scheme = ["http://", "tcp://"].first { uri.hasPrefix($0) }
        guard let scheme else {
            faults.append("URI scheme must be http")
            return nil
        }
        let rest = uri.dropFirst(scheme.count)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let parts = rest[..<end].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, name == host || name == "sandbox" else {
            faults.append("URI host must be \(host)")
            return nil
        }
        guard parts.count == 2 else {
            faults.append("URI port is not provided")
            return nil
        }
        guard let port = Int(parts[1]), isPort(port, &faults) else {
            if faults.last != reservedText { faults.append("URI port must be between 1 and 65535") }
            return nil
        }
        let path = rest[end...].prefix { $0 != "#" }
        // It becomes part of a request line.
        guard path.utf8.count <= 2_048, path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            faults.append("URI path must be of printable ASCII, at most 2048 bytes")
            return nil
        }
        return .http(port: port, path: path.hasPrefix("/") ? String(path) : "/" + path)
    }
}

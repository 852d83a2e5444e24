/// The operations of Lambda's API as data: where they are, what they take, and which exceptions there are.
///
/// Read from `text`, which `Deploy/lambda_model.py` writes from botocore's `lambda/2015-03-31/service-2.json`.
public struct ServiceModel: Sendable {
    public struct Operation: Sendable, Hashable {
        public let name: String
        public let method: String
        /// `/2015-03-31/functions/{FunctionName}`: a parameter stands for one whole path segment.
        public let path: String
        /// Part of the address where two operations share a path: `List=ALL`.
        public let query: Pair?
        /// HTTP status of a success.
        public let status: Int
        /// The structure that a request is read into.
        let input: String
        let segments: [Substring]
    }

    public struct Pair: Sendable, Hashable {
        public let name: String
        public let value: String
    }

    public struct Exception: Sendable, Hashable {
        public let name: String
        public let status: Int
        /// `message` or `Message`.
        public let messageKey: String
        /// `User` or `Service`.
        public let fault: String
    }

    struct Shape: Sendable {
        enum Kind: String, Sendable {
            case structure, list, map, string, integer, long, double, boolean, timestamp, blob
        }

        let kind: Kind
        /// Of a number its value, of a text its scalars, of a list or map its elements.
        var minimum: Limit?
        var maximum: Limit?
        /// Empty for none.
        var values: [String] = []
        var isSensitive = false
        /// The member that is the body as it stands.
        var payload: String?
        /// What a list or map is made of.
        var element: String?
        var keys: String?
        var pattern: TextPattern?
        var members: [Member] = []
    }

    struct Limit: Sendable {
        let value: Double
        /// As messages have it: `1.0`.
        let text: String
    }

    struct Member: Sendable {
        enum Location: Sendable, Equatable {
            case body
            case path(String), query(String), header(String)
        }

        let name: String
        let shape: String
        let isRequired: Bool
        let location: Location
    }

    public private(set) var operations: [Operation] = []
    public private(set) var exceptions: [String: Exception] = [:]
    private(set) var shapes: [String: Shape] = [:]

    public static let lambda = ServiceModel(parsing: text)

    public func operation(named name: String) -> Operation? { operations.first { $0.name == name } }

    /// The operation of a request.
    /// - Parameters:
    ///   - path: as on the wire, without the query.
    ///   - query: percent-decoded.
    public func operation(method: String, path: some StringProtocol, query: [(name: String, value: String)]) -> Operation? {
        let segments = path.split(separator: "/")
        let candidates = operations.filter { $0.method == method && Self.matches($0.segments, segments) }
        return candidates.first { candidate in candidate.query.map { pair in query.contains { $0.name == pair.name && $0.value == pair.value } } ?? false }
            ?? candidates.first { $0.query == nil } ?? candidates.first
    }

    /// Members of the operation's request, wherever they are in it.
    public func members(of operation: Operation) -> Set<String> { Set(shapes[operation.input]?.members.map(\.name) ?? []) }

    private static func matches(_ pattern: [Substring], _ segments: [some StringProtocol]) -> Bool {
        pattern.count == segments.count && zip(pattern, segments).allSatisfy { $0.first == "{" || $0 == $1 }
    }
}

// MARK: - Reading

extension ServiceModel {
    /// - Parameter text: lines as `Deploy/lambda_model.py` describes them; it is part of the program, so nothing in it is in doubt.
    init(parsing text: String) {
        var structure: String?
        for line in text.split(separator: "\n") where line.first != "#" {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            switch fields[0] {
            case "operation":
                let address = fields[3].split(separator: "?", maxSplits: 1)
                let query = address.count == 2 ? address[1].split(separator: "=").map(String.init) : []
                operations.append(
                    Operation(
                        name: fields[1], method: fields[2], path: String(address[0]), query: query.count == 2 ? Pair(name: query[0], value: query[1]) : nil,
                        status: Int(fields[4]) ?? 200, input: fields[5], segments: address[0].split(separator: "/")))
            case "exception":
                exceptions[fields[1]] = Exception(name: fields[1], status: Int(fields[2]) ?? 500, messageKey: fields[3], fault: fields[4])
            case "":
                if let structure { shapes[structure]?.members.append(Self.member(fields)) }
            default:
                structure = fields[1]
                shapes[fields[1]] = Self.shape(fields)
            }
        }
    }

    private static func member(_ fields: [String]) -> Member {
        let location: Member.Location =
            switch fields.count > 4 ? fields[3] : "" {
            case "path": .path(fields[4])
            case "query": .query(fields[4])
            case "header": .header(fields[4])
            default: .body
            }
        let isRequired = fields[1].last == "!"
        return Member(name: isRequired ? String(fields[1].dropLast()) : fields[1], shape: fields[2], isRequired: isRequired, location: location)
    }

    private static func shape(_ fields: [String]) -> Shape {
        var shape = Shape(kind: Shape.Kind(rawValue: fields[0]) ?? .string)
        for field in fields.dropFirst(2) {
            let equals = field.firstIndex(of: "=") ?? field.endIndex
            let value = String(field[equals...].dropFirst())
            switch field[..<equals] {
            case "min": shape.minimum = Double(value).map { Limit(value: $0, text: value) }
            case "max": shape.maximum = Double(value).map { Limit(value: $0, text: value) }
            case "enum": shape.values = value.split(separator: "|").map(String.init)
            case "sensitive": shape.isSensitive = true
            case "payload": shape.payload = value
            case "of": shape.element = value
            case "keys": shape.keys = value
            case "pattern": shape.pattern = TextPattern(value)
            default: break
            }
        }
        return shape
    }
}

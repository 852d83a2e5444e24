/// `LoggingConfig`: the form of a function's log, what of it is kept, and where it is found.
public struct LoggingConfiguration: Hashable, Sendable, Codable {
    public enum Format: String, Sendable, Codable, CaseIterable {
        /// Lines as they are written, the platform's as `START …`.
        case text = "Text"
        /// Each of the platform's lines and each record of a runtime's logger is a JSON object.
        case json = "JSON"
    }

    /// Rising.
    public enum Level: String, Sendable, Codable, CaseIterable, Comparable {
        case trace = "TRACE"
        case debug = "DEBUG"
        case info = "INFO"
        case warn = "WARN"
        case error = "ERROR"
        case fatal = "FATAL"

        public static func < (one: Level, other: Level) -> Bool { one.rank < other.rank }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    public var format: Format
    /// The least level of a record that is kept; nil for INFO. Levels count in the JSON format only.
    public var applicationLevel: Level?
    /// The same for the platform's lines: DEBUG, INFO or WARN.
    public var systemLevel: Level?
    /// The name of a log group that the function shares; nil for its own, `/aws/lambda/NAME`.
    public var group: String?

    public init(format: Format = .text, applicationLevel: Level? = nil, systemLevel: Level? = nil, group: String? = nil) {
        self.format = format
        self.applicationLevel = applicationLevel
        self.systemLevel = systemLevel
        self.group = group
    }

    public init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        format = try members.decodeIfPresent(Format.self, forKey: .format) ?? .text
        applicationLevel = try members.decodeIfPresent(Level.self, forKey: .applicationLevel)
        systemLevel = try members.decodeIfPresent(Level.self, forKey: .systemLevel)
        group = try members.decodeIfPresent(String.self, forKey: .group)
    }

    public func group(of function: FunctionKey) -> String { group ?? "/aws/lambda/\(function.name)" }

    /// Whether a line of the platform is kept.
    public func keeps(_ level: Level) -> Bool { format == .text || level >= systemLevel ?? .info }

    /// The reserved variables by which runtimes and their loggers learn of it; none in the text format, as on Lambda.
    public var variables: [String: String] {
        guard format == .json else { return [:] }
        return ["AWS_LAMBDA_LOG_FORMAT": format.rawValue, "AWS_LAMBDA_LOG_LEVEL": (applicationLevel ?? .info).rawValue]
    }
}

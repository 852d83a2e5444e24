public import FunctionModel

/// `LoggingConfig` of CreateFunction and UpdateFunctionConfiguration. It is set as a whole: what it leaves out has its default.
public struct LoggingRequest: Decodable, Sendable {
    var logFormat: String?
    var applicationLogLevel: String?
    var systemLogLevel: String?
    var logGroup: String?

    enum CodingKeys: String, CodingKey {
        case logFormat = "LogFormat"
        case applicationLogLevel = "ApplicationLogLevel"
        case systemLogLevel = "SystemLogLevel"
        case logGroup = "LogGroup"
    }

    func check(_ validation: inout Validation) {
        func choice(_ value: String?, _ name: String, _ values: [String]) {
            if let value, !values.contains(value) { validation.fail(value, "loggingConfig.\(name)", .oneOf(values)) }
        }
        choice(logFormat, "logFormat", LoggingConfiguration.Format.allCases.map(\.rawValue))
        choice(applicationLogLevel, "applicationLogLevel", LoggingConfiguration.Level.allCases.map(\.rawValue))
        choice(systemLogLevel, "systemLogLevel", ["DEBUG", "INFO", "WARN"])
        validation.length(logGroup, "loggingConfig.logGroup", 1...512)
        if let logGroup, !logGroup.utf8.allSatisfy(Self.isGroupCharacter) {
            validation.fail(logGroup, "loggingConfig.logGroup", .pattern(#"[\.\-_/#A-Za-z0-9]+"#))
        }
    }

    /// - Throws: `.invalidParameterValue` for members that do not go together.
    func checkTogether() throws(ServiceError) {
        guard logFormat != "JSON", applicationLogLevel != nil || systemLogLevel != nil else { return }
        throw ServiceError(.invalidParameterValue, "ApplicationLogLevel and SystemLogLevel can be set only with the LogFormat JSON")
    }

    /// Of a request that has been checked.
    public var configuration: LoggingConfiguration {
        LoggingConfiguration(
            format: logFormat.flatMap(LoggingConfiguration.Format.init(rawValue:)) ?? .text,
            applicationLevel: applicationLogLevel.flatMap(LoggingConfiguration.Level.init(rawValue:)),
            systemLevel: systemLogLevel.flatMap(LoggingConfiguration.Level.init(rawValue:)), group: logGroup)
    }

    private static func isGroupCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: ".-_/#".utf8.contains(byte)
        }
    }
}

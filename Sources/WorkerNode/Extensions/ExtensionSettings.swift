public import Extensions
public import FunctionModel

/// What an environment's extensions are started with and told.
public struct ExtensionSettings {
    public let facts: ExtensionFacts
    public let initialization: TelemetryRecord.Initialization
    /// Lines that are JSON objects are sent as such.
    public let hasJSONLog: Bool
    /// Files in /opt/extensions. With more than `ExtensionRegistry.maximum` of them init fails.
    public let names: [String]
    /// Of their processes.
    public let variables: [(String, String)]
    /// Since 1970.
    public let wallMilliseconds: () -> Int64
    /// The same moment as text, for records.
    public let timeText: () -> String

    public init(
        facts: ExtensionFacts, initialization: TelemetryRecord.Initialization, hasJSONLog: Bool, names: [String], variables: [(String, String)],
        wallMilliseconds: @escaping () -> Int64, timeText: @escaping () -> String
    ) {
        self.facts = facts
        self.initialization = initialization
        self.hasJSONLog = hasJSONLog
        self.names = names
        self.variables = variables
        self.wallMilliseconds = wallMilliseconds
        self.timeText = timeText
    }

    static func path(_ name: String) -> String { "/opt/extensions/\(name)" }

    /// nil where there is none that is a process of its own.
    var program: EnvironmentProgram? {
        names.isEmpty ? nil : EnvironmentProgram(arguments: names.prefix(ExtensionRegistry.maximum).map(Self.path), environment: variables)
    }

    /// The variables of a function's processes that its external extensions have as well.
    ///
    /// Source: Lambda Developer Guide, "Using the Lambda Extensions API", Environment variables.
    /// - Parameter variables: how they find the server.
    public static func variables(
        _ version: FunctionVersion, initializationType: String, calling variables: [String: String]
    ) -> [(String, String)] {
        let configuration = version.configuration
        let reserved: [String: String] = [
            "AWS_LAMBDA_RUNTIME_API": EnvironmentNetwork.runtimeAPI, "AWS_LAMBDA_FUNCTION_NAME": version.key.name,
            "AWS_LAMBDA_FUNCTION_VERSION": version.version, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "\(configuration.memorySize)",
            "AWS_REGION": version.key.region, "AWS_DEFAULT_REGION": version.key.region,
            "AWS_LAMBDA_INITIALIZATION_TYPE": initializationType,
        ]
        let usual = ["PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin", "LANG": "C.UTF-8", "HOME": "/tmp", "TZ": ":UTC", "LD_LIBRARY_PATH": "/opt/lib"]
        let all = usual.merging(variables) { $1 }.merging(configuration.environment) { $1 }.merging(reserved) { $1 }
        return all.filter { !$0.key.hasPrefix("_") }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

// swift-tools-version: 6.1
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-warnings-as-errors"]),
]
let cStrict: [CSetting] = [
    .define("_GNU_SOURCE"),
    .unsafeFlags(["-Wall", "-Wextra", "-Werror", "-O2"]),
]
// C libraries that run where no Swift runtime is: what they do not call must not be linked.
let foreign: [LinkerSetting] = [
    .unsafeFlags(["-nostartfiles", "-static-stdlib", "-L", "\(Context.packageDirectory)/Runtimes/Python/Fork/link"])
]
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]
// External event sources: a trait, an adapter and a C library each. None of them is there unless its trait is.
let sources = [("Kafka", "CRdkafka"), ("MQTT", "CMosquitto"), ("NATS", "CNATS"), ("RabbitMQ", "CRabbitMQ"), ("Redis", "CHiredis")]
let sourceAdapters: [Target] = sources.flatMap { trait, library in
    [
        .systemLibrary(name: library, path: "Sources/ExternalSourceLibraries/\(library)"),
        .target(
            name: "\(trait)Source", dependencies: ["ExternalSources", "JSONValues", .target(name: library, condition: .when(traits: [trait]))],
            swiftSettings: strict),
    ]
}
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let tls: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let http2: [Target.Dependency] = [
    .product(name: "NIOHPACK", package: "swift-nio-http2"),
    .product(name: "NIOHTTP2", package: "swift-nio-http2"),
    .product(name: "NIOTLS", package: "swift-nio"),
]

// Only for Deploy/fuzz.sh, which brings the main function with libFuzzer.
let fuzzing: [Target] = Context.environment["MARTLET_FUZZ"] == nil ? [] : [
    .executableTarget(name: "fuzzing", dependencies: ["AccessControl", "EventStream", "Gateway", "JSONValues"] + nio, path: "Tests/Fuzzing", swiftSettings: strict)
]

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "martlet", targets: ["Martlet"]),
        .executable(name: "martlet-sandbox", targets: ["SandboxHelper"]),
        .library(name: "MartletFork", type: .dynamic, targets: ["MartletFork"]),
        .library(name: "MartletForkNode", type: .dynamic, targets: ["MartletForkNode"]),
    ],
    traits: [
        .trait(name: "Kafka", description: "Kafka topics as event sources, with librdkafka."),
        .trait(name: "MQTT", description: "MQTT topics as event sources, with libmosquitto."),
        .trait(name: "NATS", description: "NATS JetStream as an event source, with libnats."),
        .trait(name: "RabbitMQ", description: "RabbitMQ queues as event sources, with librabbitmq."),
        .trait(name: "Redis", description: "Redis streams as event sources, with hiredis."),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
    ],
    targets: [
        // Ground: no knowledge of functions beyond their vocabulary.
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .target(name: "CChild", cSettings: cStrict),
        .target(name: "CSandbox", dependencies: ["CChild", "CSeccomp"], cSettings: cStrict),
        .target(name: "CForkServer", dependencies: ["CChild"], cSettings: cStrict),
        .target(name: "MartletFork", dependencies: ["CForkServer"], path: "Runtimes/Python/Fork", cSettings: cStrict, linkerSettings: foreign),
        .target(name: "MartletForkNode", dependencies: ["CForkServer"], path: "Runtimes/Node/Fork", cSettings: cStrict,
            // Bound when it is loaded: not in each copy, and not while threads stand still.
            linkerSettings: foreign + [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "now"])]),
        .target(
            name: "NodeRuntime", path: "Runtimes/Node/bootstrap",
            resources: ["bootstrap", "copy", "frames", "handler", "invocation", "output", "streaming", "surroundings"].map { .embedInCode("\($0).cjs") },
            swiftSettings: strict),
        .target(
            name: "PythonRuntime", path: "Runtimes/Python/bootstrap",
            resources: ["bootstrap", "snapshot_restore_py", "martlet_runtime/__init__", "martlet_runtime/codec", "martlet_runtime/compile",
                "martlet_runtime/context", "martlet_runtime/environment", "martlet_runtime/faults", "martlet_runtime/frames",
                "martlet_runtime/logs", "martlet_runtime/worker"].map { .embedInCode("\($0).py") },
            swiftSettings: strict),
        .target(name: "FunctionModel", swiftSettings: strict),
        .target(name: "JSONValues", swiftSettings: strict),
        .target(name: "EventStream", swiftSettings: strict),
        .target(name: "LinuxPrimitives", dependencies: ["CChild"], swiftSettings: strict),
        .target(name: "Sandbox", dependencies: ["CChild", "LinuxPrimitives"], swiftSettings: strict),
        .target(name: "Telemetry", dependencies: ["FunctionModel"], swiftSettings: strict),
        .target(name: "BlockingThread", swiftSettings: strict),

        // Domain: pure decisions and ports.
        .target(name: "AccessControl", dependencies: ["FunctionModel", crypto], swiftSettings: strict),
        .target(name: "ResourcePolicies", dependencies: ["FunctionModel", "JSONValues"], swiftSettings: strict),
        .target(name: "Roles", dependencies: ["FunctionModel", "JSONValues"], swiftSettings: strict),
        .target(name: "Tenants", dependencies: ["AccessControl", "FunctionModel"], swiftSettings: strict),
        .target(name: "DeploymentPackages", dependencies: ["CChild", "FunctionModel", "Registry", "CZlib", crypto], swiftSettings: strict),
        .target(name: "Metering", dependencies: ["BlockingThread", "FunctionModel"], swiftSettings: strict),
        .target(name: "FunctionLogs", dependencies: ["BlockingThread", "FunctionModel", "JSONValues"], swiftSettings: strict),
        .target(name: "Auditing", dependencies: ["BlockingThread", "FunctionModel", "JSONValues", "LinuxPrimitives"], swiftSettings: strict),
        .target(name: "Registry", dependencies: ["FunctionModel"], swiftSettings: strict),
        .target(name: "WarmPool", dependencies: ["FunctionModel"], swiftSettings: strict),
        .target(name: "DurableQueue", dependencies: ["FunctionModel"], swiftSettings: strict),
        .target(name: "Triggers", dependencies: ["FunctionModel"], swiftSettings: strict),
        .target(name: "ExternalSources", dependencies: ["JSONValues"], swiftSettings: strict),
        .target(
            name: "EventSourceMappings", dependencies: ["DurableQueue", "ExternalSources", "FunctionModel", "JSONValues", "Triggers"], swiftSettings: strict),
        .target(name: "ObjectEvents", dependencies: ["FunctionModel", "JSONValues"], swiftSettings: strict),
        .target(name: "WatchedFolders", dependencies: ["BlockingThread", "FunctionModel", "LinuxPrimitives", "Metering", "ObjectEvents", "Triggers"], swiftSettings: strict),
        .target(name: "Webhooks", dependencies: ["AccessControl", "FunctionModel", "ObjectEvents", "Triggers"], swiftSettings: strict),
        .target(name: "HTTPRoutes", dependencies: ["FunctionModel"], swiftSettings: strict),
        .target(name: "SAMTemplates", dependencies: ["JSONValues"], swiftSettings: strict),
        .target(name: "StackRecords", dependencies: ["FunctionModel"], swiftSettings: strict),
        .target(name: "LambdaAPI", dependencies: ["ExternalSources", "FunctionModel", "JSONValues"], swiftSettings: strict),
        .target(name: "EventPatterns", dependencies: ["JSONValues"], swiftSettings: strict),
        .target(name: "CloudEvents", dependencies: ["JSONValues"], swiftSettings: strict),
        .target(name: "EventBus", dependencies: ["CloudEvents", "DurableQueue", "EventPatterns", "FunctionModel", "JSONValues", "Schedules", "Triggers"], swiftSettings: strict),
        .target(name: "Scheduler", dependencies: ["DurableQueue", "FunctionModel", "JSONValues", "Schedules", "Triggers"], swiftSettings: strict),
        .target(name: "Extensions", dependencies: ["FunctionModel", "JSONValues"], swiftSettings: strict),
        .target(name: "LogsAPI", dependencies: ["FunctionModel", "JSONValues"], swiftSettings: strict),
        .target(name: "SQSAPI", dependencies: ["DurableQueue", "FunctionModel", "JSONValues", crypto], swiftSettings: strict),
        .target(name: "Schedules", dependencies: ["LinuxPrimitives"], swiftSettings: strict),

        // Adapters.
        .target(name: "CSQLiteShim", dependencies: ["CSQLite"], cSettings: cStrict),
        .target(
            name: "SQLiteStore",
            dependencies: [
                "BlockingThread", "DurableQueue", "EventBus", "EventSourceMappings", "ExternalSources", "FunctionModel", "HTTPRoutes", "JSONValues", "Metering", "ObjectEvents", "Registry", "ResourcePolicies", "Roles", "StackRecords", "Tenants", "WatchedFolders", "Webhooks",
                "CSQLite", "CSQLiteShim",
            ],
            swiftSettings: strict),
        .target(
            name: "ObjectStorage", dependencies: ["AccessControl", "BlockingThread", "FunctionModel", "Registry", tls] + nio, swiftSettings: strict),
        .target(
            name: "WorkerNode",
            dependencies: ["CChild", "Extensions", "FunctionModel", "LinuxPrimitives", "Sandbox"] + nio,
            swiftSettings: strict),

        // Stages and edges.
        .target(
            name: "InvocationPipeline",
            dependencies: ["Extensions", "FunctionLogs", "FunctionModel", "Metering", "Registry", "WarmPool", "WorkerNode"] + nio,
            swiftSettings: strict),
        .target(
            name: "EventDispatch",
            dependencies: [
                "BlockingThread", "DurableQueue", "EventBus", "EventPatterns", "EventSourceMappings", "ExternalSources", "FunctionModel",
                "InvocationPipeline", "JSONValues", "Metering", "Registry", "SQSAPI",
            ] + nio,
            swiftSettings: strict),
        .target(
            name: "Gateway",
            dependencies: [
                "AccessControl", "Auditing", "CloudEvents", "DurableQueue", "EventBus", "EventPatterns", "EventSourceMappings", "EventStream", "ExternalSources", "FunctionModel", "HTTPRoutes", "InvocationPipeline", "JSONValues",
                "LambdaAPI", "LogsAPI", "ObjectEvents", "Registry", "ResourcePolicies", "Roles", "Scheduler", "SQSAPI", "StackRecords", "Telemetry", "Tenants", "Triggers", "WarmPool",
                "Webhooks", tls,
            ] + http2 + nio,
            swiftSettings: strict),

        // Executables.
        .executableTarget(
            name: "Martlet",
            dependencies: [
                "AccessControl", "Auditing", "BlockingThread", "CChild", "DeploymentPackages", "DurableQueue", "EventBus", "EventDispatch", "EventPatterns", "EventSourceMappings", "ExternalSources", "FunctionLogs", "FunctionModel",
                "Gateway", "HTTPRoutes", "InvocationPipeline", "JSONValues", "LambdaAPI", "LinuxPrimitives", "LogsAPI", "Metering", "ObjectEvents", "ObjectStorage", "Registry", "ResourcePolicies", "Roles",
                "SAMTemplates", "Sandbox", "Scheduler", "Schedules", "SQLiteStore", "SQSAPI", "StackRecords", "Telemetry", "Tenants", "Triggers", "WarmPool", "WatchedFolders", "Webhooks",
                "WorkerNode",
                .product(name: "ArgumentParser", package: "swift-argument-parser"), tls,
            ] + nio + sources.map { .target(name: "\($0.0)Source", condition: .when(traits: [$0.0])) },
            swiftSettings: strict),
        .executableTarget(
            name: "SandboxHelper",
            dependencies: ["CSandbox", "LinuxPrimitives", "NodeRuntime", "PythonRuntime", "Sandbox"],
            swiftSettings: strict),

        .testTarget(name: "SandboxTests", dependencies: ["Sandbox"], swiftSettings: strict),
        .testTarget(name: "JSONValuesTests", dependencies: ["JSONValues"], swiftSettings: strict),
        .testTarget(name: "EventStreamTests", dependencies: ["EventStream"], swiftSettings: strict),
        .testTarget(name: "MeteringTests", dependencies: ["FunctionModel", "Metering"], swiftSettings: strict),
        .testTarget(name: "AuditingTests", dependencies: ["Auditing", "FunctionModel"], swiftSettings: strict),
        .testTarget(name: "FunctionLogsTests", dependencies: ["FunctionLogs", "FunctionModel"], swiftSettings: strict),
        .testTarget(
            name: "SQLiteStoreTests",
            dependencies: [
                "AccessControl", "DurableQueue", "EventBus", "EventSourceMappings", "ExternalSources", "FunctionModel", "HTTPRoutes", "JSONValues", "Metering", "ObjectEvents", "Registry", "SQLiteStore", "StackRecords",
                "WatchedFolders", "Webhooks",
            ],
            swiftSettings: strict),
        .testTarget(name: "ExternalSourcesTests", dependencies: ["ExternalSources", "JSONValues"], swiftSettings: strict),
        .testTarget(name: "SAMTemplatesTests", dependencies: ["JSONValues", "SAMTemplates"], swiftSettings: strict),
        .testTarget(name: "HTTPRoutesTests", dependencies: ["FunctionModel", "HTTPRoutes"], swiftSettings: strict),
        .testTarget(name: "EventSourceMappingsTests", dependencies: ["EventSourceMappings", "JSONValues"], swiftSettings: strict),
        .testTarget(name: "DurableQueueTests", dependencies: ["DurableQueue", "FunctionModel"], swiftSettings: strict),
        .testTarget(name: "TelemetryTests", dependencies: ["FunctionModel", "Telemetry"], swiftSettings: strict),
        // Arrivals and a clock for the pool: for its tests, and for the benchmark of its policy.
        .target(name: "PoolReplay", dependencies: ["FunctionModel", "WarmPool"], path: "Tests/PoolReplay", swiftSettings: strict),
        .executableTarget(name: "pool-replay", dependencies: ["PoolReplay", "WarmPool"], path: "Deploy/Benchmarks/replay", swiftSettings: strict),
        .testTarget(name: "WarmPoolTests", dependencies: ["FunctionModel", "PoolReplay", "WarmPool"], swiftSettings: strict),
        .testTarget(
            name: "DeploymentPackagesTests", dependencies: ["DeploymentPackages", "FunctionModel", "Registry"], swiftSettings: strict),
        .testTarget(
            name: "MartletTests",
            dependencies: [
                "Martlet", "DeploymentPackages", "JSONValues", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "AccessControlTests", dependencies: ["AccessControl"], exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(name: "ResourcePoliciesTests", dependencies: ["FunctionModel", "JSONValues", "ResourcePolicies"], swiftSettings: strict),
        .testTarget(name: "RolesTests", dependencies: ["FunctionModel", "Roles", "SQLiteStore"], swiftSettings: strict),
        .testTarget(name: "TenantsTests", dependencies: ["AccessControl", "FunctionModel", "SQLiteStore", "Tenants"], swiftSettings: strict),
        .testTarget(name: "EventPatternsTests", dependencies: ["EventPatterns", "JSONValues"], swiftSettings: strict),
        .testTarget(name: "CloudEventsTests", dependencies: ["CloudEvents", "JSONValues"], swiftSettings: strict),
        .testTarget(
            name: "EventBusTests", dependencies: ["DurableQueue", "EventBus", "EventPatterns", "FunctionModel", "JSONValues", "SQLiteStore"], swiftSettings: strict),
        .testTarget(
            name: "SQSAPITests", dependencies: ["DurableQueue", "FunctionModel", "JSONValues", "SQLiteStore", "SQSAPI"], swiftSettings: strict),
        .testTarget(
            name: "SchedulerTests", dependencies: ["DurableQueue", "FunctionModel", "JSONValues", "Scheduler", "Schedules", "SQLiteStore"],
            swiftSettings: strict),
        .testTarget(name: "ObjectEventsTests", dependencies: ["FunctionModel", "JSONValues", "ObjectEvents"], swiftSettings: strict),
        .testTarget(
            name: "ObjectStorageTests", dependencies: ["FunctionModel", "ObjectStorage", "Registry"] + nio, swiftSettings: strict),
        .testTarget(name: "WatchedFoldersTests", dependencies: ["FunctionModel", "ObjectEvents", "WatchedFolders"], swiftSettings: strict),
        .testTarget(name: "TriggersTests", dependencies: ["Triggers"], swiftSettings: strict),
        .testTarget(name: "ExtensionsTests", dependencies: ["Extensions", "FunctionModel"], swiftSettings: strict),
        .testTarget(name: "SchedulesTests", dependencies: ["Schedules"], swiftSettings: strict),
        .testTarget(name: "LambdaAPITests", dependencies: ["ExternalSources", "FunctionModel", "LambdaAPI"], swiftSettings: strict),
        .testTarget(name: "LogsAPITests", dependencies: ["FunctionModel", "JSONValues", "LogsAPI"], swiftSettings: strict),
        .testTarget(name: "RegistryTests", dependencies: ["FunctionModel", "Registry"], swiftSettings: strict),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "AccessControl", "Auditing", "EventSourceMappings", "FunctionModel", "Gateway", "HTTPRoutes", "InvocationPipeline", "JSONValues", "LambdaAPI", "Registry",
                "Roles", .product(name: "NIOEmbedded", package: "swift-nio"),
            ] + http2 + nio,
            swiftSettings: strict),
    ] + sourceAdapters + fuzzing,
    swiftLanguageModes: [.v6]
)

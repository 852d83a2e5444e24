import FunctionModel
import Glibc
import Registry
import SQLiteStore

/// Numbers that a printed seed repeats (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

struct SetUpFailure: Error {}

/// A folder that goes away with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SetUpFailure() }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for folder in ["data", "."] {
            for name in ["martlet.db", "martlet.db-wal", "martlet.db-shm"] { unlink("\(path)/\(folder)/\(name)") }
        }
        rmdir("\(path)/data")
        rmdir(path)
    }

    var database: String { "\(path)/martlet.db" }
}

extension FunctionRecord {
    static func sample(_ name: String, account: String = "123456789012", using generator: inout some RandomNumberGenerator) -> FunctionRecord {
        let key = FunctionKey(account: account, region: "us-east-1", name: name)
        func kept(_ generator: inout some RandomNumberGenerator) -> KeptSettings {
            var kept = KeptSettings()
            guard Bool.random(using: &generator) else { return kept }
            kept.tracingMode = "Active"
            kept.vpc = KeptSettings.VPC(subnetIDs: ["subnet-1"], securityGroupIDs: [], allowsIPv6: true)
            kept.fileSystems = [KeptSettings.FileSystem(arn: "a", localMountPath: "/mnt/a")]
            return kept
        }
        func version(_ version: String, _ generator: inout some RandomNumberGenerator) -> FunctionVersion {
            FunctionVersion(
                key: key, version: version, revision: generator.next() >> 1,
                configuration: FunctionConfiguration(
                    runtime: "python3.11", handler: "app.handler", memorySize: Int.random(in: 128...10_240, using: &generator),
                    timeout: Int.random(in: 1...900, using: &generator), ephemeralStorage: 1_024,
                    environment: ["A": "", "QUOTE": "'\"\\\n\u{0}ä\u{1F426}"], isolation: Isolation.allCases.randomElement(using: &generator)!,
                    description: "it's", role: "arn:aws:iam::123456789012:role/r",
                    deadLetterTarget: ["", "arn:aws:sqs:us-east-1:123456789012:dead"].randomElement(using: &generator)!,
                    logging: Bool.random(using: &generator) ? LoggingConfiguration(format: .json, group: "mine") : LoggingConfiguration(),
                    kept: kept(&generator)),
                code: CodeReference(sha256: String(repeating: "ab", count: 32), size: 1_234),
                lastModified: Int64.random(in: 0...2_000_000_000_000, using: &generator))
        }
        let count = Int.random(in: 0...12, using: &generator)
        return FunctionRecord(
            key: key, latest: version(FunctionVersion.latest, &generator),
            published: (0..<count).map { version(String($0 + 1), &generator) },
            aliases: count > 1 && Bool.random(using: &generator)
                ? ["live": FunctionAlias(name: "live", version: "1", additional: .init(version: "2", weight: 0.1), description: "d", revision: 9)] : [:],
            nextVersionNumber: count + 1,
            reservedConcurrency: [nil, 0, 10].randomElement(using: &generator)!,
            url: Bool.random(using: &generator)
                ? FunctionURL(
                    id: "url-\(account)-\(name)", authType: .iam, invokeMode: .responseStream,
                    cors: Bool.random(using: &generator) ? CORSPolicy(allowOrigins: ["*"], maxAge: 5, allowCredentials: true) : nil,
                    created: 5, modified: 6) : nil,
            aliasURLs: Bool.random(using: &generator) ? ["live": FunctionURL(id: "alias-url", authType: .none, created: 7, modified: 8)] : [:],
            provisioned: Bool.random(using: &generator) ? ["1": ProvisionedConcurrency(requested: 3, modified: 9)] : [:],
            eventInvokeConfigs: Bool.random(using: &generator)
                ? ["$LATEST": EventInvokeConfig(maximumRetryAttempts: 1, onFailure: "arn:'\"", lastModified: 7), "1": EventInvokeConfig(maximumEventAge: 60, onSuccess: "x", lastModified: 8)]
                : [:],
            tags: ["team": "birds"], recursiveLoop: Bool.random(using: &generator) ? .allow : .terminate,
            runtimeManagement: Bool.random(using: &generator) ? ["$LATEST": RuntimeManagement(updateMode: .manual, runtimeVersionARN: "arn:'")] : [:],
            codeSigningConfig: Bool.random(using: &generator) ? "arn:csc" : nil, created: 1)
    }
}

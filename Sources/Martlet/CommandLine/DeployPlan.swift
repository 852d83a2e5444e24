internal import JSONValues

/// What the server offers, as `GET /martlet/v1/node` says.
struct ServerFacts: Hashable, Sendable {
    struct Runtime: Hashable, Sendable {
        let name: String
        let interpreter: String?
    }

    var runtimes: [Runtime]
    var isLoopbackOnly: Bool

    init(runtimes: [Runtime], isLoopbackOnly: Bool) { (self.runtimes, self.isLoopbackOnly) = (runtimes, isLoopbackOnly) }

    init(_ json: JSON) {
        runtimes = (json["runtimes"]?.array ?? []).compactMap { entry in
            guard let name = entry["name"]?.string ?? entry.string else { return nil }
            return Runtime(name: name, interpreter: entry["interpreter"]?.string)
        }
        isLoopbackOnly = json["loopbackOnly"]?.bool ?? false
    }

    /// The full name: `python3` is the newest CPython on offer, `nodejs` the newest Node.
    ///
    /// - Throws: `CommandFailure` that lists what is offered.
    func resolve(_ wish: String) throws -> Runtime {
        if let exact = runtimes.first(where: { $0.name == wish }) { return exact }
        if wish == "python3" || wish == "python" {
            let newest = runtimes.compactMap { runtime in
                Self.minorVersion(runtime.name).map { (minor: $0, runtime: runtime) }
            }.max { $0.minor < $1.minor }
            if let newest { return newest.runtime }
        }
        if wish == "nodejs" || wish == "node" {
            let newest = runtimes.compactMap { runtime in
                Self.nodeMajor(runtime.name).map { (major: $0, runtime: runtime) }
            }.max { $0.major < $1.major }
            if let newest { return newest.runtime }
        }
        // Lambda's names for operating-system-only runtimes (provided.al2023) mean the same thing.
        if wish.hasPrefix("provided."), let plain = runtimes.first(where: { $0.name == "provided" }) { return plain }
        let offered = runtimes.map(\.name).joined(separator: ", ")
        throw CommandFailure("the server does not offer the runtime \(wish); it has \(offered.isEmpty ? "none" : offered)")
    }

    /// Of `nodejs20.x`.
    static func nodeMajor(_ name: String) -> Int? {
        name.hasPrefix("nodejs") && name.hasSuffix(".x") ? Int(name.dropFirst(6).dropLast(2)) : nil
    }

    static func minorVersion(_ name: String) -> Int? { name.hasPrefix("python3.") ? Int(name.dropFirst(8)) : nil }
}

/// What `deploy` was asked for; nil leaves a setting as it is, or at its default for a new function.
struct DeployWishes: Hashable, Sendable {
    var runtime: String
    var handler: String
    var memory: Int?
    var timeout: Int?
    /// Replaces all variables.
    var environment: [String: String]?
    var isolation: String?
    var network: String?
    var concurrency: Int?
    /// MB.
    var ephemeralStorage: Int?
    /// ARNs of layer versions; replaces all layers.
    var layers: [String]?
    /// Added to those that are there.
    var tags: [String: String]?
}

/// A function as the server has it.
struct DeployedFunction: Hashable, Sendable {
    var runtime: String
    var handler: String
    var memory: Int
    var timeout: Int
    var environment: [String: String]
    /// nil if the server does not say.
    var isolation: String?
    /// nil if the function leaves it to the server.
    var network: String?
    var concurrency: Int?
    /// Base64.
    var codeSha256: String
    var arn: String
    var ephemeralStorage: Int?
    var layers: [String]
    var tags: [String: String]

    /// From GetFunction's answer.
    init(function: JSON) {
        let configuration = function["Configuration"] ?? .object([])
        runtime = configuration["Runtime"]?.string ?? ""
        handler = configuration["Handler"]?.string ?? ""
        memory = configuration["MemorySize"]?.integer ?? 0
        timeout = configuration["Timeout"]?.integer ?? 0
        environment = Dictionary(
            (configuration["Environment"]?["Variables"]?.members ?? []).map { ($0.name, $0.value.plain) }, uniquingKeysWith: { $1 })
        isolation = configuration["MartletIsolation"]?.string
        network = configuration["MartletNetwork"]?.string
        concurrency = function["Concurrency"]?["ReservedConcurrentExecutions"]?.integer
        codeSha256 = configuration["CodeSha256"]?.string ?? ""
        arn = configuration["FunctionArn"]?.string ?? ""
        ephemeralStorage = configuration["EphemeralStorage"]?["Size"]?.integer
        layers = (configuration["Layers"]?.array ?? []).compactMap { $0["Arn"]?.string }
        tags = Dictionary((function["Tags"]?.members ?? []).map { ($0.name, $0.value.plain) }, uniquingKeysWith: { $1 })
    }
}

/// The calls that bring a function from what it is to what is wished; none when nothing differs.
struct DeployPlan: Hashable, Sendable {
    /// The members of CreateFunction; nil if the function exists.
    var create: [JSON.Member]?
    /// The members of UpdateFunctionConfiguration that go with the code; nil if no setting differs.
    var configuration: [JSON.Member]?
    /// Whether code and settings must be set and published as a new version: one of them differs.
    var updatesCode = false
    var concurrency: Int?
    /// That the function has not, or with other values; a new function is made with them.
    var tags: [String: String] = [:]

    var changesAnything: Bool { create != nil || configuration != nil || updatesCode || concurrency != nil || !tags.isEmpty }

    /// - Parameter codeSha256: of the wished archive, base64.
    init(_ wishes: DeployWishes, codeSha256: String, existing: DeployedFunction?) {
        func members(_ all: Bool) -> [JSON.Member] {
            var members: [JSON.Member] = []
            if all || existing?.runtime != wishes.runtime { members.append(.init("Runtime", .string(wishes.runtime))) }
            if all || existing?.handler != wishes.handler { members.append(.init("Handler", .string(wishes.handler))) }
            if let memory = wishes.memory, memory != existing?.memory { members.append(.init("MemorySize", .integer(memory))) }
            if let timeout = wishes.timeout, timeout != existing?.timeout { members.append(.init("Timeout", .integer(timeout))) }
            if let environment = wishes.environment, environment != existing?.environment {
                let variables = environment.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) }
                members.append(.init("Environment", .object([.init("Variables", .object(variables))])))
            }
            if let isolation = wishes.isolation, isolation != existing?.isolation {
                members.append(.init("MartletIsolation", .string(isolation)))
            }
            if let network = wishes.network, network != existing?.network { members.append(.init("MartletNetwork", .string(network))) }
            if let size = wishes.ephemeralStorage, size != existing?.ephemeralStorage {
                members.append(.init("EphemeralStorage", .object([.init("Size", .integer(size))])))
            }
            if let layers = wishes.layers, layers != existing?.layers ?? [] {
                members.append(.init("Layers", .array(layers.map { .string($0) })))
            }
            return members
        }
        if let existing {
            let changes = members(false)
            configuration = changes.isEmpty ? nil : changes
            updatesCode = existing.codeSha256 != codeSha256 || configuration != nil
            tags = (wishes.tags ?? [:]).filter { existing.tags[$0.key] != $0.value }
        } else {
            create = members(true)
            if let tags = wishes.tags, !tags.isEmpty {
                create?.append(.init("Tags", .object(tags.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) })))
            }
        }
        if let wish = wishes.concurrency, wish != existing?.concurrency { concurrency = wish }
    }
}

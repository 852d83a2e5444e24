internal import FoundationEssentials
internal import JSONValues

/// Where an effective value comes from; later cases win.
enum ConfigurationOrigin: Hashable, Sendable, CustomStringConvertible {
    case standard
    case file(String)
    case environment(String)
    case flag(String)

    var description: String {
        switch self {
        case .standard: "default"
        case .file(let path): path
        case .environment(let name): "environment \(name)"
        case .flag(let name): name
        }
    }
}

/// What the machine and the person bring in; a value, so that tests can vary it.
struct ConfigurationSources: Sendable {
    /// nil: no file.
    var file: (path: String, content: [UInt8])?
    var environment: [String: String] = [:]
    /// By setting name: `listen`, `data`, `dev`.
    var flags: [String: String] = [:]
    var isRoot = false
    /// MB of the machine's memory; nil if unknown.
    var hostMemoryMB: Int?
}

struct LoadedConfiguration: Sendable {
    var configuration: ServerConfiguration
    /// Every setting in a fixed order, as `martlet config check` shows them.
    var settings: [EffectiveSetting]
}

struct EffectiveSetting: Hashable, Sendable {
    let name: String
    let value: JSON
    let origin: ConfigurationOrigin
}

/// Reads a configuration: defaults, then the file, then `MARTLET_*` variables, then flags.
///
/// An unknown name anywhere is a fault, and so is every value out of its range; all of them are reported at once.
enum ConfigurationLoader {
    /// - Throws: `ConfigurationFault`.
    static func load(_ sources: ConfigurationSources) throws -> LoadedConfiguration {
        var loading = Loading(sources)
        loading.readFile()
        loading.readEnvironment()
        loading.readFlags()
        guard loading.faults.isEmpty else { throw ConfigurationFault(faults: loading.faults) }
        try validateListen(loading.configuration.listen, dev: loading.configuration.dev)
        try validate(loading.configuration.tls)
        try validate(loading.configuration.s3)
        let settings = Setting.all.map {
            EffectiveSetting(name: $0.name, value: $0.read(loading.configuration), origin: loading.origins[$0.name] ?? .standard)
        }
        return LoadedConfiguration(configuration: loading.configuration, settings: settings)
    }

    /// `/var/lib/martlet` as root, else below `XDG_DATA_HOME` or the home folder.
    static func defaultDataDirectory(isRoot: Bool, environment: [String: String]) -> String {
        if isRoot { return "/var/lib/martlet" }
        if let base = environment["XDG_DATA_HOME"], base.hasPrefix("/") { return "\(base)/martlet" }
        return "\(environment["HOME"] ?? ".")/.local/share/martlet"
    }

    private struct Loading {
        var configuration = ServerConfiguration()
        var origins: [String: ConfigurationOrigin] = [:]
        var faults: [String] = []
        private let sources: ConfigurationSources

        init(_ sources: ConfigurationSources) {
            self.sources = sources
            configuration.data = defaultDataDirectory(isRoot: sources.isRoot, environment: sources.environment)
            // The rest is for the system and for the server itself.
            if let memory = sources.hostMemoryMB { configuration.nodeMemoryMB = max(256, memory / 4 * 3) }
        }

        mutating func set(_ setting: Setting, _ value: JSON, _ origin: ConfigurationOrigin) {
            if let reason = setting.write(&configuration, value) {
                faults.append("\(origin): \(setting.name) \(reason), not \(value.text())")
            } else {
                origins[setting.name] = origin
            }
        }

        mutating func readFile() {
            guard let file = sources.file else { return }
            let decoder = JSONDecoder()
            decoder.allowsJSON5 = true
            let tree: JSON
            do {
                tree = try decoder.decode(DecodedJSON.self, from: Data(file.content)).value
            } catch {
                faults.append("\(file.path): not JSON5\(jsonFaultDetail(error))")
                return
            }
            guard case .object = tree else {
                faults.append("\(file.path): the file must hold one object: { … }")
                return
            }
            read(tree.members, prefix: "", file: file.path)
        }

        private mutating func read(_ members: [JSON.Member], prefix: String, file: String) {
            for member in members {
                let name = prefix + member.name
                if let setting = Setting.all.first(where: { $0.name == name }) {
                    set(setting, member.value, .file(file))
                } else if Setting.all.contains(where: { $0.name.hasPrefix(name + ".") }) {
                    if case .object(let inner) = member.value {
                        read(inner, prefix: name + ".", file: file)
                    } else {
                        faults.append("\(file): \(name) must be an object, not \(member.value.text())")
                    }
                } else {
                    let known = Setting.all.map(\.name) + Setting.groups
                    faults.append("\(file): unknown setting \(name)\(suggestion(name, among: known))")
                }
            }
        }

        mutating func readEnvironment() {
            for (name, text) in sources.environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("MARTLET_") {
                if let setting = Setting.all.first(where: { $0.variable == name }) {
                    set(setting, setting.fromText(text), .environment(name))
                } else if !Setting.foreignVariables.contains(name), !name.hasPrefix("MARTLET_INTERNAL_") {
                    faults.append("environment: unknown variable \(name)\(suggestion(name, among: Setting.all.map(\.variable)))")
                }
            }
        }

        mutating func readFlags() {
            for (name, text) in sources.flags.sorted(by: { $0.key < $1.key }) {
                guard let setting = Setting.all.first(where: { $0.name == name }) else {
                    faults.append("unknown flag --\(name)")
                    continue
                }
                set(setting, setting.fromText(text), .flag("--\(name)"))
            }
        }
    }
}

private func jsonFaultDetail(_ error: any Error) -> String {
    guard case DecodingError.dataCorrupted(let context)? = error as? DecodingError else { return "" }
    if let underlying = context.underlyingError { return ": \(underlying)" }
    return ": \(context.debugDescription)"
}

/// The tree that `JSONDecoder` reads; the only use of it, because the file is JSON5.
private struct DecodedJSON: Decodable {
    let value: JSON

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        if let object = try? decoder.container(keyedBy: Key.self) {
            value = .object(
                try object.allKeys.sorted { $0.stringValue < $1.stringValue }.map {
                    JSON.Member($0.stringValue, try object.decode(DecodedJSON.self, forKey: $0).value)
                })
            return
        }
        if var array = try? decoder.unkeyedContainer() {
            var values: [JSON] = []
            while !array.isAtEnd { values.append(try array.decode(DecodedJSON.self).value) }
            value = .array(values)
            return
        }
        let single = try decoder.singleValueContainer()
        if single.decodeNil() {
            value = .null
        } else if let flag = try? single.decode(Bool.self) {
            value = .bool(flag)
        } else if let number = try? single.decode(Int64.self) {
            value = .integer(number)
        } else if let number = try? single.decode(Decimal.self) {
            value = .number("\(number)")
        } else {
            value = .string(try single.decode(String.self))
        }
    }
}

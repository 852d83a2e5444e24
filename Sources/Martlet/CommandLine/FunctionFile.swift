internal import Glibc

/// How a function is run: what `martlet deploy` was told on the command line, or finds in the `function.toml` of the package's
/// folder. nil leaves a setting as it is, or at its default for a new function.
struct FunctionFile: Hashable, Sendable {
    static let name = "function.toml"
    private static let maximumBytes = 65_536
    private static let keys = [
        "name", "runtime", "handler", "memory", "timeout", "ephemeral_storage", "layers", "isolation", "network", "concurrency", "url",
    ]
    private static let tables = ["env", "tags"]

    var name: String?
    var runtime: String?
    var handler: String?
    /// MB.
    var memory: Int?
    /// Seconds.
    var timeout: Int?
    /// MB.
    var ephemeralStorage: Int?
    /// ARNs of layer versions.
    var layers: [String]?
    var isolation: DeployCommand.IsolationWish?
    var network: DeployCommand.NetworkWish?
    var concurrency: Int?
    var url: DeployCommand.URLWish?
    /// Replaces all variables.
    var env: [String: String]?
    /// Added to those that the function has.
    var tags: [String: String]?

    init() {}

    /// - Throws: `CommandFailure` that names file and line.
    init(parsing bytes: [UInt8], path: String) throws {
        do throws(TOMLText.Fault) {
            for expression in try TOMLText.expressions(bytes) {
                switch expression {
                case .table(let name, let line): try begin(name, line)
                case .entry(let entry): try take(entry)
                }
            }
        } catch {
            throw CommandFailure("\(path), \(error)")
        }
    }

    /// That of a folder; one without settings where there is none, or no folder.
    static func load(_ folder: String) throws -> FunctionFile {
        let path = "\(folder)/\(name)"
        guard LocalFile.info(folder)?.kind == .directory, LocalFile.info(path) != nil else { return FunctionFile() }
        return try FunctionFile(parsing: LocalFile.read(path, limit: maximumBytes), path: path)
    }

    /// - Returns: with what `other` says in the place of its own.
    func overridden(by other: FunctionFile) -> FunctionFile {
        var result = self
        result.name = other.name ?? name
        result.runtime = other.runtime ?? runtime
        result.handler = other.handler ?? handler
        result.memory = other.memory ?? memory
        result.timeout = other.timeout ?? timeout
        result.ephemeralStorage = other.ephemeralStorage ?? ephemeralStorage
        result.layers = other.layers ?? layers
        result.isolation = other.isolation ?? isolation
        result.network = other.network ?? network
        result.concurrency = other.concurrency ?? concurrency
        result.url = other.url ?? url
        result.env = other.env ?? env
        result.tags = other.tags ?? tags
        return result
    }

    // MARK: Reading

    /// A table that is there says something without an entry, too: that there are to be none.
    private mutating func begin(_ table: String, _ line: Int) throws(TOMLText.Fault) {
        switch table {
        case "env": env = [:]
        case "tags": tags = [:]
        default:
            throw TOMLText.Fault(line: line, reason: "unknown table [\(table)]\(suggestion(table, among: Self.tables)); there are [env] and [tags]")
        }
    }

    private mutating func take(_ entry: TOMLText.Entry) throws(TOMLText.Fault) {
        switch (entry.table, entry.key) {
        case ("env", let key): env?[key] = try Self.plain(entry)
        case ("tags", let key): tags?[key] = try Self.plain(entry)
        case ("", "name"): name = try Self.functionName(entry)
        case ("", "runtime"): runtime = try Self.text(entry)
        case ("", "handler"): handler = try Self.text(entry)
        case ("", "memory"): memory = try Self.integer(entry, 128...10_240, "MB")
        case ("", "timeout"): timeout = try Self.integer(entry, 1...900, "seconds")
        case ("", "ephemeral_storage"): ephemeralStorage = try Self.integer(entry, 512...10_240, "MB")
        case ("", "layers"): layers = try Self.texts(entry)
        case ("", "isolation"): isolation = try Self.word(entry)
        case ("", "network"): network = try Self.word(entry)
        case ("", "concurrency"): concurrency = try Self.integer(entry, 0...Int(Int32.max), "invocations at once")
        case ("", "url"): url = try Self.word(entry)
        case (_, let key):
            let known = Self.keys + Self.tables.map { "[\($0)]" }
            throw Self.fault(entry, "unknown setting \(key)\(suggestion(key, among: Self.keys)); there are \(known.joined(separator: ", "))")
        }
    }

    private static func fault(_ entry: TOMLText.Entry, _ reason: String) -> TOMLText.Fault { TOMLText.Fault(line: entry.line, reason: reason) }

    /// Of an environment variable or a tag, which are texts however they are written.
    private static func plain(_ entry: TOMLText.Entry) throws(TOMLText.Fault) -> String {
        switch entry.value {
        case .text(let text): return text
        case .integer(let number): return "\(number)"
        case .boolean(let flag): return "\(flag)"
        case .texts: throw fault(entry, "\(entry.key) must be one text in quotes")
        }
    }

    private static func text(_ entry: TOMLText.Entry) throws(TOMLText.Fault) -> String {
        guard case .text(let text) = entry.value else { throw fault(entry, "\(entry.key) must be a text in quotes") }
        return text
    }

    private static func functionName(_ entry: TOMLText.Entry) throws(TOMLText.Fault) -> String {
        let text = try text(entry)
        guard DeployCommand.isName(text) else { throw fault(entry, "\(text) is no function name: use 1 to 64 letters, digits, - and _") }
        return text
    }

    private static func texts(_ entry: TOMLText.Entry) throws(TOMLText.Fault) -> [String] {
        guard case .texts(let texts) = entry.value else { throw fault(entry, "\(entry.key) must be an array of texts, such as [\"…\", \"…\"]") }
        return texts
    }

    private static func word<Word: RawRepresentable<String> & CaseIterable>(_ entry: TOMLText.Entry) throws(TOMLText.Fault) -> Word {
        let text = try text(entry)
        guard let word = Word(rawValue: text) else {
            throw fault(entry, "\(entry.key) must be one of \(Word.allCases.map(\.rawValue).joined(separator: ", ")), not \(text)")
        }
        return word
    }

    private static func integer(_ entry: TOMLText.Entry, _ range: ClosedRange<Int>, _ unit: String) throws(TOMLText.Fault) -> Int {
        guard case .integer(let number) = entry.value, range.contains(number) else {
            throw fault(entry, "\(entry.key) must be a whole number from \(range.lowerBound) to \(range.upperBound) (\(unit))")
        }
        return number
    }
}

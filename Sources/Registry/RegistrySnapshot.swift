public import FunctionModel

/// All functions at one moment, immutable; the data plane reads it without asking anyone.
public final class RegistrySnapshot: Sendable {
    /// Rises with every change; a subscriber that sees a lower one than it has may ignore it.
    public let generation: UInt64
    public let functions: [FunctionKey: FunctionRecord]
    /// By `FunctionURL.id`.
    public let urls: [String: FunctionKey]
    /// By function name, for functions that have a URL. Where accounts or regions share a name, the oldest URL has it
    /// and the others answer under their ID.
    public let urlNames: [String: FunctionKey]

    public static let empty = RegistrySnapshot(generation: 0, functions: [:])

    public init(generation: UInt64, functions: [FunctionKey: FunctionRecord]) {
        self.generation = generation
        self.functions = functions
        var urls: [String: FunctionKey] = [:]
        var names: [String: (key: FunctionKey, created: Int64)] = [:]
        for (key, record) in functions {
            guard let url = record.url else { continue }
            urls[url.id] = key
            if let other = names[key.name], (other.created, other.key.description) < (url.created, key.description) { continue }
            names[key.name] = (key, url.created)
        }
        self.urls = urls
        urlNames = names.mapValues(\.key)
    }

    /// The function behind `/fn/NAME` or `/fn/URL-ID`.
    public func urlTarget(_ nameOrID: String) -> FunctionRecord? {
        (urlNames[nameOrID] ?? urls[nameOrID]).flatMap { functions[$0] }
    }

    /// For host names, which browsers send in lower case; looks at every name, so ask `urlTarget` first.
    public func urlTarget(ignoringCase name: String) -> FunctionRecord? {
        let wanted = name.lowercased()
        return urlNames.keys.filter { $0.lowercased() == wanted }.min().flatMap { urlTarget($0) }
    }

    /// - Throws: `.resourceNotFound`, with the nearest name where one is near.
    public func record(_ key: FunctionKey) throws(ServiceError) -> FunctionRecord {
        guard let record = functions[key] else { throw unknown(key) }
        return record
    }

    /// - Throws: `.resourceNotFound` for an unknown function, version or alias.
    public func version(_ key: FunctionKey, qualifier: String?) throws(ServiceError) -> FunctionVersion {
        let record = try record(key)
        guard let version = record.version(qualifier: qualifier) else {
            throw record.unknown(qualifier: qualifier ?? "")
        }
        return version
    }

    /// The error for a function that is not there, with a hint at what may have been meant.
    public func unknown(_ key: FunctionKey) -> ServiceError {
        var message = "Function not found: \(key.arn)"
        let elsewhere = functions.keys.filter { $0.account == key.account && $0.name == key.name }.map(\.region).min()
        if let elsewhere {
            message += "; region \(elsewhere) has a function of this name (set AWS_REGION=\(elsewhere))"
        } else if let near = NameDistance.nearest(to: key.name, among: names(account: key.account, region: key.region)) {
            message += "; did you mean '\(near)'?"
        }
        return ServiceError(.resourceNotFound, message)
    }

    /// For an unknown name under `/fn/`.
    public func unknownURL(_ name: String) -> ServiceError {
        var message = "no function URL for '\(name.prefix(128))'"
        if let near = NameDistance.nearest(to: name, among: urlNames.keys) { message += "; did you mean '\(near)'?" }
        return ServiceError(.resourceNotFound, message)
    }

    private func names(account: String, region: String) -> some Sequence<String> {
        functions.keys.lazy.filter { $0.account == account && $0.region == region }.map(\.name)
    }
}

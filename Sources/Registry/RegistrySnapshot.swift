public import FunctionModel

/// All functions at one moment, immutable; the data plane reads it without asking anyone.
public final class RegistrySnapshot: Sendable {
    /// Rises with every change; a subscriber that sees a lower one than it has may ignore it.
    public let generation: UInt64
    public let functions: [FunctionKey: FunctionRecord]
    /// Whose URL it is, by `FunctionURL.id`; `alias` is nil for a function's own.
    public let urls: [String: (key: FunctionKey, alias: String?)]

    /// Sums of what functions have reserved, by account.
    public let reservedConcurrency: [String: Int]

    public static let empty = RegistrySnapshot(generation: 0, functions: [:])

    public init(generation: UInt64, functions: [FunctionKey: FunctionRecord]) {
        self.generation = generation
        self.functions = functions
        var urls: [String: (key: FunctionKey, alias: String?)] = [:]
        var reserved: [String: Int] = [:]
        for (key, record) in functions {
            if let own = record.reservedConcurrency { reserved[key.account, default: 0] += own }
            if let url = record.url { urls[url.id] = (key, nil) }
            for (alias, url) in record.aliasURLs { urls[url.id] = (key, alias) }
        }
        self.urls = urls
        reservedConcurrency = reserved
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

    /// The version that something is to send events to which cannot name a tenant.
    /// - Parameter feature: what sends them, as the beginning of a sentence: `A webhook`.
    /// - Throws: `.resourceNotFound` as above, `.invalidParameterValue` for a function with TenancyConfig.
    @discardableResult
    public func eventTarget(_ key: FunctionKey, qualifier: String?, of feature: String) throws(ServiceError) -> FunctionVersion {
        let version = try version(key, qualifier: qualifier)
        try record(key).refuseTenancy(for: feature)
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

    private func names(account: String, region: String) -> some Sequence<String> {
        functions.keys.lazy.filter { $0.account == account && $0.region == region }.map(\.name)
    }
}

public import FunctionModel

/// A function URL and what it runs.
public struct FunctionURLOwner: Sendable {
    public let record: FunctionRecord
    public let url: FunctionURL
    /// An alias, a version where the path names one, or nil for the function itself.
    public let qualifier: String?
}

extension RegistrySnapshot {
    /// The URL behind `/fn/NAME[:QUALIFIER]`, which means a function of the account and region given, or `/fn/URL-ID`.
    ///
    /// An alias answers under its own URL where it has one, and a version under the function's.
    public func url(_ nameOrID: String, qualifier: String? = nil, account: String, region: String) -> FunctionURLOwner? {
        if let record = functions[FunctionKey(account: account, region: region, name: nameOrID)],
            let url = qualifier.flatMap({ record.aliasURLs[$0] }) ?? record.url
        {
            return FunctionURLOwner(record: record, url: url, qualifier: qualifier)
        }
        return url(id: nameOrID, qualifier: qualifier)
    }

    /// For host names, which browsers send in lower case; looks at every function, so ask `url` first.
    public func url(ignoringCase name: String, account: String, region: String) -> FunctionURLOwner? {
        let wanted = name.lowercased()
        let key = functions.values
            .filter { $0.key.account == account && $0.key.region == region && $0.url != nil && $0.key.name.lowercased() == wanted }
            .map(\.key.name).min()
        return key.flatMap { url($0, account: account, region: region) } ?? url(id: wanted, qualifier: nil)
    }

    private func url(id: String, qualifier: String?) -> FunctionURLOwner? {
        guard let place = urls[id], let record = functions[place.key] else { return nil }
        guard let alias = place.alias else { return record.url.map { FunctionURLOwner(record: record, url: $0, qualifier: qualifier) } }
        // The alias is the qualifier: there is no other within it.
        guard qualifier == nil || qualifier == alias else { return nil }
        return record.aliasURLs[alias].map { FunctionURLOwner(record: record, url: $0, qualifier: alias) }
    }

    /// For an unknown name under `/fn/`.
    public func unknownURL(_ name: String, account: String, region: String) -> ServiceError {
        var message = "no function URL for '\(name.prefix(128))'"
        let names = functions.values.lazy.filter { $0.key.account == account && $0.key.region == region && $0.url != nil }.map(\.key.name)
        if let near = NameDistance.nearest(to: name, among: names) { message += "; did you mean '\(near)'?" }
        return ServiceError(.resourceNotFound, message)
    }
}

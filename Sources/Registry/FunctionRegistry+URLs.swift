public import FunctionModel

/// What UpdateFunctionUrlConfig may change; nil leaves a member as it is.
public struct FunctionURLChange: Sendable {
    public var authType: URLAuthType?
    public var invokeMode: URLInvokeMode?
    /// `.some(nil)` leaves the answer to web pages to the function.
    public var cors: CORSPolicy??

    public init(authType: URLAuthType? = nil, invokeMode: URLInvokeMode? = nil, cors: CORSPolicy?? = nil) {
        self.authType = authType
        self.invokeMode = invokeMode
        self.cors = cors
    }
}

/// The URLs of a function and its aliases. `alias` is nil for the function's own.
extension FunctionRegistry {
    /// - Throws: `.resourceConflict` if it has one, `.resourceNotFound` for an unknown function or alias.
    public func createURL(
        _ key: FunctionKey, alias: String? = nil, authType: URLAuthType, invokeMode: URLInvokeMode = .buffered, cors: CORSPolicy? = nil
    ) async throws -> FunctionURL {
        try await exclusively {
            var record = try self.snapshot.record(key)
            try record.checkURLAlias(alias)
            try record.refuseTenancy(for: "A function URL")
            guard record.url(of: alias) == nil else {
                let arn = alias.map { "\(key.arn):\($0)" } ?? key.arn
                throw ServiceError(
                    .resourceConflict,
                    "Failed to create function url config for [functionArn = \(arn)]. Error message:  FunctionUrlConfig exists for this Lambda function")
            }
            let time = self.now()
            let url = FunctionURL(id: self.newURLID(), authType: authType, invokeMode: invokeMode, cors: cors, created: time, modified: time)
            record.setURL(url, of: alias)
            try await self.commit(record)
            return url
        }
    }

    public func updateURL(_ key: FunctionKey, alias: String? = nil, _ change: FunctionURLChange) async throws -> FunctionURL {
        try await exclusively {
            var record = try self.snapshot.record(key)
            var url = try Self.url(of: record, alias: alias)
            if let authType = change.authType { url.authType = authType }
            if let invokeMode = change.invokeMode { url.invokeMode = invokeMode }
            if let cors = change.cors { url.cors = cors }
            url.modified = self.now()
            record.setURL(url, of: alias)
            try await self.commit(record)
            return url
        }
    }

    public func deleteURL(_ key: FunctionKey, alias: String? = nil) async throws {
        try await exclusively {
            var record = try self.snapshot.record(key)
            _ = try Self.url(of: record, alias: alias)
            record.setURL(nil, of: alias)
            try await self.commit(record)
        }
    }

    /// - Throws: `.resourceNotFound` when it has none.
    public static func url(of record: FunctionRecord, alias: String? = nil) throws(ServiceError) -> FunctionURL {
        try record.checkURLAlias(alias)
        guard let url = record.url(of: alias) else {
            throw ServiceError(
                .resourceNotFound,
                "The resource you requested does not exist: \(alias.map { "\(record.key.name):\($0)" } ?? record.key.name) has no function URL")
        }
        return url
    }

    /// 32 letters and digits, as on Lambda.
    private func newURLID() -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        while true {
            let id = String(decoding: (0..<32).map { _ in letters[Int.random(in: 0..<32)] }, as: UTF8.self)
            if snapshot.urls[id] == nil { return id }
        }
    }
}

extension FunctionRecord {
    public func url(of alias: String?) -> FunctionURL? { alias.map { aliasURLs[$0] } ?? url }

    fileprivate mutating func setURL(_ url: FunctionURL?, of alias: String?) {
        if let alias { aliasURLs[alias] = url } else { self.url = url }
    }

    fileprivate func checkURLAlias(_ alias: String?) throws(ServiceError) {
        if let alias, aliases[alias] == nil {
            throw ServiceError(.resourceNotFound, "The resource you requested does not exist: \(key.name) has no alias '\(alias)'")
        }
    }
}

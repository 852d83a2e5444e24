import AccessControl
public import FunctionModel
import LambdaAPI
import NIOCore
import Registry

/// Addresses of functions and of their aliases.
extension LambdaRoutes {
    var urlRoutes: [ControlRoute] {
        let path = "/2021-10-31/functions/{FunctionName}/url"
        return [
            ControlRoute("POST", path) { request in
                let target = try Self.urlTarget(request)
                let wanted = try request.decode(FunctionURLConfigRequest.self).validated(creating: true)
                let url = try await registry.createURL(
                    target.key, alias: target.qualifier, authType: wanted.authType ?? .iam, invokeMode: wanted.invokeMode ?? .buffered,
                    cors: wanted.cors ?? nil)
                return try .json(response(target, url), status: 201)
            },
            ControlRoute("GET", path) { request in
                let target = try Self.urlTarget(request)
                let record = try await registry.snapshot.record(target.key)
                return try .json(response(target, FunctionRegistry.url(of: record, alias: target.qualifier)))
            },
            ControlRoute("PUT", path) { request in
                let target = try Self.urlTarget(request)
                let wanted = try request.decode(FunctionURLConfigRequest.self).validated(creating: false)
                let url = try await registry.updateURL(
                    target.key, alias: target.qualifier,
                    FunctionURLChange(authType: wanted.authType, invokeMode: wanted.invokeMode, cors: wanted.cors))
                return try .json(response(target, url))
            },
            ControlRoute("DELETE", path) { request in
                let target = try Self.urlTarget(request)
                try await registry.deleteURL(target.key, alias: target.qualifier)
                return .noContent
            },
            ControlRoute("GET", "/2021-10-31/functions/{FunctionName}/urls") { try await listURLs($0) },
        ]
    }

    /// The function's own, then those of its aliases by name. `Marker` is the last ID of the page before.
    private func listURLs(_ request: ControlRequest) async throws -> ControlResponse {
        let key = try Self.unqualified(request)
        let record = try await registry.snapshot.record(key)
        let size = try request.integer("MaxItems", in: 1...50) ?? 50
        var urls = record.url.map { [(alias: String?.none, url: $0)] } ?? []
        urls += record.aliasURLs.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        var rest = urls[...]
        if let marker = request.value("Marker"), !marker.isEmpty {
            guard let last = urls.firstIndex(where: { $0.url.id == marker }) else {
                throw ServiceError(.invalidParameterValue, "Marker '\(marker.prefix(200))' is not one that a list has given: begin again without it")
            }
            rest = rest[(last + 1)...]
        }
        let page = rest.prefix(size)
        return try .json(
            ListFunctionURLConfigsResponse(
                functionUrlConfigs: page.map { response(FunctionTarget(key: key, qualifier: $0.alias), $0.url) },
                nextMarker: page.count < rest.count ? page.last?.url.id : nil))
    }

    private func response(_ target: FunctionTarget, _ url: FunctionURL) -> FunctionURLConfigResponse {
        FunctionURLConfigResponse(key: target.key, alias: target.qualifier, url: url, address: addresses.address(of: url, target.key, alias: target.qualifier))
    }

    /// A URL is the function's or an alias's, never a version's.
    private static func urlTarget(_ request: ControlRequest) throws(ServiceError) -> FunctionTarget {
        let target = try target(request)
        if let qualifier = target.qualifier, !FunctionAlias.isName(qualifier) {
            var validation = Validation()
            validation.fail(qualifier, "qualifier", .pattern("((?!^\\d+$)^[0-9a-zA-Z-_]+$)"))
            try validation.check()
        }
        return target
    }
}

/// Where function URLs are reached.
public struct FunctionURLAddresses: Sendable {
    private let baseURL: String
    private let account: String
    private let region: String

    /// - Parameters:
    ///   - baseURL: without a closing slash.
    ///   - defaults: the account and region whose functions are reached under their names.
    public init(baseURL: String, defaults: (account: String, region: String)) {
        self.baseURL = baseURL
        (account, region) = defaults
    }

    /// Under its name for a function of the default account and region, else under the URL's ID.
    public func address(of url: FunctionURL, _ key: FunctionKey, alias: String? = nil) -> String {
        if key.account == account, key.region == region, alias == nil { return "\(baseURL)/fn/\(key.name)/" }
        let port = baseURL.split(separator: ":").last.flatMap { Int($0) }.map { ":\($0)" } ?? ""
        return "\(baseURL.hasPrefix("https:") ? "https" : "http")://\(url.id)\(RequestRoute.hostSuffix)\(port)/"
    }
}

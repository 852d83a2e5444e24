import FunctionModel
import JSONValues
public import Tenants

/// Tenants and their access keys, below `/martlet/v1`, for the operator alone.
public struct TenantRoutes: Sendable {
    private let tenants: TenantRegistry

    public init(_ tenants: TenantRegistry) { self.tenants = tenants }

    public var all: [ControlRoute] {
        let path = "/martlet/v1/tenants"
        let keys = "/martlet/v1/keys"
        return [
            ControlRoute("POST", path, access: .operator) { request in
                let wanted = try request.decode(Creation.self)
                return Self.answer(Self.form(try await tenants.create(name: wanted.name, account: wanted.account)), status: 201)
            },
            ControlRoute("GET", path, access: .operator) { _ in
                let found = await tenants.list()
                return Self.answer(.object([.init("tenants", .array(found.map { Self.form($0.tenant, keys: $0.keys) }))]))
            },
            ControlRoute("POST", "\(path)/{Tenant}/suspend", access: .operator) { request in
                Self.answer(Self.form(try await tenants.setSuspended(true, tenant: request.parameters["Tenant"] ?? "")))
            },
            ControlRoute("POST", "\(path)/{Tenant}/resume", access: .operator) { request in
                Self.answer(Self.form(try await tenants.setSuspended(false, tenant: request.parameters["Tenant"] ?? "")))
            },
            ControlRoute("POST", "\(path)/{Tenant}/keys", access: .operator) { request in
                let wanted = try request.decode(KeyCreation.self)
                let key = try await tenants.createKey(
                    of: request.parameters["Tenant"] ?? "", lifetime: try Self.milliseconds(wanted.expiresInSeconds, "expiresInSeconds"))
                return Self.answer(Self.form(key, withSecret: true), status: 201)
            },
            ControlRoute("GET", keys, access: .operator) { request in
                let found = try await tenants.keys(of: request.value("tenant"))
                return Self.answer(.object([.init("keys", .array(found.map { Self.form($0.key, tenant: $0.tenant) }))]))
            },
            ControlRoute("POST", "\(keys)/{KeyID}/rotate", access: .operator) { request in
                let wanted = try request.decode(Rotation.self)
                let overlap = try Self.milliseconds(wanted.overlapSeconds, "overlapSeconds") ?? 3_600_000
                let key = try await tenants.rotateKey(request.parameters["KeyID"] ?? "", overlap: overlap)
                return Self.answer(Self.form(key, withSecret: true), status: 201)
            },
            ControlRoute("DELETE", "\(keys)/{KeyID}", access: .operator) { request in
                try await tenants.revokeKey(request.parameters["KeyID"] ?? "")
                return .noContent
            },
        ]
    }

    private struct Creation: Decodable {
        var name: String
        var account: String?
    }

    private struct KeyCreation: Decodable { var expiresInSeconds: Int64? }

    private struct Rotation: Decodable { var overlapSeconds: Int64? }

    private static func milliseconds(_ seconds: Int64?, _ member: String) throws(ServiceError) -> Int64? {
        guard let seconds else { return nil }
        guard (0...TenantRegistry.longestOverlap / 1_000).contains(seconds) else {
            throw ServiceError(.invalidParameterValue, "\(member) must be a number of seconds from 0 to \(TenantRegistry.longestOverlap / 1_000)")
        }
        return seconds * 1_000
    }

    private static func form(_ tenant: Tenant, keys: Int? = nil) -> JSON {
        var members: [JSON.Member] = [
            .init("account", .string(tenant.account)), .init("name", .string(tenant.name)),
            .init("state", .string(tenant.isSuspended ? "suspended" : "active")), .init("created", .integer(Int(tenant.created))),
        ]
        if let keys { members.append(.init("keys", .integer(keys))) }
        return .object(members)
    }

    /// - Parameter withSecret: only in the answer to who made it.
    private static func form(_ key: AccessKey, tenant: Tenant? = nil, withSecret: Bool = false) -> JSON {
        var members: [JSON.Member] = [
            .init("accessKeyId", .string(key.id)), .init("account", .string(key.account)), .init("created", .integer(Int(key.created))),
            .init("expires", key.expires.map { .integer(Int($0)) } ?? .null),
        ]
        if let tenant { members.insert(.init("tenant", .string(tenant.name)), at: 1) }
        if withSecret {
            members.append(.init("secretAccessKey", .string(key.secret)))
            if let token = key.sessionToken { members.append(.init("sessionToken", .string(token))) }
        }
        return .object(members)
    }

    private static func answer(_ value: JSON, status: Int = 200) -> ControlResponse { .json(text: Array(value.text().utf8), status: status) }
}

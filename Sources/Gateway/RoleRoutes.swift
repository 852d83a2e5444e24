import FunctionModel
import JSONValues
public import Roles

/// The policy documents of a tenant's roles, below `/martlet/v1`.
public struct RoleRoutes: Sendable {
    private static let path = "/martlet/v1/roles"
    private let roles: RoleRegistry

    public init(_ roles: RoleRegistry) { self.roles = roles }

    public var all: [ControlRoute] {
        [
            ControlRoute("GET", Self.path) { request in
                let found = await roles.roles(of: request.caller.account)
                return Self.answer(.object([.init("roles", .array(found.map { Self.form($0.name, $0.policy) }))]))
            },
            ControlRoute("GET", "\(Self.path)/{Role}") { request in
                let role = Self.role(request)
                return Self.answer(Self.form(role.name, try await roles.policy(of: role)))
            },
            ControlRoute("PUT", "\(Self.path)/{Role}") { request in
                let role = Self.role(request)
                try await roles.set(String(decoding: request.body.readableBytesView, as: UTF8.self), for: role)
                return Self.answer(Self.form(role.name, try await roles.policy(of: role)))
            },
            ControlRoute("DELETE", "\(Self.path)/{Role}") { request in
                try await roles.remove(Self.role(request))
                return .noContent
            },
        ]
    }

    private static func role(_ request: ControlRequest) -> RoleKey { RoleKey(account: request.caller.account, name: request.parameters["Role"] ?? "") }

    private static func form(_ name: String, _ policy: RolePolicy) -> JSON {
        .object([.init("role", .string(name)), .init("policy", (try? JSON(parsing: policy.text)) ?? .null)])
    }

    private static func answer(_ value: JSON) -> ControlResponse { .json(text: Array(value.text().utf8)) }
}

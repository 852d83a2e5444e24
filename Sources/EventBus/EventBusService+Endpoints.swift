import DurableQueue
import FoundationEssentials
import FunctionModel
import JSONValues

/// Connections and API destinations.
extension EventBusService {
    private static let methods = ["POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"]

    private func endpointKey(_ kind: EndpointKey.Kind, _ members: Members, _ caller: Caller) throws(EventBusError) -> EndpointKey {
        EndpointKey(kind, account: caller.account, region: caller.region, name: try members.name("Name", maximum: 64))
    }

    private func endpoint(_ key: EndpointKey) throws(EventBusError) -> StoredEndpoint {
        guard let found = registry.table.endpoints[key] else { throw Self.noEndpoint(key) }
        return found
    }

    private static func noEndpoint(_ key: EndpointKey) -> EventBusError {
        EventBusError(.resourceNotFound, "Failed to describe the \(key.kind.rawValue)(s). \(key.kind.rawValue) '\(key.name)' does not exist.")
    }

    private func keep(_ key: EndpointKey, creating: Bool, _ definition: JSON) async throws -> StoredEndpoint {
        let (time, id) = (now(), RequestID.random().description)
        return try await registry.changeEndpoint(key) { old throws(EventBusError) in
            if creating, old != nil { throw EventBusError(.resourceAlreadyExists, "\(key.kind.rawValue) '\(key.name)' already exists.") }
            if !creating, old == nil { throw Self.noEndpoint(key) }
            return StoredEndpoint(key: key, id: old?.id ?? id, definition: definition, created: old?.created ?? time, modified: time)
        }
    }

    private static func times(_ endpoint: StoredEndpoint) -> [JSON.Member] {
        [.init("CreationTime", .number(seconds(endpoint.created))), .init("LastModifiedTime", .number(seconds(endpoint.modified)))]
    }

    // MARK: Connections

    func createConnection(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try endpointKey(.connection, members, caller)
        let definition = try Self.connection(members)
        let made = try await keep(key, creating: true, definition)
        return .object([.init("ConnectionArn", .string(made.arn)), .init("ConnectionState", .string("AUTHORIZED"))] + Self.times(made))
    }

    private static func connection(_ members: Members) throws(EventBusError) -> JSON {
        guard let type = try members.text("AuthorizationType"), let parameters = try members.object("AuthParameters") else {
            throw .invalid("AuthorizationType and AuthParameters must be specified.")
        }
        let (name, fields): (String, [String])
        switch type {
        case "API_KEY": (name, fields) = ("ApiKeyAuthParameters", ["ApiKeyName", "ApiKeyValue"])
        case "BASIC": (name, fields) = ("BasicAuthParameters", ["Username", "Password"])
        default: throw .invalid("AuthorizationType \(type.prefix(64)) is not supported by Martlet: API_KEY and BASIC are.")
        }
        if let other = parameters.members.first(where: { $0.name != name && $0.value != .null }) {
            throw .invalid("\(other.name.prefix(64)) of AuthParameters is not supported by Martlet with \(type).")
        }
        guard let given = try Members(parameters).object(name) else { throw .invalid("AuthParameters needs \(name).") }
        var values: [JSON.Member] = []
        for field in fields {
            let value = try Members(given).required(field, maximum: 512)
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }), field != "ApiKeyName" || HTTPText.isToken(value) else {
                throw .invalid("\(field) has characters that a header cannot have.")
            }
            values.append(.init(field, .string(value)))
        }
        let description = try members.text("Description", maximum: 512)
        return .object(
            [.init("AuthorizationType", .string(type)), .init("AuthParameters", .object([.init(name, .object(values))]))]
                + optional([("Description", description)]))
    }

    /// Without its secrets.
    func describeConnection(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let found = try endpoint(try endpointKey(.connection, members, caller))
        let parameters = (found.definition["AuthParameters"]?.members ?? []).map { method in
            JSON.Member(method.name, .object(method.value.members.filter { $0.name != "ApiKeyValue" && $0.name != "Password" }))
        }
        let shown = found.definition.members.filter { $0.name != "AuthParameters" }
        return .object(Self.connectionForm(found) + shown.filter { $0.name == "Description" } + [.init("AuthParameters", .object(parameters))])
    }

    private static func connectionForm(_ endpoint: StoredEndpoint) -> [JSON.Member] {
        [
            .init("ConnectionArn", .string(endpoint.arn)), .init("Name", .string(endpoint.key.name)), .init("ConnectionState", .string("AUTHORIZED")),
            .init("AuthorizationType", endpoint.definition["AuthorizationType"] ?? .null),
        ] + times(endpoint)
    }

    func listConnections(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let (page, token) = try endpointPage(.connection, members, caller)
        return .object([.init("Connections", .array(page.map { .object(Self.connectionForm($0)) }))] + token)
    }

    func deleteConnection(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try endpointKey(.connection, members, caller)
        let deleted = try await registry.deleteEndpoint(key)
        guard let deleted else { throw Self.noEndpoint(key) }
        return .object([.init("ConnectionArn", .string(deleted.arn)), .init("ConnectionState", .string("DELETING"))] + Self.times(deleted))
    }

    private func endpointPage(
        _ kind: EndpointKey.Kind, _ members: Members, _ caller: Caller
    ) throws(EventBusError) -> (page: ArraySlice<StoredEndpoint>, token: [JSON.Member]) {
        let prefix = try members.text("NamePrefix", maximum: 64) ?? ""
        let all = registry.table.endpoints.values.filter {
            $0.key.kind == kind && $0.key.account == caller.account && $0.key.region == caller.region && $0.key.name.hasPrefix(prefix)
        }
        return try page(all.sorted { $0.key.name < $1.key.name }, members, name: \.key.name)
    }

    // MARK: API destinations

    func createAPIDestination(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try endpointKey(.destination, members, caller)
        let definition = try destination(members, caller, old: nil)
        let time = now()
        _ = try await store.create(QueueRecord(key: key.queue, kind: .internal, created: time, modified: time))
        return Self.destinationState(try await keep(key, creating: true, definition))
    }

    func updateAPIDestination(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try endpointKey(.destination, members, caller)
        let definition = try destination(members, caller, old: try endpoint(key).definition)
        return Self.destinationState(try await keep(key, creating: false, definition))
    }

    private static func destinationState(_ endpoint: StoredEndpoint) -> JSON {
        .object([.init("ApiDestinationArn", .string(endpoint.arn)), .init("ApiDestinationState", .string("ACTIVE"))] + times(endpoint))
    }

    /// - Parameter old: what stays where the request says nothing.
    private func destination(_ members: Members, _ caller: Caller, old: JSON?) throws(EventBusError) -> JSON {
        func given(_ name: String, maximum: Int) throws(EventBusError) -> String? { try members.text(name, maximum: maximum) ?? old?[name]?.string }
        guard let connection = try given("ConnectionArn", maximum: 1_600), let url = try given("InvocationEndpoint", maximum: 2_048) else {
            throw .invalid("ConnectionArn and InvocationEndpoint must be specified.")
        }
        guard let key = EndpointKey(arn: connection), key.kind == .connection, key.account == caller.account, key.region == caller.region,
            registry.table.endpoints[key]?.arn == connection
        else { throw EventBusError(.resourceNotFound, "Connection \(connection.prefix(200)) does not exist.") }
        _ = try EndpointURL(url)
        guard let method = try members.choice("HttpMethod", Self.methods) ?? old?["HttpMethod"]?.string else {
            throw .invalid("HttpMethod must be specified.")
        }
        let rate = try members.integer("InvocationRateLimitPerSecond", in: 1...300) ?? old?["InvocationRateLimitPerSecond"]?.integer ?? 300
        return .object(
            Self.optional([
                ("Description", try given("Description", maximum: 512)), ("ConnectionArn", connection), ("InvocationEndpoint", url),
                ("HttpMethod", method),
            ]) + [.init("InvocationRateLimitPerSecond", .integer(rate))])
    }

    private static func destinationForm(_ endpoint: StoredEndpoint) -> [JSON.Member] {
        [
            .init("ApiDestinationArn", .string(endpoint.arn)), .init("Name", .string(endpoint.key.name)),
            .init("ApiDestinationState", .string("ACTIVE")),
        ] + endpoint.definition.members + times(endpoint)
    }

    func describeAPIDestination(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        .object(Self.destinationForm(try endpoint(try endpointKey(.destination, members, caller))))
    }

    func listAPIDestinations(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let connection = try members.text("ConnectionArn", maximum: 1_600)
        let (page, token) = try endpointPage(.destination, members, caller)
        let shown = page.filter { endpoint in connection.map { endpoint.definition["ConnectionArn"]?.string == $0 } ?? true }
        let forms = shown.map { JSON.object(Self.destinationForm($0).filter { $0.name != "Description" }) }
        return .object([.init("ApiDestinations", .array(forms))] + token)
    }

    /// What waits for it is given up: its rules' dead letters have it when its turn comes.
    func deleteAPIDestination(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try endpointKey(.destination, members, caller)
        guard try await registry.deleteEndpoint(key) != nil else { throw Self.noEndpoint(key) }
        return .object([])
    }
}

internal import JSONValues
internal import SAMTemplates

/// A stack's record on the server, as deployments read and write it.
struct StackState {
    let name: String
    private(set) var revision = 0
    private(set) var recorded: [StackResource.Identity: String] = [:]
    private(set) var retained: Set<StackResource.Identity> = []
    private(set) var outputs: [JSON.Member] = []

    /// Revision 0 where there is none yet.
    init(_ name: String, _ client: APIClient) async throws {
        self.name = name
        guard let found = try await client.find(APIRequest("GET", MartletPaths.stacks + [name]))?.json() else { return }
        revision = found["revision"]?.integer ?? 0
        outputs = (found["document"]?["outputs"] ?? .null).members
        for entry in found["document"]?["resources"]?.array ?? [] {
            guard let kind = entry["kind"]?.string.flatMap(StackResource.Kind.init(rawValue:)), let name = entry["name"]?.string else {
                throw CommandFailure("the stack \(self.name) has a \(entry["kind"]?.plain ?? "resource") that this version of martlet does not know: use a newer one")
            }
            let identity = StackResource.Identity(kind: kind, name: name)
            recorded[identity] = entry["resource"]?.string ?? ""
            if entry["retained"]?.bool == true { retained.insert(identity) }
        }
    }

    /// Writes down what the stack has.
    mutating func save(_ resources: [StackResource.Identity: String], retained: Set<StackResource.Identity>, outputs: [JSON.Member], _ client: APIClient) async throws {
        let entries = resources.sorted { ($0.key.kind, $0.key.name) < ($1.key.kind, $1.key.name) }.map { identity, id in
            JSON.object([
                .init("resource", .string(id)), .init("kind", .string(identity.kind.rawValue)), .init("name", .string(identity.name)),
                .init("retained", .bool(retained.contains(identity))),
            ])
        }
        let document = JSON.object([.init("resources", .array(entries)), .init("outputs", .object(outputs))])
        let saved = try await client.send(
            APIRequest("PUT", MartletPaths.stacks + [name], json: .object([.init("revision", .integer(revision)), .init("document", document)]))).json()
        revision = saved["revision"]?.integer ?? revision + 1
        (recorded, self.retained, self.outputs) = (resources, retained, outputs)
    }

    func delete(_ client: APIClient) async throws {
        try await client.send(APIRequest("DELETE", MartletPaths.stacks + [name], query: [("revision", String(revision))]))
    }
}

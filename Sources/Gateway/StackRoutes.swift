import FunctionModel
import JSONValues
public import StackRecords

/// Records of deployed templates, below /martlet/v1/stacks. They are read and written by who deploys: nothing here acts on them.
public struct StackRoutes: Sendable {
    private let store: any StackRecordStore
    /// Milliseconds since 1970.
    private let now: @Sendable () -> Int64

    public init(store: any StackRecordStore, now: @escaping @Sendable () -> Int64) {
        self.store = store
        self.now = now
    }

    public var all: [ControlRoute] {
        let path = "/martlet/v1/stacks"
        return [
            ControlRoute("GET", path) { request in
                let found = try await store.stackRecords(account: request.caller.account, region: request.caller.region)
                return Self.answer(.object([.init("stacks", .array(found.map { Self.form($0) }))]))
            },
            ControlRoute("GET", "\(path)/{Name}") { request in
                let name = request.parameters["Name"] ?? ""
                guard let found = try await store.stackRecord(name, account: request.caller.account, region: request.caller.region) else {
                    throw ServiceError(.resourceNotFound, "there is no stack '\(name.prefix(128))' in \(request.caller.region)")
                }
                return Self.answer(Self.form(found, withDocument: true))
            },
            ControlRoute("PUT", "\(path)/{Name}") { try await put($0) },
            ControlRoute("DELETE", "\(path)/{Name}") { request in
                let name = request.parameters["Name"] ?? ""
                let revision = try request.integer("revision", in: 1...Int.max) ?? 0
                guard try await store.deleteStackRecord(name, account: request.caller.account, region: request.caller.region, revision: revision) else {
                    throw Self.changed(name)
                }
                return .noContent
            },
        ]
    }

    /// `{"revision": the one that was seen, 0 for none, "document": {…}}`
    private func put(_ request: ControlRequest) async throws -> ControlResponse {
        let name = request.parameters["Name"] ?? ""
        try StackRecord.check(name: name)
        guard let body = try? JSON(parsing: request.body.readableBytesView, maximumDepth: 64), let revision = body["revision"]?.integer, revision >= 0,
            let document = body["document"], case .object = document
        else { throw ServiceError(.invalidParameterValue, "a stack is written as {\"revision\": NUMBER, \"document\": OBJECT}") }
        let text = document.text()
        guard text.utf8.count <= StackRecord.maximumDocument else {
            throw ServiceError(.requestTooLarge, "the stack's record has \(text.utf8.count) bytes, more than \(StackRecord.maximumDocument)")
        }
        let (account, region) = (request.caller.account, request.caller.region)
        if revision == 0 {
            let count = try await store.stackRecords(account: account, region: region).count
            guard count < StackRecord.maximumPerRegion else {
                throw ServiceError(.tooManyRequests, "there are \(count) stacks already, which is the limit of an account and region: delete some")
            }
        }
        let record = StackRecord(account: account, region: region, name: name, revision: revision + 1, document: text, modified: now())
        guard try await store.save(record) else { throw Self.changed(name) }
        return Self.answer(Self.form(record))
    }

    private static func changed(_ name: String) -> ServiceError {
        ServiceError(.resourceConflict, "the stack '\(name.prefix(128))' has been changed by someone else meanwhile: look at it again")
    }

    private static func form(_ record: StackRecord, withDocument: Bool = false) -> JSON {
        var members: [JSON.Member] = [
            .init("name", .string(record.name)), .init("revision", .integer(record.revision)), .init("modified", .integer(record.modified)),
        ]
        if withDocument { members.append(.init("document", (try? JSON(parsing: record.document)) ?? .null)) }
        return .object(members)
    }

    private static func answer(_ value: JSON) -> ControlResponse { .json(text: Array(value.text().utf8)) }
}

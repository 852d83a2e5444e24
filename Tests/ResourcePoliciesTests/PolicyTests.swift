import FunctionModel
import JSONValues
import ResourcePolicies
import Testing

private let owner = "111111111111"
private let friend = "222222222222"
private let function = FunctionKey(account: owner, region: "us-east-1", name: "f")
private let invoke = PolicyCall(account: friend, action: PolicyCall.invoke)

private func statement(_ principal: String, action: String = PolicyCall.invoke, sid: String = "s") -> PolicyStatement {
    PolicyStatement(sid: sid, principal: PolicyStatement.Principal(principal) ?? .everyone, action: action)
}

/// Keeps what it is given, and fails when it is told to.
private actor MemoryStore: PolicyStore {
    var policies: [PolicyResource: ResourcePolicy] = [:]
    var isBroken = false

    func loadPolicies() -> [PolicyResource: ResourcePolicy] { policies }

    func save(_ policy: ResourcePolicy?, for resource: PolicyResource) async throws {
        await Task.yield()
        if isBroken { throw ServiceError(.internalFailure, "broken") }
        policies[resource] = policy
    }

    func breakDown() { isBroken = true }
}

private func code(_ body: () async throws -> Void) async -> ServiceError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? ServiceError)?.code
    }
}

@Suite struct PolicyStatementTests {
    @Test(arguments: [
        "*", friend, "arn:aws:iam::\(friend):root",
    ])
    func letsInWhomItNames(_ principal: String) { #expect(statement(principal).allows(invoke)) }

    @Test(arguments: ["333333333333", "arn:aws:iam::\(friend):user/ada", "arn:aws:iam::\(friend):role/x", "s3.amazonaws.com"])
    func keepsOutWhomItDoesNot(_ principal: String) throws {
        let known = try #require(PolicyStatement.Principal(principal))
        #expect(!PolicyStatement(sid: "s", principal: known, action: "*").allows(invoke))
    }

    @Test(arguments: ["", "ada", "12345678901", "1234567890123", "arn:aws:iam::\(friend)", "arn:aws:iam::\(friend):user/", "arn:aws:s3:::b", "amazonaws.com", "S3.amazonaws.com"])
    func whatIsNoPrincipalIsRefused(_ text: String) { #expect(PolicyStatement.Principal(text) == nil) }

    @Test(arguments: [("*", true), ("lambda:*", true), ("lambda:InvokeFunction", true), ("lambda:GetFunction", false), ("lambda:InvokeFunctionUrl", false)])
    func theActionMustBeTheCalls(_ action: String, _ isAllowed: Bool) { #expect(statement(friend, action: action).allows(invoke) == isAllowed) }

    @Test func aConditionThatTheCallCannotMeetIsNotMet() {
        for change: (inout PolicyStatement) -> Void in [
            { $0.sourceArn = "arn:aws:s3:::b" }, { $0.sourceAccount = friend }, { $0.eventSourceToken = "t" }, { $0.principalOrgID = "o-1234567890" },
            { $0.functionURLAuthType = "AWS_IAM" }, { $0.invokedViaFunctionURL = true }, { $0.invokedViaFunctionURL = false },
        ] {
            var conditional = statement("*", action: "*")
            change(&conditional)
            #expect(!conditional.allows(invoke), "\(conditional)")
        }
    }

    @Test func aURLsAuthTypeIsACondition() {
        var conditional = statement(friend, action: PolicyCall.invokeURL)
        conditional.functionURLAuthType = "AWS_IAM"
        conditional.invokedViaFunctionURL = true
        #expect(conditional.allows(PolicyCall(account: friend, action: PolicyCall.invokeURL, functionURLAuthType: "AWS_IAM")))
        #expect(!conditional.allows(PolicyCall(account: friend, action: PolicyCall.invokeURL, functionURLAuthType: "NONE")))
    }

    @Test func itIsWrittenInTheLanguageOfPolicies() {
        var written = statement("s3.amazonaws.com", sid: "bucket")
        written.sourceArn = "arn:aws:s3:::b"
        written.sourceAccount = owner
        #expect(
            written.json(resource: function.arn).text()
                == #"{"Sid":"bucket","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f","Condition":{"StringEquals":{"AWS:SourceAccount":"111111111111"},"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}"#)
        #expect(statement("*").json(resource: "r")["Principal"]?.string == "*")
    }
}

@Suite struct PolicyRegistryTests {
    private let whole = PolicyResource(function: function, qualifier: nil)
    private let alias = PolicyResource(function: function, qualifier: "live")

    @Test func aPolicyCountsForExactlyWhatItIsFor() async throws {
        let registry = try await PolicyRegistry(store: MemoryStore())
        try await registry.add(statement(friend), to: alias, expectedRevision: nil)
        let snapshot = await registry.snapshot
        #expect(snapshot.allows(invoke, on: alias))
        #expect(!snapshot.allows(invoke, on: whole))
        #expect(!snapshot.allows(invoke, on: PolicyResource(function: function, qualifier: "1")))
    }

    @Test func theLastStatementTakesThePolicyWithIt() async throws {
        let registry = try await PolicyRegistry(store: MemoryStore())
        try await registry.add(statement(friend), to: whole, expectedRevision: nil)
        #expect(await code { try await registry.add(statement("*"), to: whole, expectedRevision: nil) } == .resourceConflict)
        #expect(await code { try await registry.remove("other", from: whole, expectedRevision: nil) } == .resourceNotFound)
        try await registry.remove("s", from: whole, expectedRevision: nil)
        #expect(await code { _ = try await registry.policy(of: whole) } == .resourceNotFound)
    }

    @Test func aRevisionHoldsUntilTheNextChange() async throws {
        let registry = try await PolicyRegistry(store: MemoryStore())
        try await registry.add(statement(friend, sid: "a"), to: whole, expectedRevision: nil)
        let revision = try await registry.policy(of: whole).revision
        try await registry.add(statement(friend, sid: "b"), to: whole, expectedRevision: revision)
        #expect(await code { try await registry.add(statement(friend, sid: "c"), to: whole, expectedRevision: revision) } == .preconditionFailed)
        #expect(await code { try await registry.remove("a", from: whole, expectedRevision: revision) } == .preconditionFailed)
    }

    @Test func aPolicyHasABoundedSize() async throws {
        let registry = try await PolicyRegistry(store: MemoryStore())
        var count = 0
        let refusal = await code {
            while true {
                var large = statement("s3.amazonaws.com", sid: "s\(count)")
                large.sourceArn = "arn:aws:s3:::" + String(repeating: "b", count: 1_000)
                try await registry.add(large, to: whole, expectedRevision: nil)
                count += 1
            }
        }
        #expect(refusal == .policyLengthExceeded && (10..<20).contains(count))
        #expect(try await registry.policy(of: whole).text(resource: whole.arn).utf8.count <= ResourcePolicy.maximumBytes)
    }

    @Test func noneOfManyChangesAtOnceIsLost() async throws {
        let registry = try await PolicyRegistry(store: MemoryStore())
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask { try? await registry.add(statement(friend, sid: "s\(number)"), to: PolicyResource(function: function, qualifier: nil), expectedRevision: nil) }
            }
        }
        #expect(try await registry.policy(of: whole).statements.count == 40)
    }

    @Test func aFunctionThatGoesTakesItsPoliciesWithIt() async throws {
        let store = MemoryStore()
        let registry = try await PolicyRegistry(store: store)
        for resource in [whole, alias] { try await registry.add(statement(friend), to: resource, expectedRevision: nil) }
        try await registry.keepOnly(of: function) { $0 == nil }
        #expect(await registry.snapshot.policies.keys.map(\.qualifier) == [nil])
        try await registry.keepOnly(of: function) { _ in false }
        #expect(await registry.snapshot.policies.isEmpty)
        #expect(await store.policies.isEmpty)
    }

    @Test func whatIsNotDurableIsNotPublished() async throws {
        let store = MemoryStore()
        let registry = try await PolicyRegistry(store: store)
        await store.breakDown()
        #expect(await code { try await registry.add(statement(friend), to: whole, expectedRevision: nil) } == .internalFailure)
        #expect(await registry.snapshot.policies.isEmpty)
    }
}

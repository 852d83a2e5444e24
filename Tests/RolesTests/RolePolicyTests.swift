import FunctionModel
import Roles
import Testing

private let account = "111111111111"
private let orders = "arn:aws:sqs:us-east-1:111111111111:orders"
private let function = FunctionKey(account: account, region: "us-east-1", name: "f")

private func policy(_ statements: String) throws -> RolePolicy {
    try RolePolicy(parsing: #"{"Version":"2012-10-17","Statement":\#(statements)}"#)
}

@Suite struct RolePolicyTests {
    @Test func whatNoStatementAllowsIsNotAllowed() throws {
        let policy = try policy(#"[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"\#(orders)"}]"#)
        #expect(policy.decision("sqs:SendMessage", on: orders) == .allowed)
        #expect(policy.decision("sqs:ReceiveMessage", on: orders) == .notAllowed)
        #expect(policy.decision("sqs:SendMessage", on: "arn:aws:sqs:us-east-1:111111111111:others") == .notAllowed)
        #expect(policy.decision("sqs:SendMessageBatch", on: orders) == .notAllowed)
    }

    @Test func aDenialWinsWhereverItStands() throws {
        let deny = #"{"Effect":"Deny","Action":"sqs:*","Resource":"\#(orders)"}"#, allow = #"{"Effect":"Allow","Action":"*","Resource":"*"}"#
        for statements in ["[\(deny),\(allow)]", "[\(allow),\(deny)]"] {
            let policy = try policy(statements)
            #expect(policy.decision("sqs:SendMessage", on: orders) == .denied)
            #expect(policy.decision("sqs:SendMessage", on: orders + "2") == .allowed)
            #expect(policy.decision("lambda:InvokeFunction", on: orders) == .allowed)
        }
    }

    @Test func whatIsNotKnownIsJudgedAgainstTheCaller() throws {
        let narrow = try policy(#"{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:*:*"}"#)
        #expect(narrow.decision("sqs:ListQueues", on: nil) == .notAllowed)
        let wide = try policy(#"{"Effect":"Allow","Action":"sqs:*","Resource":"*"}"#)
        #expect(wide.decision("sqs:ListQueues", on: nil) == .allowed)
        let denied = try policy(#"[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"sqs:ListQueues","Resource":"\#(orders)"}]"#)
        #expect(denied.decision("sqs:ListQueues", on: nil) == .denied)
        let butOne = try policy(#"{"Effect":"Allow","Action":"*","NotResource":"\#(orders)"}"#)
        #expect(butOne.decision("sqs:ListQueues", on: nil) == .notAllowed)
    }

    @Test(arguments: [
        ("sqs:Send*", "sqs:SendMessage", true), ("sqs:*Message", "sqs:SendMessage", true), ("SQS:sendmessage", "sqs:SendMessage", true),
        ("sqs:Send?essage", "sqs:SendMessage", true), ("sqs:Send?", "sqs:SendMessage", false), ("*", "lambda:InvokeFunction", true),
        ("s*:*", "sqs:SendMessage", true), ("lambda:*", "sqs:SendMessage", false), ("sqs:*a*a*", "sqs:SendMessage", false),
        ("sqs:*s*s*", "sqs:SendMessage", true),
    ])
    func wildcardsOfActions(_ pattern: String, _ action: String, _ isMatch: Bool) throws {
        let policy = try policy(#"{"Effect":"Allow","Action":["\#(pattern)"],"Resource":"*"}"#)
        #expect((policy.decision(action, on: orders) == .allowed) == isMatch)
    }

    @Test(arguments: [
        ("arn:aws:sqs:*:*:orders", orders, true), ("arn:aws:sqs:us-east-1:111111111111:ord*", orders, true), ("arn:aws:*:*:*:*", orders, true),
        ("arn:aws:sqs:us-*:111111111111:Orders", orders, false), ("arn:aws:sqs:us-east-1:?:orders", orders, false),
        // A wildcard does not reach over a colon, but within the last part.
        ("arn:aws:*:111111111111:orders:*", orders, false),
        ("arn:aws:lambda:us-east-1:111111111111:function:*", "arn:aws:lambda:us-east-1:111111111111:function:f:live", true),
        ("arn:aws:lambda:us-east-1:111111111111:function:f", "arn:aws:lambda:us-east-1:111111111111:function:f:live", false),
        ("arn:aws:lambda:us-east-1:111111111111:function:f", "arn:aws:lambda:us-east-1:222222222222:function:f", false),
    ])
    func wildcardsOfResources(_ pattern: String, _ resource: String, _ isMatch: Bool) throws {
        let policy = try policy(#"{"Effect":"Allow","Action":"*","Resource":"\#(pattern)"}"#)
        #expect((policy.decision("sqs:SendMessage", on: resource) == .allowed) == isMatch)
    }

    @Test func allButWhatIsListed() throws {
        let policy = try policy(#"{"Effect":"Allow","NotAction":["sqs:Delete*","lambda:*"],"NotResource":"arn:aws:sqs:*:*:secret*"}"#)
        #expect(policy.decision("sqs:SendMessage", on: orders) == .allowed)
        #expect(policy.decision("sqs:DeleteQueue", on: orders) == .notAllowed)
        #expect(policy.decision("sqs:SendMessage", on: "arn:aws:sqs:us-east-1:111111111111:secrets") == .notAllowed)
    }

    @Test(arguments: [
        ("[]", "object"), ("{", "JSON"), (#"{"Statement":[]}"#, "statements"), (#"{"Version":"1","Statement":[]}"#, "Version"),
        (#"{"Statement":{"Effect":"Maybe","Action":"*","Resource":"*"}}"#, "Effect"),
        (#"{"Statement":{"Effect":"Allow","Resource":"*"}}"#, "Action"), (#"{"Statement":{"Effect":"Allow","Action":"*"}}"#, "Resource"),
        (#"{"Statement":{"Effect":"Allow","Action":"send","Resource":"*"}}"#, "send"),
        (#"{"Statement":{"Effect":"Allow","Action":"a:b:c","Resource":"*"}}"#, "a:b:c"),
        (#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"orders"}}"#, "orders"),
        (#"{"Statement":{"Effect":"Allow","Action":"*","Resource":["*",1]}}"#, "Resource"),
        (#"{"Statement":{"Effect":"Allow","Action":[],"Resource":"*"}}"#, "Action"),
        (#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{}}}"#, "Condition"),
        (#"{"Statement":{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}}"#, "twice"),
        (#"{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}"#, "Action"),
        (#"{"Statement":[],"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#, "twice"),
    ])
    func whatCannotBeJudgedIsRefused(_ text: String, _ named: String) {
        #expect(throws: RolePolicyFault.self) { try RolePolicy(parsing: text) }
        do { _ = try RolePolicy(parsing: text) } catch { #expect(error.description.contains(named)) }
    }

    @Test func aDocumentHasABoundedSize() {
        let text = #"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"# + String(repeating: " ", count: RolePolicy.maximumBytes)
        #expect(throws: RolePolicyFault.self) { try RolePolicy(parsing: text) }
    }

    @Test func withoutADocumentItInvokesAndUsesQueuesOfItsOwn() {
        let policy = RolePolicy.standard(account: account)
        #expect(policy.decision("lambda:InvokeFunction", on: "arn:aws:lambda:eu-west-1:111111111111:function:g:1") == .allowed)
        #expect(policy.decision("lambda:InvokeFunction", on: "arn:aws:lambda:eu-west-1:222222222222:function:g") == .notAllowed)
        #expect(policy.decision("lambda:CreateFunction", on: nil) == .notAllowed)
        #expect(policy.decision("lambda:UpdateFunctionCode", on: function.arn) == .notAllowed)
        #expect(policy.decision("sqs:CreateQueue", on: orders) == .allowed)
        #expect(policy.decision("sqs:ListQueues", on: nil) == .allowed)
        #expect(policy.decision("events:PutEvents", on: nil) == .notAllowed)
        #expect(policy.decision("iam:PassRole", on: nil) == .notAllowed)
    }
}

@Suite struct RoleSessionTests {
    @Test func aRefusalNamesWhoWhatAndOnWhat() throws {
        let key = RoleKey(account: account, arn: "arn:aws:iam::999999999999:role/service/worker")
        #expect(key == RoleKey(account: account, name: "worker"))
        let snapshot = RoleSnapshot(policies: [
            RoleKey(account: account, name: "worker"): try policy(#"{"Effect":"Deny","Action":"sqs:*","Resource":"*"}"#)
        ])
        let session = snapshot.session(of: function, role: "arn:aws:iam::111111111111:role/worker")
        #expect(session.arn == "arn:aws:sts::111111111111:assumed-role/worker/f")
        let denied = #expect(throws: ServiceError.self) { try session.check("sqs:SendMessage", on: orders) }
        #expect(denied?.code == .accessDenied)
        #expect(
            denied?.message
                == "User: arn:aws:sts::111111111111:assumed-role/worker/f is not authorized to perform: sqs:SendMessage on resource: \(orders) with an explicit deny in an identity-based policy")
        let missing = #expect(throws: ServiceError.self) { try session.check("lambda:InvokeFunction", on: function.arn) }
        #expect(missing?.message.hasSuffix("because no identity-based policy allows the lambda:InvokeFunction action") == true)
    }

    @Test func anotherTenantsDocumentDoesNotCount() throws {
        let snapshot = RoleSnapshot(policies: [
            RoleKey(account: "222222222222", name: "worker"): try policy(#"{"Effect":"Allow","Action":"*","Resource":"*"}"#)
        ])
        let session = snapshot.session(of: function, role: "arn:aws:iam::222222222222:role/worker")
        #expect(throws: ServiceError.self) { try session.check("lambda:CreateFunction", on: nil) }
    }

    @Test(arguments: ["", "worker", "arn:aws:iam::1:user/worker", "arn:aws:iam::1:role/", "arn:aws:iam::1:role/a b"])
    func whatIsNoRoleHasTheStandardRights(_ text: String) throws {
        #expect(RoleKey(account: account, arn: text) == nil)
        let session = RoleSnapshot().session(of: function, role: text)
        try session.check("sqs:SendMessage", on: orders)
        #expect(throws: ServiceError.self) { try session.check("events:PutEvents", on: nil) }
    }
}

import AccessControl
import Auditing
import FunctionModel
import NIOCore
import Testing

@testable import Gateway

@Suite struct AuditedTests {
    private static let form = [(name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8")]

    private func entry(
        _ method: String, _ pattern: String, path: String? = nil, parameters: [String: String] = [:], query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [], body: String = ""
    ) -> AuditEntry? {
        let request = ControlRequest(
            requestID: RequestID(high: 1, low: 1), method: method, path: path ?? pattern, parameters: parameters, query: query, headers: headers,
            body: ByteBuffer(string: body), caller: Caller(account: account, region: region, accessKeyID: "AKIA"))
        return Audited(request, ControlRoute(method, pattern) { _ in .noContent })?.entry(.success(.noContent), time: 1)
    }

    private func target(_ name: String) -> [(name: String, value: String)] { [(name: "X-Amz-Target", value: name)] }

    @Test func aHeaderHidesNothingFromTheRoutesThatDoNotReadIt() {
        let hidden = target("a.GetX")
        let delete = entry(
            "DELETE", "/2015-03-31/functions/{FunctionName}", path: "/2015-03-31/functions/x", parameters: ["FunctionName": "x"], headers: hidden)
        #expect(delete?.operation == "DeleteFunction" && delete?.resource == "x")
        #expect(entry("PUT", "/martlet/v1/roles/{Name}", headers: hidden)?.operation == "PUT /martlet/v1/roles/{Name}")
        #expect(entry("GET", "/", query: [("Action", "DeleteQueue")], headers: target("AmazonSQS.ListQueues"))?.operation == "DeleteQueue")
        #expect(entry("POST", "/", query: [("Action", "ListQueues")], headers: target("AmazonSQS.DeleteQueue"))?.operation == "DeleteQueue")
    }

    @Test func aFormIsReadToItsEnd() {
        let body = "Padding=\(String(repeating: "x", count: 600_000))&Action=DeleteQueue&QueueUrl=u"
        let found = entry("POST", "/", headers: Self.form, body: body)
        #expect(found?.operation == "DeleteQueue" && found?.resource == "u")
    }

    @Test func theLastActionCountsAsItDoesForTheEndpoint() {
        #expect(entry("POST", "/", query: [("Action", "ListQueues")], headers: Self.form, body: "Action=DeleteQueue")?.operation == "DeleteQueue")
        #expect(entry("POST", "/", headers: Self.form, body: "Action=ListQueues&Action=DeleteQueue")?.operation == "DeleteQueue")
        #expect(entry("POST", "/", headers: Self.form, body: "Action=DeleteQueue&Action=ListQueues") == nil)
        // Without the type of a form the endpoint does not read the body.
        #expect(entry("POST", "/", query: [("Action", "DeleteQueue")], body: "Action=ListQueues")?.operation == "DeleteQueue")
    }

    @Test func whatNamesNothingKnownIsKept() {
        #expect(entry("POST", "/")?.operation == "POST /")
        #expect(entry("POST", "/", headers: target("a.GetX"))?.operation == "a.GetX")
        #expect(entry("POST", "/", headers: target(""))?.operation == "POST /")
        let queue = "/{#Account}/{QueueName}"
        let logs = entry("POST", queue, path: "/1/q", headers: target("Logs_20140328.GetX"))
        #expect(logs?.operation == "Logs_20140328.GetX", "logs have no path of a queue")
    }

    @Test func readingAndDataAreNotKept() {
        #expect(entry("GET", "/2015-03-31/functions/{FunctionName}", path: "/2015-03-31/functions/x") == nil)
        for name in ["AmazonSQS.SendMessage", "AmazonSQS.ListQueues", "AWSEvents.PutEvents", "Logs_20140328.FilterLogEvents"] {
            #expect(entry("POST", "/", headers: target(name)) == nil)
        }
        #expect(entry("POST", "/", headers: Self.form, body: "Action=ReceiveMessage") == nil)
    }

    @Test func aQueueThatTheRequestNamesIsNotHiddenByThePath() {
        let (queue, path) = ("/{#Account}/{QueueName}", ["Account": "1", "QueueName": "mine"])
        let form = entry("POST", queue, path: "/1/mine", parameters: path, headers: Self.form, body: "Action=DeleteQueue&QueueUrl=/1/yours")
        #expect(form?.resource == "1 mine /1/yours")
        let target = target("AmazonSQS.DeleteQueue")
        let json = entry("POST", queue, path: "/1/mine", parameters: path, headers: target, body: #"{"QueueUrl":"/1/yours"}"#)
        #expect(json?.resource == "1 mine /1/yours")
    }

    @Test func aRouteThatIsNotAuditedStaysSo() {
        for pattern in ["/events/{Bus}", "/2015-03-31/functions"] {
            let routes = [ControlRoute("POST", pattern, hasQueryErrors: true, isAudited: false) { _ in .noContent }]
            let router = ControlRouter(RoleAuthorization.complete(LambdaOperations.complete(routes)))
            guard case .route(let route, _) = router.match(method: "POST", path: Substring(pattern)) else {
                Issue.record("the route of \(pattern) is gone")
                continue
            }
            #expect(!route.isAudited && route.hasQueryErrors)
        }
    }
}

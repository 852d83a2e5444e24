import FunctionModel
import Testing

@testable import Gateway

@Suite struct CORSTests {
    private let policy = CORSPolicy(
        allowOrigins: ["https://a.example", "http://localhost:3000"], allowMethods: ["GET", "PUT"], allowHeaders: ["x-a", "x-b"],
        exposeHeaders: ["x-c"], maxAge: 60, allowCredentials: true)

    private func lines(_ fields: [CORSAnswer.Field]) -> [String] { fields.map { "\($0.name): \($0.value)" } }

    @Test func anAllowedPageMayRead() {
        #expect(
            lines(CORSAnswer.fields(policy, origin: "HTTPS://A.example")) == [
                "Vary: Origin", "Access-Control-Allow-Origin: HTTPS://A.example", "Access-Control-Allow-Credentials: true",
                "Access-Control-Expose-Headers: x-c",
            ])
    }

    @Test func anotherMayNotAndNoPageGetsNothing() {
        #expect(lines(CORSAnswer.fields(policy, origin: "https://b.example")) == ["Vary: Origin"])
        #expect(lines(CORSAnswer.preflight(policy, origin: "https://a.example.evil")) == ["Vary: Origin"])
        #expect(CORSAnswer.fields(policy, origin: nil).isEmpty)
    }

    @Test func whatABrowserAsksBeforeItSends() {
        #expect(
            lines(CORSAnswer.preflight(policy, origin: "http://localhost:3000")) == [
                "Vary: Origin", "Access-Control-Allow-Origin: http://localhost:3000", "Access-Control-Allow-Methods: GET,PUT",
                "Access-Control-Allow-Headers: x-a,x-b", "Access-Control-Max-Age: 60", "Access-Control-Allow-Credentials: true",
            ])
    }

    /// With cookies allowed, an origin made of the request's own would open them to every page there is.
    @Test func anyOriginIsNeverMadeThePagesOwn() {
        let open = CORSPolicy(allowOrigins: ["*"], allowMethods: ["*"], allowCredentials: true)
        #expect(lines(CORSAnswer.fields(open, origin: "https://evil.example")).contains("Access-Control-Allow-Origin: *"))
        #expect(lines(CORSAnswer.preflight(open, origin: "https://evil.example")).contains("Access-Control-Allow-Origin: *"))
    }

    @Test(arguments: [
        ("Access-Control-Allow-Origin", true), ("access-control-expose-headers", true), ("access-control-", false), ("content-type", false),
    ])
    func fieldsOfTheFunctionThatAreLeftOut(_ name: String, _ isLeftOut: Bool) { #expect(CORSAnswer.isOverridden(name) == isLeftOut) }

    @Test func aPreflightIsAnsweredWithoutTheFunction() throws {
        var function = record("web", url: .iam)
        function.url?.cors = policy
        let gateway = try EmbeddedGateway(functions: [function])
        gateway.request("OPTIONS", "/fn/web/", headers: [("Origin", "https://a.example"), ("Access-Control-Request-Method", "PUT")])
        let answer = try #require(gateway.response())
        #expect(answer.status == 200 && answer.fields["access-control-allow-methods"] == "GET,PUT")
        #expect(gateway.invoker.invocations.isEmpty)
        // A refusal is for the page to read as well.
        gateway.request("GET", "/fn/web/", headers: [("Origin", "https://a.example")])
        let refused = try #require(gateway.response())
        #expect(refused.status == 403 && refused.fields["access-control-allow-origin"] == "https://a.example")
    }
}

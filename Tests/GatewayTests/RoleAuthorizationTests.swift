import AccessControl
import FunctionModel
import NIOCore
import Roles
import Testing

@testable import Gateway

@Suite struct RoleAuthorizationTests {
    private static let code = "/2015-03-31/functions/{FunctionName}/code"
    private static let tags = "/2017-03-31/tags/{Resource}"
    private static let arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    private static let onlyCode = ["lambda:UpdateFunctionCode", "lambda:TagResource", "lambda:UntagResource"]

    /// - Parameter actions: that the role has.
    /// - Returns: the action that it needed, too; nil where the call went through.
    private func refusal(
        _ method: String, _ pattern: String, actions: [String], name: String, query: [(name: String, value: String)] = [], body: String = ""
    ) async throws -> String? {
        let routes = RoleAuthorization.complete([ControlRoute(method, pattern) { _ in .noContent }])
        let path = pattern.split(separator: "/").map { "/" + ($0.first == "{" ? name : String($0)) }.joined()
        guard case .route(let route, let parameters) = ControlRouter(routes).match(method: method, path: path[...]) else { return "no route" }
        let list = actions.map { "\"\($0)\"" }.joined(separator: ",")
        let policy = try RolePolicy(parsing: #"{"Statement":{"Effect":"Allow","Action":[\#(list)],"Resource":"*"}}"#)
        let request = ControlRequest(
            requestID: RequestID(high: 1, low: 1), method: method, path: path, parameters: parameters, query: query, body: ByteBuffer(string: body),
            caller: Caller(account: account, region: region, accessKeyID: ""),
            role: RoleSession(function: functionKey("caller"), role: nil, policy: policy))
        do {
            _ = try await route.handler(request)
            return nil
        } catch let error as ServiceError {
            #expect(error.code == .accessDenied)
            return error.message.split(separator: "perform: ").last?.split(separator: " ").first.map(String.init)
        }
    }

    @Test(arguments: [
        #"{"ZipFile":"UEs=","Publish":true,"DryRun":false,"RevisionId":"1","Architectures":["x86_64"]}"#, #"{"MartletSha256":"00","Publish":true}"#,
        #"{"S3Bucket":"b","S3Key":"k","S3ObjectVersion":"1","S3ObjectStorageMode":"COPY","ImageUri":"i","SourceKMSKeyArn":"a"}"#,
    ])
    func newCodeAloneIsUpdateFunctionCode(_ body: String) async throws {
        #expect(try await refusal("PUT", Self.code, actions: Self.onlyCode, name: "f", body: body) == nil)
    }

    @Test(arguments: [
        #""MartletNetwork":"egress""#, #""MartletIsolation":"environment""#, #""Timeout":900"#, #""Environment":{}"#, #""Layers":[]"#, #""Unknown":1"#,
        #""\u004dartletNetwork":"egress""#,
    ])
    func settingsBesideTheCodeNeedTheirOwnAction(_ member: String) async throws {
        let body = #"{"ZipFile":"UEs=",\#(member)}"#
        #expect(try await refusal("PUT", Self.code, actions: Self.onlyCode, name: "f", body: body) == "lambda:UpdateFunctionConfiguration")
        let actions = Self.onlyCode + ["lambda:UpdateFunctionConfiguration"]
        #expect(try await refusal("PUT", Self.code, actions: actions, name: "f", body: body) == nil)
    }

    @Test func aRoleBesideTheCodeIsPassed() async throws {
        let body = #"{"ZipFile":"UEs=","Role":"arn:aws:iam::123456789012:role/admin"}"#
        let actions = Self.onlyCode + ["lambda:UpdateFunctionConfiguration"]
        #expect(try await refusal("PUT", Self.code, actions: actions, name: "f", body: body) == "iam:PassRole")
        #expect(try await refusal("PUT", Self.code, actions: actions + ["iam:PassRole"], name: "f", body: body) == nil)
    }

    @Test(arguments: ["{", "[]", ""])
    func ofABodyThatCannotBeReadNothingIsBelieved(_ body: String) async throws {
        #expect(try await refusal("PUT", Self.code, actions: Self.onlyCode, name: "f", body: body) != nil)
    }

    @Test(arguments: ["f", arn])
    func tagsThatAreSettingsNeedTheActionOfSettings(_ resource: String) async throws {
        let wanted = "lambda:UpdateFunctionConfiguration"
        func tag(_ body: String, _ actions: [String] = Self.onlyCode) async throws -> String? {
            try await refusal("POST", Self.tags, actions: actions, name: resource, body: body)
        }
        func untag(_ names: String...) async throws -> String? {
            try await refusal("DELETE", Self.tags, actions: Self.onlyCode, name: resource, query: names.map { ("tagKeys", $0) })
        }
        #expect(try await tag(#"{"Tags":{"team":"a"}}"#) == nil)
        #expect(try await tag(#"{"Tags":{"team":"a","martlet:network":"egress"}}"#) == wanted)
        #expect(try await tag(#"{"Tags":{},"Tags":{"martlet:isolation":"environment"}}"#) == wanted)
        #expect(try await tag(#"{"Tags":{"martlet:network":"egress"}}"#, Self.onlyCode + [wanted]) == nil)
        #expect(try await untag("team") == nil)
        #expect(try await untag("team", "martlet:network") == wanted)
    }
}

import FunctionModel
import NIOCore
import NIOHTTP1
import Registry
import Testing

@testable import ObjectStorage

@Suite struct S3EndpointTests {
    @Test func bucketsAreInThePathOrInTheHost() throws {
        let paths = try #require(S3Endpoint(url: "http://127.0.0.1:9000/", region: "r", usesPaths: true))
        #expect(paths.authority(bucket: "b") == "127.0.0.1:9000" && paths.path(bucket: "b", key: "a/ä b+c//..") == "/b/a/%C3%A4%20b%2Bc//..")
        let hosts = try #require(S3Endpoint(url: "https://s3.example.org", region: "r", usesPaths: false))
        #expect(hosts.authority(bucket: "b") == "b.s3.example.org" && hosts.path(bucket: "b", key: "k") == "/k" && hosts.port == 443)
        let address = try #require(S3Endpoint(url: "http://[::1]:81", region: "r", usesPaths: true))
        #expect(address.authority(bucket: "b") == "[::1]:81" && address.host == "::1")
    }

    @Test(arguments: ["", "s3.example.org", "ftp://x", "http://", "http://x/y", "http://u@x", "http://x:0", "http://x:y", "http://a:b:c", "http://x?y"])
    func whatIsNoEndpointIsRefused(url: String) { #expect(S3Endpoint(url: url, region: "r", usesPaths: true) == nil) }
}

@Suite struct S3AnswerTests {
    private let object = ObjectReference(bucket: "b", key: "k")

    private func intake(_ status: HTTPResponseStatus, length: Int? = nil, _ body: [String], region: String? = nil) throws(ServiceError) -> Int {
        var intake = Intake(object: object, maximumBytes: 10)
        var headers = HTTPHeaders()
        if let length { headers.add(name: "Content-Length", value: String(length)) }
        if let region { headers.add(name: "x-amz-bucket-region", value: region) }
        try intake.begin(HTTPResponseHead(version: .http1_1, status: .continue))
        #expect(try intake.end() == false)
        try intake.begin(HTTPResponseHead(version: .http1_1, status: status, headers: headers))
        var kept = 0
        for part in body { if try intake.take(ByteBuffer(string: part)) { kept += part.utf8.count } }
        #expect(try intake.end())
        return kept
    }

    private func refusal(_ status: HTTPResponseStatus, length: Int? = nil, _ body: String..., region: String? = nil) -> ServiceError? {
        do throws(ServiceError) {
            _ = try intake(status, length: length, body, region: region)
            return nil
        } catch { return error }
    }

    @Test func anObjectIsTakenUpToTheLimit() throws {
        #expect(try intake(.ok, length: 10, ["01234", "56789"]) == 10)
        #expect(refusal(.ok, length: 11)?.message.contains("at most 10 bytes") == true)
        #expect(refusal(.ok, "01234", "567890")?.code == .invalidParameterValue)
        #expect(refusal(.ok)?.message == "Uploaded file must be a non-empty zip")
    }

    @Test func whatTheServiceSaysIsSaidInLambdasWords() {
        let missing = refusal(.notFound, "<Error><Code>NoSuchKey</Code>", "<Message>It &lt;is&gt; not there</Message></Error>")
        #expect(missing?.code == .invalidParameterValue)
        #expect(missing?.message == "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: It <is> not there")
        let denied = refusal(.forbidden, "<Code>AccessDenied</Code><Message>Access Denied</Message>")
        #expect(denied?.code == .accessDenied && denied?.message.hasSuffix("GetObject for b/k. S3 Error Code: AccessDenied. S3 Error Message: Access Denied") == true)
        #expect(refusal(.movedPermanently, region: "eu-west-1")?.message.contains("in this region: eu-west-1") == true)
        #expect(refusal(.serviceUnavailable, "<html>")?.code == .unavailable)
        #expect(refusal(.notFound)?.message.contains("NoSuchKey") == true)
    }

    @Test func ofAnErrorOnlySoMuchIsKept() {
        let flood = String(repeating: "x", count: S3Answer.maximumBytes)
        #expect(refusal(.notFound, flood, flood, "<Code>Late</Code>")?.message.contains("Late") == false)
    }
}

import Testing

@testable import MartletRuntime

@Suite struct HTTPResponseTests {
    private static let counted =
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r1\r\nX:  y \t\r\nContent-Length: 5\r\n\r\nhello"
    private static let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: v\r\n\r\n"

    @Test(arguments: [counted, chunked], [1, 2, 7, 4096])
    func anAnswerIsReadInPiecesOfAnySize(text: String, size: Int) throws {
        var parser = HTTPResponseParser()
        let bytes = Array(text.utf8)
        var result: HTTPResponse?
        for start in stride(from: 0, to: bytes.count, by: size) {
            #expect(result == nil)
            result = try parser.feed(bytes[start..<min(start + size, bytes.count)])
        }
        let response = try #require(result)
        #expect(response.status == 200)
        #expect(response.body == Array("hello".utf8))
        #expect(response.keepsAlive == (text == Self.counted))
    }

    @Test func headersAreFoundInLowerCaseWithoutBlanks() throws {
        var parser = HTTPResponseParser()
        let response = try #require(try parser.feed(Array(Self.counted.utf8)[...]))
        #expect(response.headers["lambda-runtime-aws-request-id"] == "r1")
        #expect(response.headers["x"] == "y")
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nx\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n",
    ])
    func anAnswerThatCannotBeReadIsRefused(text: String) {
        var parser = HTTPResponseParser()
        #expect(throws: RuntimeAPIError.self) { try parser.feed(Array(text.utf8)[...]) }
    }

    @Test func aHeadWithoutEndIsBounded() {
        var parser = HTTPResponseParser()
        #expect(throws: RuntimeAPIError.self) { try parser.feed([UInt8](repeating: 65, count: 70_000)[...]) }
    }

    @Test(arguments: ["", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "example.org:80", "::1:80"])
    func anAddressThatIsNoneIsNamed(text: String) {
        #expect(throws: RuntimeAPIError.address(text)) { try HTTPConnection(address: text) }
    }
}

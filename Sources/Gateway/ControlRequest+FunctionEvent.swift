import FunctionModel
import NIOCore
import NIOHTTP1

extension ControlRequest {
    /// The request as an event for a function, in the form of a function URL's (format 2.0), with `id` as its `apiId`.
    /// - Parameters:
    ///   - port: of the server.
    ///   - isSecure: whether it came over TLS.
    ///   - milliseconds: since 1970.
    func functionEvent(for key: FunctionKey, id: String, port: Int, isSecure: Bool, milliseconds: Int64) -> ByteBuffer {
        let head = HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: method), uri: path, headers: HTTPHeaders(headers))
        let host = headers.first { ASCIIText.equalIgnoringCase($0.name, "host") }?.value ?? "localhost"
        let event = FunctionURLEvent(
            head: head, path: path[...], query: rawQuery[...], url: FunctionURL(id: id, authType: .none, created: 0, modified: 0), key: key,
            domainName: RequestFields.name(of: host), sourceAddress: sourceAddress, isForwarded: false, requestID: requestID, caller: nil,
            time: WallTime.logText(milliseconds / 1000), milliseconds: milliseconds, port: port, isSecure: isSecure)
        var buffer = ByteBuffer()
        buffer.reserveCapacity(1024 + body.readableBytes)
        event.write(body: body.readableBytes > 0 ? body : nil, into: &buffer)
        return buffer
    }
}

import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOHTTP2

/// Turns the frames of one stream into the parts that HTTP/1's parser would make of its request.
///
/// The library has checked the order of frames, the length of the body, that no field of the connection is among the header's
/// (RFC 9113 §8.2.2), and that names, pseudo-fields and line ends are as they must be. What HTTP/1's parser would refuse besides
/// is refused here.
final class HTTP2RequestDecoder: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTPServerRequestPart

    private let maximumCount: Int
    private let maximumField: Int
    private let maximumLength: Int
    private var hasHead = false

    init(_ configuration: GatewayConfiguration) {
        maximumCount = configuration.maximumHeaderCount
        maximumField = configuration.maximumHeaderFieldLength
        maximumLength = configuration.maximumHeaderLength
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data) {
        case .headers where hasHead: context.fireChannelRead(Self.wrapInboundOut(.end(nil)))
        case .headers(let frame):
            hasHead = true
            do throws(Refusal) {
                context.fireChannelRead(Self.wrapInboundOut(.head(try head(frame.headers))))
                if frame.endStream { context.fireChannelRead(Self.wrapInboundOut(.end(nil))) }
            } catch {
                context.fireErrorCaught(error)
            }
        case .data(let frame):
            if case .byteBuffer(let bytes) = frame.data, bytes.readableBytes > 0 {
                context.fireChannelRead(Self.wrapInboundOut(.body(bytes)))
            }
            if frame.endStream { context.fireChannelRead(Self.wrapInboundOut(.end(nil))) }
        default: break
        }
    }

    private func head(_ block: HPACKHeaders) throws(Refusal) -> HTTPRequestHead {
        var (method, path, authority, length) = ("", "", String?.none, 0)
        var (fields, hosts, cookies) = ([(String, String)](), [String](), [String]())
        fields.reserveCapacity(block.count)
        for (name, value, _) in block {
            let size = name.utf8.count + value.utf8.count
            length += size
            guard size <= maximumField else { throw Self.tooLarge }
            guard Self.isText(value) else { throw Refusal(.badRequest, "the request's field \(name.prefix(64)) has a control character") }
            switch name {
            case ":method": method = value
            case ":path": path = value
            case ":authority": authority = value
            case "host": hosts.append(value)
            case "cookie": cookies.append(value)
            default: if name.utf8.first != UInt8(ascii: ":") { fields.append((name, value)) }
            }
        }
        guard length <= maximumLength, block.count <= maximumCount else { throw Self.tooLarge }
        if let authority {
            guard hosts.allSatisfy({ $0 == authority }) else { throw Refusal(.badRequest, "the request's :authority and Host differ") }
            hosts = [authority]
        }
        for host in hosts { fields.append(("host", host)) }
        // Clients may send each cookie by itself (§8.2.3); everybody else knows one field.
        if !cookies.isEmpty { fields.append(("cookie", cookies.joined(separator: "; "))) }
        guard Self.isMethod(method) else { throw Refusal(.badRequest, "the request's :method is none") }
        if method == "CONNECT" { path = authority ?? "" }
        return HTTPRequestHead(version: .http2, method: HTTPMethod(rawValue: method), uri: path, headers: HTTPHeaders(fields))
    }

    private static let tooLarge = Refusal(.headersTooLarge, "the request header is too large or has too many fields")

    private static func isText(_ value: String) -> Bool { value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 9 } }

    /// Source: RFC 9110 §5.6.2, without lower-case letters, which no method has that HTTP/1's parser knows.
    private static func isMethod(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count) && text.utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) || $0 == UInt8(ascii: "-") }
    }
}

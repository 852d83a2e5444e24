import FunctionModel
import NIOCore
import NIOHTTP1

/// Writes the event (format 2.0) that a function URL's request becomes.
///
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
struct FunctionURLEvent {
    let head: HTTPRequestHead
    /// What follows the function's name, as on the wire; begins with `/`.
    let path: Substring
    /// As on the wire, without `?`.
    let query: Substring
    let url: FunctionURL
    let key: FunctionKey
    /// `Host` without its port.
    let domainName: Substring
    let sourceAddress: String
    /// By a proxy that is trusted; what anybody else says in `X-Forwarded-…` of its scheme and port is not passed on.
    let isForwarded: Bool
    let requestID: RequestID
    /// The verified sender of a URL with AuthType AWS_IAM: account and access key.
    let caller: (account: String, accessKeyID: String)?
    let time: String
    let milliseconds: Int64
    let port: Int
    /// Whether it came over TLS.
    let isSecure: Bool

    func write(body: ByteBuffer?, into event: inout ByteBuffer) {
        event.writeStaticString("{\"version\":\"2.0\",\"routeKey\":\"$default\",\"rawPath\":")
        event.writeJSON(path)
        event.writeStaticString(",\"rawQueryString\":")
        event.writeJSON(query)
        writeCookies(into: &event)
        writeHeaders(into: &event)
        writeQuery(into: &event)
        writeContext(into: &event)
        writeBody(body, into: &event)
        event.writeStaticString("}")
    }

    func writeCookies(into event: inout ByteBuffer) {
        var isFirst = true
        for (name, value) in head.headers where ASCIIText.equalIgnoringCase(name, "cookie") {
            for cookie in value.split(separator: ";") {
                let trimmed = cookie.drop { $0 == " " || $0 == "\t" }
                if trimmed.isEmpty { continue }
                event.writeStaticString(isFirst ? ",\"cookies\":[" : ",")
                isFirst = false
                event.writeJSON(trimmed)
            }
        }
        if !isFirst { event.writeStaticString("]") }
    }

    /// - Parameter dropsCookies: whether they are left to `writeCookies`, as HTTP APIs do.
    func writeHeaders(dropsCookies: Bool = false, into event: inout ByteBuffer) {
        var fields: [(name: String, value: String)] = []
        fields.reserveCapacity(head.headers.count + 3)
        for (name, value) in head.headers {
            let name = name.lowercased()
            if dropsCookies, name == "cookie" { continue }
            if name == "x-forwarded-proto" || name == "x-forwarded-port" { continue }
            if let index = fields.firstIndex(where: { $0.name == name }) {
                fields[index].value += (name == "cookie" ? "; " : ",") + value
            } else {
                fields.append((name, value))
            }
        }
        if let index = fields.firstIndex(where: { $0.name == "x-forwarded-for" }) {
            if !isForwarded { fields[index].value += ", \(sourceAddress)" }
        } else {
            fields.append(("x-forwarded-for", sourceAddress))
        }
        fields.append(("x-forwarded-proto", isSecure ? "https" : "http"))
        fields.append(("x-forwarded-port", String(port)))
        event.writeStaticString(",\"headers\":{")
        for (index, field) in fields.enumerated() {
            if index > 0 { event.writeStaticString(",") }
            event.writeJSON(field.name)
            event.writeStaticString(":")
            event.writeJSON(field.value)
        }
        event.writeStaticString("}")
    }

    func writeQuery(into event: inout ByteBuffer) {
        guard !query.isEmpty else { return }
        var parameters: [(name: String, value: String)] = []
        for (name, value) in RequestRoute.parameters(query) {
            if let index = parameters.firstIndex(where: { $0.name == name }) {
                parameters[index].value += ",\(value)"
            } else {
                parameters.append((name, value))
            }
        }
        guard !parameters.isEmpty else { return }
        event.writeStaticString(",\"queryStringParameters\":{")
        for (index, parameter) in parameters.enumerated() {
            if index > 0 { event.writeStaticString(",") }
            event.writeJSON(parameter.name)
            event.writeStaticString(":")
            event.writeJSON(parameter.value)
        }
        event.writeStaticString("}")
    }

    private func writeContext(into event: inout ByteBuffer) {
        event.writeStaticString(",\"requestContext\":{\"accountId\":")
        event.writeJSON(caller?.account ?? "anonymous")
        event.writeStaticString(",\"apiId\":")
        event.writeJSON(url.id)
        event.writeStaticString(",\"authentication\":null")
        if let caller {
            event.writeStaticString(",\"authorizer\":{\"iam\":{\"accessKey\":")
            event.writeJSON(caller.accessKeyID)
            event.writeStaticString(",\"accountId\":")
            event.writeJSON(caller.account)
            event.writeStaticString(",\"callerId\":")
            event.writeJSON(caller.account)
            event.writeStaticString(",\"cognitoIdentity\":null,\"principalOrgId\":null,\"userArn\":")
            event.writeJSON("arn:aws:iam::\(caller.account):root")
            event.writeStaticString(",\"userId\":")
            event.writeJSON(caller.account)
            event.writeStaticString("}}")
        }
        event.writeStaticString(",\"domainName\":")
        event.writeJSON(domainName)
        event.writeStaticString(",\"domainPrefix\":")
        event.writeJSON(domainName.hasSuffix(".fn.localhost") ? domainName.prefix { $0 != "." } : Substring(key.name))
        event.writeStaticString(",\"http\":{\"method\":")
        event.writeJSON(head.method.rawValue)
        event.writeStaticString(",\"path\":")
        event.writeJSON(path)
        event.writeStaticString(",\"protocol\":")
        event.writeJSON(head.version == .http1_0 ? "HTTP/1.0" : "HTTP/1.1")
        event.writeStaticString(",\"sourceIp\":")
        event.writeJSON(sourceAddress)
        event.writeStaticString(",\"userAgent\":")
        event.writeJSON(head.headers.first(name: "user-agent") ?? "")
        event.writeStaticString("},\"requestId\":")
        event.writeJSON(requestID.description)
        event.writeStaticString(",\"routeKey\":\"$default\",\"stage\":\"$default\",\"time\":")
        event.writeJSON(time)
        event.writeStaticString(",\"timeEpoch\":")
        event.writeDecimal(Int(milliseconds))
        event.writeStaticString("}")
    }

    /// - Parameter whenEmpty: what goes before `isBase64Encoded` where there is no body.
    func writeBody(_ body: ByteBuffer?, whenEmpty: StaticString = "", into event: inout ByteBuffer) {
        guard let body, body.readableBytes > 0 else {
            event.writeStaticString(whenEmpty)
            event.writeStaticString(",\"isBase64Encoded\":false")
            return
        }
        event.writeStaticString(",\"body\":\"")
        let isText = Self.isTextual(head.headers.first(name: "content-type")) && Self.isUTF8(body)
        body.withUnsafeReadableBytes { bytes in
            if isText { event.writeJSONContent(bytes) } else { event.writeBase64(bytes) }
        }
        event.writeStaticString("\",\"isBase64Encoded\":")
        if isText { event.writeStaticString("false") } else { event.writeStaticString("true") }
    }

    /// Content types whose body is passed on as text. One without a type is text if its bytes are.
    static func isTextual(_ contentType: String?) -> Bool {
        guard let contentType else { return true }
        let type = contentType.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        if type.hasPrefix("text/") || type.hasSuffix("+json") || type.hasSuffix("+xml") { return true }
        switch type {
        case "application/json", "application/xml", "application/javascript", "application/x-www-form-urlencoded",
            "application/x-ndjson", "application/graphql", "application/yaml", "application/x-yaml":
            return true
        default: return false
        }
    }

    private static func isUTF8(_ body: ByteBuffer) -> Bool {
        body.withUnsafeReadableBytes { bytes in
            var index = 0
            while index < bytes.count, bytes[index] < 0x80 { index += 1 }
            return index == bytes.count || String(validating: bytes[index...], as: UTF8.self) != nil
        }
    }
}

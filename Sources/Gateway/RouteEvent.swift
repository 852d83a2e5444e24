import FunctionModel
import HTTPRoutes
import NIOCore
import NIOHTTP1

/// Writes the event that a domain's request becomes: payload format 2.0 or 1.0, as API Gateway's HTTP APIs send them, or 1.0
/// as its REST APIs do.
///
/// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html and
/// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
struct RouteEvent {
    let request: FunctionURLEvent
    let domain: RouteDomain
    let match: RouteMatch

    private var isREST: Bool { domain.definition.kind == .rest }

    func write(body: ByteBuffer?, into event: inout ByteBuffer) {
        switch match.route.payloadFormat {
        case .v2: writeV2(body, into: &event)
        case .v1: writeV1(body, into: &event)
        }
    }

    // MARK: Format 2.0

    /// What there is nothing of is left out.
    private func writeV2(_ body: ByteBuffer?, into event: inout ByteBuffer) {
        event.writeStaticString("{\"version\":\"2.0\",\"routeKey\":")
        event.writeJSON(match.route.key.description)
        event.writeStaticString(",\"rawPath\":")
        event.writeJSON(request.path)
        event.writeStaticString(",\"rawQueryString\":")
        event.writeJSON(request.query)
        request.writeCookies(into: &event)
        request.writeHeaders(dropsCookies: true, into: &event)
        request.writeQuery(into: &event)
        event.writeStaticString(",\"requestContext\":{\"accountId\":")
        event.writeJSON(domain.account)
        event.writeStaticString(",\"apiId\":")
        event.writeJSON(domain.id)
        writeDomainName(into: &event)
        event.writeStaticString(",\"http\":{\"method\":")
        event.writeJSON(request.head.method.rawValue)
        event.writeStaticString(",\"path\":")
        event.writeJSON(request.path)
        writeProtocol(into: &event)
        event.writeStaticString(",\"sourceIp\":")
        event.writeJSON(request.sourceAddress)
        event.writeStaticString(",\"userAgent\":")
        event.writeJSON(request.head.headers.first(name: "user-agent") ?? "")
        event.writeStaticString("},\"requestId\":")
        event.writeJSON(request.requestID.description)
        event.writeStaticString(",\"routeKey\":")
        event.writeJSON(match.route.key.description)
        event.writeStaticString(",\"stage\":")
        event.writeJSON(domain.definition.stage)
        event.writeStaticString(",\"time\":")
        event.writeJSON(request.time)
        event.writeStaticString(",\"timeEpoch\":")
        event.writeDecimal(Int(request.milliseconds))
        event.writeStaticString("}")
        if !match.parameters.isEmpty { Self.write("pathParameters", match.parameters, into: &event) }
        if !domain.definition.stageVariables.isEmpty { Self.write("stageVariables", stageVariables, into: &event) }
        request.writeBody(body, into: &event)
        event.writeStaticString("}")
    }

    // MARK: Format 1.0

    /// What there is nothing of is null.
    private func writeV1(_ body: ByteBuffer?, into event: inout ByteBuffer) {
        event.writeStaticString(isREST ? "{" : "{\"version\":\"1.0\",")
        event.writeStaticString("\"resource\":")
        event.writeJSON(resource)
        event.writeStaticString(",\"path\":")
        event.writeJSON(request.path)
        event.writeStaticString(",\"httpMethod\":")
        event.writeJSON(request.head.method.rawValue)
        let headers = Self.grouped(headers)
        Self.writeLast("headers", headers, into: &event)
        Self.writeAll("multiValueHeaders", headers, into: &event)
        let query = Self.grouped(RequestRoute.parameters(request.query))
        Self.writeLast("queryStringParameters", query, into: &event)
        Self.writeAll("multiValueQueryStringParameters", query, into: &event)
        Self.write("pathParameters", match.parameters, into: &event)
        Self.write("stageVariables", stageVariables, into: &event)
        writeContextV1(into: &event)
        request.writeBody(body, whenEmpty: ",\"body\":null", into: &event)
        event.writeStaticString("}")
    }

    private func writeContextV1(into event: inout ByteBuffer) {
        event.writeStaticString(",\"requestContext\":{\"accountId\":")
        event.writeJSON(domain.account)
        event.writeStaticString(",\"apiId\":")
        event.writeJSON(domain.id)
        if !isREST { event.writeStaticString(",\"authorizer\":{\"claims\":null,\"scopes\":null}") }
        writeDomainName(into: &event)
        event.writeStaticString(",\"extendedRequestId\":")
        event.writeJSON(request.requestID.description)
        event.writeStaticString(",\"httpMethod\":")
        event.writeJSON(request.head.method.rawValue)
        event.writeStaticString(
            ",\"identity\":{\"accessKey\":null,\"accountId\":null,\"caller\":null,\"cognitoAuthenticationProvider\":null,\"cognitoAuthenticationType\":null,\"cognitoIdentityId\":null,\"cognitoIdentityPoolId\":null,\"principalOrgId\":null,\"sourceIp\":")
        event.writeJSON(request.sourceAddress)
        event.writeStaticString(",\"user\":null,\"userAgent\":")
        if let agent = request.head.headers.first(name: "user-agent") { event.writeJSON(agent) } else { event.writeStaticString("null") }
        event.writeStaticString(",\"userArn\":null},\"path\":")
        event.writeJSON(request.path)
        writeProtocol(into: &event)
        event.writeStaticString(",\"requestId\":")
        event.writeJSON(request.requestID.description)
        event.writeStaticString(",\"requestTime\":")
        event.writeJSON(request.time)
        event.writeStaticString(",\"requestTimeEpoch\":")
        event.writeDecimal(Int(request.milliseconds))
        event.writeStaticString(",\"resourceId\":")
        event.writeJSON(match.route.key.description)
        event.writeStaticString(",\"resourcePath\":")
        event.writeJSON(resource)
        event.writeStaticString(",\"stage\":")
        event.writeJSON(domain.definition.stage)
        event.writeStaticString("}")
    }

    private var resource: String { match.route.key.path ?? "$default" }

    /// HTTP APIs know header names in lower case alone.
    private var headers: [(name: String, value: String)] {
        var fields = request.head.headers.map { (name: isREST ? $0.name : $0.name.lowercased(), value: $0.value) }
        func index(_ name: StaticString) -> Int? { fields.firstIndex { ASCIIText.equalIgnoringCase($0.name, name) } }
        if let known = index("x-forwarded-for") {
            if !request.isForwarded { fields[known].value += ", \(request.sourceAddress)" }
        } else {
            fields.append((isREST ? "X-Forwarded-For" : "x-forwarded-for", request.sourceAddress))
        }
        fields.removeAll { ASCIIText.equalIgnoringCase($0.name, "x-forwarded-port") || ASCIIText.equalIgnoringCase($0.name, "x-forwarded-proto") }
        fields.append((isREST ? "X-Forwarded-Port" : "x-forwarded-port", String(request.port)))
        fields.append((isREST ? "X-Forwarded-Proto" : "x-forwarded-proto", request.isSecure ? "https" : "http"))
        return fields
    }

    // MARK: Parts

    private var stageVariables: [(name: String, value: String)] {
        domain.definition.stageVariables.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private func writeDomainName(into event: inout ByteBuffer) {
        event.writeStaticString(",\"domainName\":")
        event.writeJSON(domain.name)
        event.writeStaticString(",\"domainPrefix\":")
        event.writeJSON(domain.name.prefix { $0 != "." })
    }

    private func writeProtocol(into event: inout ByteBuffer) {
        event.writeStaticString(",\"protocol\":")
        event.writeJSON(request.head.version == .http1_0 ? "HTTP/1.0" : "HTTP/1.1")
    }

    /// By name as it was first written, in the order in which names came.
    private static func grouped(_ pairs: [(name: String, value: String)]) -> [(name: String, values: [String])] {
        var result: [(name: String, values: [String])] = []
        for (name, value) in pairs {
            if let index = result.firstIndex(where: { $0.name == name }) {
                result[index].values.append(value)
            } else {
                result.append((name, [value]))
            }
        }
        return result
    }

    private static func write(_ member: StaticString, _ pairs: [(name: String, value: String)], into event: inout ByteBuffer) {
        writeObject(member, pairs, into: &event) { pair, event in
            event.writeJSON(pair.name)
            event.writeStaticString(":")
            event.writeJSON(pair.value)
        }
    }

    private static func writeLast(_ member: StaticString, _ groups: [(name: String, values: [String])], into event: inout ByteBuffer) {
        write(member, groups.map { ($0.name, $0.values.last ?? "") }, into: &event)
    }

    private static func writeAll(_ member: StaticString, _ groups: [(name: String, values: [String])], into event: inout ByteBuffer) {
        writeObject(member, groups, into: &event) { group, event in
            event.writeJSON(group.name)
            for (index, value) in group.values.enumerated() {
                event.writeStaticString(index == 0 ? ":[" : ",")
                event.writeJSON(value)
            }
            event.writeStaticString("]")
        }
    }

    private static func writeObject<Element>(
        _ member: StaticString, _ elements: [Element], into event: inout ByteBuffer, _ body: (Element, inout ByteBuffer) -> Void
    ) {
        event.writeStaticString(",\"")
        event.writeStaticString(member)
        guard !elements.isEmpty else {
            event.writeStaticString("\":null")
            return
        }
        event.writeStaticString("\":{")
        for (index, element) in elements.enumerated() {
            if index > 0 { event.writeStaticString(",") }
            body(element, &event)
        }
        event.writeStaticString("}")
    }
}

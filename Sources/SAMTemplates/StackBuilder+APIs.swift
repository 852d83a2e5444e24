import JSONValues

/// An API of the template, or one that events imply.
struct APIDefinition {
    let id: String
    let isREST: Bool
    var stage: String
    var stageVariables: [String: String] = [:]
    var cors = JSON.null
    var tags: [String: String] = [:]
    var routes: [JSON] = []
}

extension StackBuilder {
    mutating func addAPI(_ resource: Template.Resource) throws(TemplateFault) {
        let isREST = resource.type == "AWS::Serverless::Api"
        guard isREST || resource.type == "AWS::Serverless::HttpApi" else { return }
        var properties = try properties(resource, globals: isREST ? "Api" : "HttpApi")
        var api = APIDefinition(id: resource.id, isREST: isREST, stage: isREST ? properties.required("StageName") : properties.text("StageName") ?? "$default")
        read(&api, &properties)
        if var domain = properties.object("Domain") {
            _ = domain.required("DomainName")
            domain.allow("CertificateArn", "EndpointConfiguration", "SecurityPolicy", "Route53")
            if let paths = domain.texts("BasePath"), paths != ["/"] { domain.fault("BasePath", "is not supported here: a domain's routes begin at /") }
            domain.finish("Domain")
        }
        properties.finish(resource.type)
        apis[resource.id] = api
    }

    private func read(_ api: inout APIDefinition, _ properties: inout Properties) {
        api.stageVariables = properties.map(api.isREST ? "Variables" : "StageVariables") ?? [:]
        api.tags = properties.map("Tags") ?? [:]
        api.cors = api.isREST ? restCORS(&properties) : httpCORS(&properties)
        properties.allow("Name", "Description", "FailOnWarnings", "OpenApiVersion", "AlwaysDeploy", "MergeDefinitions")
        properties.withoutEffect(
            "TracingEnabled", "EndpointConfiguration", "BinaryMediaTypes", "MinimumCompressionSize", "MethodSettings", "AccessLogSetting", "AccessLogSettings",
            "DefaultRouteSettings", "RouteSettings", "DisableExecuteApiEndpoint", "CacheClusterEnabled", "PropagateTags")
    }

    private func httpCORS(_ properties: inout Properties) -> JSON {
        switch properties.any("CorsConfiguration") {
        case nil, .bool(false)?: return .null
        case .bool(true)?:
            // As SAM has it: any origin, and nothing beyond what every page may ask.
            return cors(origins: ["*"])
        default: return properties.object("CorsConfiguration").map { Self.cors($0, maxAge: "MaxAge") } ?? .null
        }
    }

    /// SAM's values are in single quotes, as API Gateway's mappings need them.
    private func restCORS(_ properties: inout Properties) -> JSON {
        func list(_ text: String?) -> [String] {
            guard let text else { return [] }
            return text.filter { $0 != "'" && $0 != " " }.split(separator: ",").map(String.init)
        }
        if let text = properties.any("Cors")?.string { return cors(origins: list(text)) }
        guard var object = properties.object("Cors") else { return .null }
        let result = cors(
            origins: list(object.text("AllowOrigin") ?? "*"), methods: list(object.text("AllowMethods")), headers: list(object.text("AllowHeaders")),
            maxAge: object.text("MaxAge").flatMap { Int($0.filter { $0 != "'" }) }, credentials: object.bool("AllowCredentials"))
        object.finish("Cors")
        return result
    }

    private func cors(origins: [String], methods: [String] = [], headers: [String] = [], maxAge: Int? = nil, credentials: Bool? = nil) -> JSON {
        func list(_ texts: [String]) -> JSON { .array(texts.map { .string($0) }) }
        return .object([
            .init("AllowOrigins", list(origins)), .init("AllowMethods", list(methods)), .init("AllowHeaders", list(headers)), .init("ExposeHeaders", list([])),
            .init("MaxAge", maxAge.map { .integer($0) } ?? .null), .init("AllowCredentials", credentials.map { .bool($0) } ?? .null),
        ])
    }

    /// An event of the types Api and HttpApi.
    mutating func addRoute(_ properties: inout Properties, isREST: Bool, of resource: Template.Resource, _ place: String) throws(TemplateFault) {
        let member = isREST ? "RestApiId" : "ApiId"
        let usual = isREST ? ResourceNames.implicitREST : ResourceNames.implicitHTTP
        var id = usual
        if let text = properties.text(member) {
            guard text.hasPrefix("{{api:"), text.hasSuffix("}}") else { throw TemplateFault("\(place).\(member)", "must refer to an API of this template") }
            id = String(text.dropFirst(6).dropLast(2))
        }
        if apis[id] == nil, id == usual { apis[id] = implicitAPI(id, isREST: isREST) }
        guard var api = apis[id], api.isREST == isREST else {
            throw TemplateFault("\(place).\(member)", "refers to an API of the other kind, or to one whose condition is false")
        }
        let path = isREST ? properties.required("Path") : properties.text("Path")
        let method = isREST ? properties.required("Method") : properties.text("Method")
        let format = isREST ? "1.0" : properties.choice("PayloadFormatVersion", ["1.0", "2.0"]) ?? "2.0"
        properties.withoutEffect("TimeoutInMillis", "RouteSettings")
        let key: String
        if path == nil, method == nil || method == "$default" || method == "any" {
            key = "$default"
        } else {
            let verb = (method ?? "any").uppercased()
            key = "\(verb == "ANY" || verb == "X-AMAZON-APIGATEWAY-ANY-METHOD" ? "ANY" : verb) \(path ?? "/")"
        }
        api.routes.append(
            .object([
                .init("route", .string(key)), .init("function", .string(try names.functionName(resource.id))),
                .init("qualifier", .optional(try names.alias(of: resource.id))), .init("payloadFormat", .string(format)),
            ]))
        apis[id] = api
    }

    private func implicitAPI(_ id: String, isREST: Bool) -> APIDefinition {
        var api = APIDefinition(id: id, isREST: isREST, stage: isREST ? "Prod" : "$default")
        let section = isREST ? "Api" : "HttpApi"
        guard let globals = template.globals[section] else { return api }
        do throws(TemplateFault) {
            var properties = Properties(try resolver.value(globals, at: "Globals.\(section)"), at: "Globals.\(section)", findings)
            read(&api, &properties)
            properties.allow("Auth")
            if properties.has("Auth") { properties.fault("Auth", "is not supported here") }
            properties.finish("AWS::Serverless::\(section)")
        } catch {
            findings.fault(error.place, error.reason)
        }
        return api
    }

    mutating func addDomains() {
        for api in apis.values.sorted(by: { $0.id < $1.id }) {
            do throws(TemplateFault) {
                let routes = api.routes.sorted { ($0["route"]?.string ?? "") < ($1["route"]?.string ?? "") }
                add(
                    .domain, try names.domain(api.id), api.id,
                    [
                        "kind": .string(api.isREST ? "rest" : "http"), "stage": .string(api.stage), "stageVariables": Self.object(api.stageVariables),
                        "cors": api.cors, "routes": .array(routes), "tags": Self.object(api.tags),
                    ])
            } catch {
                findings.fault(error.place, error.reason)
            }
        }
    }
}

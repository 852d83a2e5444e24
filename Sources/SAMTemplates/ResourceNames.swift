import JSONValues

/// What a template's resources are called on the server, and what references to them are.
final class ResourceNames {
    static let implicitHTTP = "ServerlessHttpApi"
    static let implicitREST = "ServerlessRestApi"

    private let template: Template
    private let context: StackContext
    private let byID: [String: Template.Resource]
    private(set) lazy var resolver: Resolver = Resolver(template, context) { [unowned self] (id, attribute, place) throws(TemplateFault) -> JSON? in
        try self.reference(id, attribute, place)
    }

    init(_ template: Template, _ context: StackContext) {
        self.template = template
        self.context = context
        byID = Dictionary(template.resources.map { ($0.id, $0) }) { first, _ in first }
    }

    /// The name that a property gives, or one made of the stack's and the resource's.
    func name(_ id: String, property: String, limit: Int, suffix: String = "") throws(TemplateFault) -> String {
        let place = "Resources.\(id).Properties.\(property)"
        if let json = byID[id]?.json["Properties"]?[property], let value = try resolver.value(json, at: place) {
            guard let name = value.string ?? value.numberText, !name.isEmpty else { throw TemplateFault(place, "must be a text") }
            return name
        }
        return Self.shortened("\(context.stackName)-\(id)", to: limit - suffix.utf8.count) + suffix
    }

    /// Long names end in a digest of the whole, so that they stay apart.
    static func shortened(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        let digest = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return "\(text.prefix(limit - 9))-\(String(UInt32(truncatingIfNeeded: digest ^ digest >> 32), radix: 16))"
    }

    func functionName(_ id: String) throws(TemplateFault) -> String { try name(id, property: "FunctionName", limit: 64) }
    func layerName(_ id: String) throws(TemplateFault) -> String { try name(id, property: "LayerName", limit: 140) }

    func queueName(_ id: String) throws(TemplateFault) -> String {
        let isFIFO = byID[id]?.json["Properties"]?["FifoQueue"]
        let suffix = isFIFO == .bool(true) || isFIFO == .string("true") ? ".fifo" : ""
        return try name(id, property: "QueueName", limit: 80, suffix: suffix)
    }

    /// Of the function's own or the global property; nil for none.
    func alias(of id: String) throws(TemplateFault) -> String? {
        let place = "Resources.\(id).Properties.AutoPublishAlias"
        guard byID[id]?.type == "AWS::Serverless::Function",
            let json = byID[id]?.json["Properties"]?["AutoPublishAlias"] ?? template.globals["Function"]?["AutoPublishAlias"]
        else { return nil }
        return try resolver.value(json, at: place)?.string
    }

    /// A function as its events see it.
    func qualifiedARN(_ id: String) throws(TemplateFault) -> String {
        context.functionARN(try functionName(id)) + (try alias(of: id).map { ":\($0)" } ?? "")
    }

    /// The host name of an API: a domain of its own, or one below `api.localhost` that the stack names.
    func domain(_ id: String) throws(TemplateFault) -> String {
        let place = "Resources.\(id).Properties.Domain.DomainName"
        if let json = byID[id]?.json["Properties"]?["Domain"]?["DomainName"], let name = try resolver.value(json, at: place)?.string { return name.lowercased() }
        let own = id == Self.implicitHTTP ? "" : id == Self.implicitREST ? "-rest" : "-\(id)"
        let label = (context.stackName + own).lowercased()
        return Self.shortened(label, to: 63) + ".api.localhost"
    }

    func isAPI(_ id: String) -> Bool {
        id == Self.implicitHTTP || id == Self.implicitREST || byID[id]?.type == "AWS::Serverless::Api" || byID[id]?.type == "AWS::Serverless::HttpApi"
    }

    // MARK: References

    private func reference(_ id: String, _ attribute: String?, _ place: String) throws(TemplateFault) -> JSON? {
        if let resource = byID[id] { return try reference(resource, attribute, place) }
        if id == Self.implicitHTTP || id == Self.implicitREST { return try apiReference(id, attribute, place) }
        return try madeReference(id, attribute, place)
    }

    private func reference(_ resource: Template.Resource, _ attribute: String?, _ place: String) throws(TemplateFault) -> JSON {
        let id = resource.id
        switch (resource.type, attribute) {
        case ("AWS::Serverless::Function", nil), ("AWS::Lambda::Function", nil): return .string(try functionName(id))
        case ("AWS::Serverless::Function", "Arn"), ("AWS::Lambda::Function", "Arn"): return .string(context.functionARN(try functionName(id)))
        case ("AWS::Serverless::LayerVersion", nil), ("AWS::Lambda::LayerVersion", nil): return .string(LateName.layer(id))
        case ("AWS::SQS::Queue", nil), ("AWS::SQS::Queue", "QueueUrl"): return .string("\(context.endpoint)/\(context.account)/\(try queueName(id))")
        case ("AWS::SQS::Queue", "Arn"): return .string(context.queueARN(try queueName(id)))
        case ("AWS::SQS::Queue", "QueueName"): return .string(try queueName(id))
        case ("AWS::Serverless::Api", _), ("AWS::Serverless::HttpApi", _): return try apiReference(id, attribute, place)
        case ("AWS::IAM::Role", nil): return .string(try name(id, property: "RoleName", limit: 64))
        case ("AWS::IAM::Role", "Arn"): return .string("arn:aws:iam::\(context.account):role/\(try name(id, property: "RoleName", limit: 64))")
        case (_, nil): throw TemplateFault(place, "a reference to \(id) (\(resource.type)) is not supported here")
        case (_, let attribute?): throw TemplateFault(place, "the attribute \(attribute) of \(id) (\(resource.type)) is not supported here")
        }
    }

    private func apiReference(_ id: String, _ attribute: String?, _ place: String) throws(TemplateFault) -> JSON {
        switch attribute {
        case nil, "ApiId": return .string(LateName.api(id))
        case "ApiEndpoint": return .string("https://\(LateName.api(id)).execute-api.\(context.region).amazonaws.com")
        case let name?: throw TemplateFault(place, "the attribute \(name) of \(id) is not supported here")
        }
    }

    /// What SAM makes of a function: `Function.Alias`, `FunctionAliasNAME`, `FunctionUrl`, `FunctionRole`.
    private func madeReference(_ id: String, _ attribute: String?, _ place: String) throws(TemplateFault) -> JSON? {
        for resource in template.resources where resource.type == "AWS::Serverless::Function" && id.hasPrefix(resource.id) {
            switch id.dropFirst(resource.id.count) {
            case ".Alias":
                guard try alias(of: resource.id) != nil else { throw TemplateFault(place, "\(resource.id) has no AutoPublishAlias") }
                return .string(try qualifiedARN(resource.id))
            case "Url" where attribute == "FunctionUrl": return .string(LateName.url(resource.id))
            case "Role": return .string(attribute == nil ? id : "arn:aws:iam::\(context.account):role/\(context.stackName)-\(id)")
            case let rest: if let alias = try alias(of: resource.id), rest == "Alias\(alias)" { return .string(try qualifiedARN(resource.id)) }
            }
        }
        return nil
    }

    // MARK: Addresses

    /// Puts the addresses that APIs have here in the places of those they would have on AWS.
    func withAddresses(_ json: JSON) -> JSON {
        var json = json
        for id in [Self.implicitHTTP, Self.implicitREST] + template.resources.map(\.id) where isAPI(id) {
            guard let domain = try? domain(id) else { continue }
            json = Self.replaced(json) { text in
                let aws = "https://\(LateName.api(id)).execute-api.\(context.region).amazonaws.com"
                let here = "\(context.scheme)://\(domain):\(context.port)"
                var text = text
                if let stage = stage(id), text.contains("\(aws)/\(stage)") { text = text.replacing("\(aws)/\(stage)", with: here) }
                return text.replacing(aws, with: here).replacing(LateName.api(id), with: domain)
            }
        }
        return json
    }

    /// As it stands in addresses on AWS.
    private func stage(_ id: String) -> String? {
        if id == Self.implicitREST { return "Prod" }
        let place = "Resources.\(id).Properties.StageName"
        let json = byID[id]?.json["Properties"]?["StageName"].flatMap { try? resolver.value($0, at: place) }?.string
        return json == "$default" ? nil : json
    }

    private static func replaced(_ json: JSON, _ change: (String) -> String) -> JSON {
        switch json {
        case .string(let text): .string(change(text))
        case .array(let list): .array(list.map { replaced($0, change) })
        case .object(let members): .object(members.map { .init($0.name, replaced($0.value, change)) })
        default: json
        }
    }
}

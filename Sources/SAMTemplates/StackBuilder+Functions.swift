import JSONValues

extension StackBuilder {
    mutating func addServerlessFunction(_ resource: Template.Resource) throws(TemplateFault) {
        var properties = try properties(resource, globals: "Function")
        let name = try names.functionName(resource.id)
        _ = properties.text("FunctionName")
        let runtime = properties.required("Runtime")
        let code = serverlessCode(&properties, runtime)
        let alias = properties.text("AutoPublishAlias")
        var function = functionProperties(&properties, runtime: runtime)
        function["Tags"] = Self.object(properties.map("Tags") ?? [:])
        if var deadLetters = properties.object("DeadLetterQueue") {
            if deadLetters.required("Type") != "SQS" { deadLetters.fault("Type", "must be SQS: there are no topics here") }
            function["DeadLetterTarget"] = .string(deadLetters.required("TargetArn"))
            deadLetters.finish(resource.type)
        }
        add(.function, name, resource.id, function, code: code)
        let qualified = alias.map { "\(name):\($0)" } ?? name
        if let alias { addAlias(alias, of: name, resource, properties.object("ProvisionedConcurrencyConfig")) } else if properties.any("ProvisionedConcurrencyConfig") != nil {
            properties.fault("ProvisionedConcurrencyConfig", "needs AutoPublishAlias")
        }
        if let url = properties.object("FunctionUrlConfig") { addURL(url, of: qualified, resource) }
        if let config = properties.object("EventInvokeConfig") { addInvokeConfig(config, of: alias == nil ? "\(name):$LATEST" : qualified, resource) }
        try addEvents(properties.any("Events"), of: resource)
        properties.withoutEffect(
            "Policies", "Role", "AssumeRolePolicyDocument", "PermissionsBoundary", "Tracing", "VpcConfig", "KmsKeyArn", "FileSystemConfigs", "SnapStart",
            "DeploymentPreference", "RolePath", "AutoPublishCodeSha256", "AutoPublishAliasAllProperties", "VersionDescription", "PropagateTags", "SourceKMSKeyArn")
        properties.finish(resource.type)
    }

    private func serverlessCode(_ properties: inout Properties, _ runtime: String) -> StackResource.Code? {
        let inline = properties.text("InlineCode")
        let uri = properties.any("CodeUri")
        if let inline {
            guard uri == nil else {
                properties.fault("InlineCode", "and CodeUri exclude each other")
                return nil
            }
            return Self.inlineCode(inline, runtime)
        }
        return localPath(uri, "CodeUri", &properties) ?? (uri == nil ? .path(".") : nil)
    }

    /// A folder or file beside the template; what lies in a bucket is not to be had.
    private func localPath(_ json: JSON?, _ name: String, _ properties: inout Properties) -> StackResource.Code? {
        guard let json else { return nil }
        guard let path = json.string, !path.hasPrefix("s3://"), !path.hasPrefix("http") else {
            properties.fault(name, "must be a folder or an archive beside the template: code in a bucket is not supported here")
            return nil
        }
        return .path(path)
    }

    private static func inlineCode(_ text: String, _ runtime: String) -> StackResource.Code {
        .inline(file: runtime.hasPrefix("nodejs") ? "index.js" : "index.py", text: text)
    }

    mutating func addLambdaFunction(_ resource: Template.Resource) throws(TemplateFault) {
        var properties = try properties(resource)
        let name = try names.functionName(resource.id)
        _ = properties.text("FunctionName")
        let runtime = properties.required("Runtime")
        var code: StackResource.Code?
        if case .string? = properties.any("Code") {
            code = localPath(properties.any("Code"), "Code", &properties)
        } else if var object = properties.object("Code") {
            code = Self.inlineCode(object.required("ZipFile"), runtime)
            object.finish("\(resource.type): use ZipFile, or a path beside the template")
        } else {
            properties.fault("Code", "is missing")
        }
        var function = functionProperties(&properties, runtime: runtime)
        function["Tags"] = Self.object(tagList(&properties))
        if var deadLetters = properties.object("DeadLetterConfig") {
            function["DeadLetterTarget"] = .string(deadLetters.required("TargetArn"))
            deadLetters.finish(resource.type)
        }
        add(.function, name, resource.id, function, code: code)
        properties.withoutEffect("Role", "TracingConfig", "VpcConfig", "KmsKeyArn", "FileSystemConfigs", "SnapStart")
        properties.finish(resource.type)
    }

    /// What both types have.
    private func functionProperties(_ properties: inout Properties, runtime: String) -> [String: JSON] {
        var environment: [String: String] = [:]
        if var object = properties.object("Environment") {
            environment = object.map("Variables") ?? [:]
            object.finish("Environment")
        }
        var storage: Int?
        if var object = properties.object("EphemeralStorage") {
            storage = object.integer("Size", in: 512...10_240)
            object.finish("EphemeralStorage")
        }
        if let type = properties.text("PackageType"), type != "Zip" { properties.fault("PackageType", "must be Zip: images are not supported here") }
        let isBootstrap = runtime.hasPrefix("provided")
        let handler = properties.text("Handler") ?? (isBootstrap ? "bootstrap" : nil)
        if handler == nil { properties.fault("Handler", "is missing") }
        let layers = properties.texts("Layers") ?? []
        let values: [String: JSON] = [
            "Runtime": .string(runtime), "Handler": .string(handler ?? ""), "MemorySize": .integer(properties.integer("MemorySize", in: 128...10_240) ?? 128),
            "Timeout": .integer(properties.integer("Timeout", in: 1...900) ?? 3), "Description": .string(properties.text("Description") ?? ""),
            "Environment": Self.object(environment), "Layers": .array(layers.map { .string($0) }), "EphemeralStorage": .integer(storage ?? 512),
            "DeadLetterTarget": .string(""), "Tags": .object([]),
            "ReservedConcurrentExecutions": properties.integer("ReservedConcurrentExecutions", in: 0...1_000_000).map { .integer($0) } ?? .null,
        ]
        properties.allow("Architectures")
        for (name, value) in values where LateName.contains("url", in: value) || LateName.contains("api", in: value) {
            properties.fault(name, "cannot have the address of an API or a function URL: it is known only when it is there")
        }
        return values
    }

    // MARK: What a function has beside it

    private mutating func addAlias(_ alias: String, of name: String, _ resource: Template.Resource, _ provisioned: Properties?) {
        var count: Int?
        if var provisioned {
            count = provisioned.integer("ProvisionedConcurrentExecutions", in: 1...1_000_000)
            provisioned.finish("ProvisionedConcurrencyConfig")
        }
        add(.alias, "\(name):\(alias)", resource.id, ["UpToDate": .bool(true), "ProvisionedConcurrentExecutions": count.map { .integer($0) } ?? .null])
    }

    private mutating func addURL(_ properties: Properties, of qualified: String, _ resource: Template.Resource) {
        var properties = properties
        var values: [String: JSON] = [
            "AuthType": .string(properties.choice("AuthType", ["NONE", "AWS_IAM"]) ?? ""),
            "InvokeMode": .string(properties.choice("InvokeMode", ["BUFFERED", "RESPONSE_STREAM"]) ?? "BUFFERED"), "Cors": .null,
        ]
        if !properties.has("AuthType") { properties.fault("AuthType", "is missing") }
        if let cors = properties.object("Cors") { values["Cors"] = Self.cors(cors, maxAge: "MaxAge") }
        properties.finish("FunctionUrlConfig")
        add(.url, qualified, resource.id, values)
    }

    private mutating func addInvokeConfig(_ properties: Properties, of qualified: String, _ resource: Template.Resource) {
        var properties = properties
        var values: [String: JSON] = [
            "MaximumRetryAttempts": properties.integer("MaximumRetryAttempts", in: 0...2).map { .integer($0) } ?? .null,
            "MaximumEventAgeInSeconds": properties.integer("MaximumEventAgeInSeconds", in: 60...21_600).map { .integer($0) } ?? .null,
            "OnSuccess": .string(""), "OnFailure": .string(""),
        ]
        if var destinations = properties.object("DestinationConfig") {
            for side in ["OnSuccess", "OnFailure"] {
                guard var object = destinations.object(side) else { continue }
                _ = object.choice("Type", ["SQS", "Lambda", "EventBridge"])
                values[side] = .string(object.required("Destination"))
                object.finish("DestinationConfig")
            }
            destinations.finish("EventInvokeConfig")
        }
        properties.finish("EventInvokeConfig")
        add(.invokeConfig, qualified, resource.id, values)
    }

    // MARK: Parts

    mutating func add(_ kind: StackResource.Kind, _ name: String, _ id: String, _ properties: [String: JSON], code: StackResource.Code? = nil) {
        resources.append(StackResource(kind, name, logicalID: id, properties, code: code))
    }

    /// With sorted names, so that equal ones compare equal.
    static func object(_ values: [String: String]) -> JSON { .object(values.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }) }

    /// CloudFormation's form of tags, and the mapping that some resources have.
    func tagList(_ properties: inout Properties) -> [String: String] {
        guard case .array(let list)? = properties.any("Tags") else { return properties.map("Tags") ?? [:] }
        var tags: [String: String] = [:]
        for item in list { tags[item["Key"]?.plain ?? ""] = item["Value"]?.plain ?? "" }
        return tags
    }

    /// - Parameter maxAge: what the seconds are called.
    static func cors(_ properties: Properties, maxAge: String) -> JSON {
        var properties = properties
        func list(_ texts: [String]?) -> JSON { .array((texts ?? []).map { .string($0) }) }
        let values: [JSON.Member] = [
            .init("AllowOrigins", list(properties.texts("AllowOrigins"))), .init("AllowMethods", list(properties.texts("AllowMethods"))),
            .init("AllowHeaders", list(properties.texts("AllowHeaders"))), .init("ExposeHeaders", list(properties.texts("ExposeHeaders"))),
            .init("MaxAge", properties.integer(maxAge, in: 0...86_400).map { .integer($0) } ?? .null),
            .init("AllowCredentials", properties.bool("AllowCredentials").map { .bool($0) } ?? .null),
        ]
        properties.finish("Cors")
        return .object(values)
    }
}

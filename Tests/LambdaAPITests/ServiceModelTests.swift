import FunctionModel
@testable import LambdaAPI
import Testing

@Suite struct ServiceModelTests {
    @Test func everyPartIsThere() {
        let model = ServiceModel.lambda
        #expect(model.operations.count >= 85)
        #expect(Set(model.operations.map(\.name)).count == model.operations.count)
        for operation in model.operations { #expect(model.shapes[operation.input] != nil, "\(operation.name)") }
        for (name, shape) in model.shapes {
            let parts = shape.members.map(\.shape) + [shape.element, shape.keys].compactMap(\.self)
            for part in parts { #expect(model.shapes[part] != nil, "\(name) needs \(part)") }
        }
    }

    /// A pattern that were not understood would be no constraint at all.
    @Test func everyPatternIsUnderstood() {
        let lines = ServiceModel.text.split(separator: "\n")
        let fields = lines.flatMap { $0.split(separator: "\t") }
        let sources = fields.filter { $0.hasPrefix("pattern=") }.map { String($0.dropFirst("pattern=".count)) }
        #expect(sources.count > 50)
        for source in sources { #expect(TextPattern(source) != nil, "\(source)") }
    }

    @Test func operationsOfOnePathAreToldApartByTheQuery() {
        let path = "/2019-09-30/functions/f/provisioned-concurrency"
        #expect(ServiceModel.lambda.operation(method: "GET", path: path, query: [("List", "ALL")])?.name == "ListProvisionedConcurrencyConfigs")
        #expect(ServiceModel.lambda.operation(method: "GET", path: path, query: [("Qualifier", "1")])?.name == "GetProvisionedConcurrencyConfig")
        #expect(ServiceModel.lambda.operation(method: "GET", path: "/2018-10-31/layers/", query: [("find", "LayerVersion"), ("Arn", "x")])?.name == "GetLayerVersionByArn")
        #expect(ServiceModel.lambda.operation(method: "GET", path: "/2018-10-31/layers", query: [])?.name == "ListLayers")
        #expect(ServiceModel.lambda.operation(method: "GET", path: "/nowhere", query: []) == nil)
    }
}

@Suite struct TextPatternTests {
    @Test(arguments: [
        ("[a-zA-Z0-9-_]+", ["a-b_c9"], ["", "a b", "a.b"]),
        (#"[0-9A-Za-z\.\-_]*(?<!\.)"#, ["", "a.b"], ["a.", "a/b"]),
        (#"(?!^[0-9]+$)([a-zA-Z0-9-_]+)"#, ["v1", "1v", "a"], ["12", ""]),
        (#"((?!^\d+$)^[0-9a-zA-Z-_]+$)"#, ["1a", "live"], ["1", "$LATEST"]),
        (#"\d{12}|\*|root"#, ["123456789012", "*", "root"], ["1234567890123", "12345678901"]),
        (#"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,3}))"#, ["", "kafka://a", "kafka://abcd"], ["kafka://.a", "kafka://abcde"]),
        (#"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"#, ["Größe 1", ""], ["a#", "a\n"]),
        (#"(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)"#, ["systemx", "a.b"], ["system.users", "$a"]),
        (#"[\s\S]+"#, ["a\nb"], [""]), (".*", ["", "ab"], ["a\nb"]),
        (#"o-[a-z0-9]{2,4}"#, ["o-ab", "o-abcd"], ["o-a", "o-abcde"]),
    ])
    func matchesAsJavaDoes(_ source: String, _ taken: [String], _ refused: [String]) throws {
        let pattern = try #require(TextPattern(source))
        for text in taken { #expect(pattern.matches(text), "\(source) takes \(text)") }
        for text in refused { #expect(!pattern.matches(text), "\(source) refuses \(text)") }
    }

    /// A backtracking matcher does not come back from this one.
    @Test func takesTimeInProportionToTheText() throws {
        let pattern = try #require(ServiceModel.lambda.shapes["Endpoint"]?.pattern)
        #expect(!pattern.matches(String(repeating: "a-", count: 5_000) + "!"))
        #expect(pattern.matches("a.example-1.org:9092"))
    }

    @Test(arguments: ["a{", "(a", "[a", "a)", "*a", #"\q"#, "a{2", "[b-a]"])
    func refusesWhatItDoesNotUnderstand(_ source: String) { #expect(TextPattern(source) == nil) }
}

/// The wanted texts are those of recorded answers of Lambda, but for names.
@Suite struct ModelRequestTests {
    private func answer(
        _ operation: String, path: [String: String] = [:], query: [(name: String, value: String)] = [], _ body: String = ""
    ) throws -> (ServiceError.Code, String)? {
        let operation = try #require(ServiceModel.lambda.operation(named: operation))
        do throws(ServiceError) {
            try ModelRequest(operation, path: path, query: query, headers: [], body: body.utf8).validate()
            return nil
        } catch {
            return (error.code, error.message)
        }
    }

    private func create(_ members: String) throws -> (ServiceError.Code, String)? {
        try answer("CreateFunction", #"{"FunctionName":"f","Role":"arn:aws:iam::123456789012:role/r","Code":{"ZipFile":""},\#(members)}"#)
    }

    @Test(arguments: [
        (#""MemorySize":1"#, "Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"),
        (#""Role":"r1""#, ""),
        (#""KMSKeyArn":"x""#, "Value 'x' at 'kMSKeyArn' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()"),
        (#""Architectures":["X86_64"]"#,
            "Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"),
        (#""Architectures":["x86_64","arm64"]"#, "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"),
        (#""VpcConfig":{"SubnetIds":["bad"]}"#,
            "Value '[bad]' at 'vpcConfig.subnetIds' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: subnet-[0-9a-z]*]"),
        (#""Environment":{"Variables":{"a-b":"secret"}}"#,
            "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"),
        (#""SnapStart":{"ApplyOn":"invalidOption"}"#,
            "Value 'invalidOption' at 'snapStart.applyOn' failed to satisfy constraint: Member must satisfy enum value set: [PublishedVersions, None]"),
        (#""FileSystemConfigs":[{"Arn":"arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0"}]"#,
            "Value null at 'fileSystemConfigs.1.member.localMountPath' failed to satisfy constraint: Member must not be null"),
    ])
    func constraintsAreToldAsLambdaDoes(_ members: String, _ wanted: String) throws {
        let answer = try create(members)
        // The first of two members of one name counts.
        guard !wanted.isEmpty else { return #expect(answer == nil) }
        #expect(answer?.0 == .validation)
        #expect(answer?.1 == "1 validation error detected: \(wanted)")
    }

    @Test func severalFaultsAreToldTogether() throws {
        let message = try #require(try answer("CreateFunction", #"{"FunctionName":"f!","Code":{}}"#)?.1)
        #expect(message.hasPrefix("2 validation errors detected: Value 'f!' at 'functionName' failed"))
        #expect(message.hasSuffix("; Value null at 'role' failed to satisfy constraint: Member must not be null"))
    }

    @Test func weightsAreNamedWithTheirKeys() throws {
        let answer = try answer(
            "CreateAlias", path: ["FunctionName": "f"], #"{"Name":"live","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":2.0}}}"#)
        #expect(
            answer?.1
                == "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]")
    }

    @Test func membersOutsideOfTheBodyAreRead() throws {
        #expect(try answer("UntagResource", path: ["Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"])?.1
            == "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null")
        #expect(try answer("ListFunctions", query: [("FunctionVersion", "invalid")])?.1
            == "1 validation error detected: Value 'invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]")
        #expect(try answer("ListFunctions", query: [("MaxItems", "x")])?.0 == .serialization)
        #expect(try answer("ListFunctions", query: [("MaxItems", "10")]) == nil)
    }

    @Test(arguments: [
        (#"{"Timeout":"3"}"#, "STRING_VALUE can not be converted to an Integer"), (#"{"Handler":3}"#, "NUMBER_VALUE can not be converted to a String"),
        (#"{"Timeout":1.5}"#, "NUMBER_VALUE can not be converted to an Integer"), (#"{"Timeout":99999999999}"#, "NUMBER_VALUE can not be converted to an Integer"),
        (#"{"TracingConfig":5}"#, "NUMBER_VALUE can not be converted to a structure"), (#"{"Layers":{}}"#, "START_OBJECT can not be converted to a list"),
        ("[]", "START_ARRAY can not be converted to a structure"),
    ])
    func typesAreChecked(_ body: String, _ wanted: String) throws {
        let answer = try answer("UpdateFunctionConfiguration", path: ["FunctionName": "f"], body)
        #expect(answer?.0 == .serialization)
        #expect(answer?.1 == wanted)
    }

    @Test func nullsAndStrangersCountAsAbsent() throws {
        #expect(try create(#""Timeout":null,"Layers":null,"MartletIsolation":"environment","Nobody":{"knows":[1]}"#) == nil)
        #expect(try answer("CreateFunction", "{")?.0 == .serialization)
        #expect(try answer("CreateFunction", "")?.0 == .validation)
    }
}

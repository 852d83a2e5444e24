import FunctionModel
import LambdaAPI
import Testing

@Suite struct ErrorMappingTests {
    /// From botocore's service model (exception shapes: status and spelling of the message) and AWS's common errors.
    private static let model: [ServiceError.Code: (String, Int, String)] = [
        .resourceNotFound: ("ResourceNotFoundException", 404, "Message"),
        .resourceConflict: ("ResourceConflictException", 409, "message"),
        .invalidParameterValue: ("InvalidParameterValueException", 400, "message"),
        .invalidRequestContent: ("InvalidRequestContentException", 400, "message"),
        .invalidZipFile: ("InvalidZipFileException", 502, "Message"),
        .invalidRuntime: ("InvalidRuntimeException", 502, "Message"),
        .validation: ("ValidationException", 400, "message"),
        .serialization: ("SerializationException", 400, "Message"),
        .unsupportedOperation: ("UnsupportedOperationException", 501, "message"),
        .unsupportedMediaType: ("UnsupportedMediaTypeException", 415, "message"),
        .requestTooLarge: ("RequestTooLargeException", 413, "message"),
        .codeStorageExceeded: ("CodeStorageExceededException", 400, "message"),
        .policyLengthExceeded: ("PolicyLengthExceededException", 400, "message"),
        .codeSigningConfigNotFound: ("CodeSigningConfigNotFoundException", 404, "Message"),
        .codeVerificationFailed: ("CodeVerificationFailedException", 400, "Message"),
        .recursiveInvocation: ("RecursiveInvocationException", 400, "Message"),
        .preconditionFailed: ("PreconditionFailedException", 412, "message"),
        .tooManyRequestsFunction: ("TooManyRequestsException", 429, "message"),
        .tooManyRequests: ("TooManyRequestsException", 429, "message"),
        .accessDenied: ("AccessDeniedException", 403, "Message"),
        .missingAuthentication: ("MissingAuthenticationTokenException", 403, "message"),
        .invalidSignature: ("InvalidSignatureException", 403, "message"),
        .unrecognizedClient: ("UnrecognizedClientException", 403, "message"),
        .unavailable: ("ServiceUnavailableException", 503, "Message"),
        .methodNotAllowed: ("MethodNotAllowedException", 405, "Message"),
        .provisionedConcurrencyConfigNotFound: ("ProvisionedConcurrencyConfigNotFoundException", 404, "message"),
        .unknownRoute: ("UnknownOperationException", 404, "Message"),
        .internalFailure: ("ServiceException", 500, "Message"),
    ]

    @Test(arguments: ServiceError.Code.allCases)
    func everyCodeHasItsException(_ code: ServiceError.Code) throws {
        let (name, status, key) = try #require(Self.model[code])
        let exception = code.exception
        #expect(exception.name == name)
        #expect(exception.status == status)
        #expect(exception.messageKey == key)
        // Found before the service itself has the request: such bodies have no type.
        guard code != .validation, code != .serialization else { return #expect(exception.fault == nil) }
        #expect(exception.fault == (status >= 500 && code != .unsupportedOperation ? .service : .user))
        guard let modelled = ServiceModel.lambda.exceptions[name] else { return }
        #expect(modelled.status == status)
        #expect(modelled.messageKey == key)
        #expect(modelled.fault == exception.fault?.rawValue)
    }

    @Test func bodyEscapesTheMessageAndGivesTheReason() {
        let body = ServiceError.Code.tooManyRequestsFunction.exception.body(message: "a \"b\"\n")
        #expect(
            String(decoding: body, as: UTF8.self)
                == #"{"Type":"User","message":"a \"b\"\u000a","Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}"#)
    }
}

@Suite struct FunctionTargetTests {
    private func parse(_ text: String, _ qualifier: String? = nil) throws(ServiceError) -> FunctionTarget {
        try FunctionTarget(text, qualifier: qualifier, account: "123456789012", region: "us-east-1")
    }

    @Test(arguments: [
        ("hello", nil), ("hello:1", "1"), ("hello:$LATEST", "$LATEST"), ("function:hello", nil),
        ("123456789012:function:hello", nil), ("123456789012:function:hello:live", "live"),
        ("arn:aws:lambda:us-east-1:123456789012:function:hello", nil),
        ("arn:aws:lambda:us-east-1:123456789012:function:hello:7", "7"),
    ])
    func everyFormIsUnderstood(_ text: String, _ qualifier: String?) throws {
        let target = try parse(text)
        #expect(target.key == FunctionKey(account: "123456789012", region: "us-east-1", name: "hello"))
        #expect(target.qualifier == qualifier)
    }

    @Test(arguments: [
        "", ":", "a b", "a/b", "héllo", "hello:", "hello:a:b", "hello:$OTHER", "arn:aws:s3:us-east-1:123456789012:function:hello",
        "arn:aws:lambda:us-east-1:123456789012:layer:hello", "12345:function:hello", "arn:aws:lambda:us-east-1:123456789012",
        String(repeating: "a", count: 65),
    ])
    func malformedNamesAreRefused(_ text: String) {
        #expect(code { _ = try parse(text) } == .invalidParameterValue)
    }

    @Test func otherAccountsAndRegionsAreOutOfReach() {
        #expect(code { _ = try parse("arn:aws:lambda:us-east-1:999999999999:function:hello") } == .accessDenied)
        #expect(code { _ = try parse("999999999999:function:hello") } == .accessDenied)
        #expect(code { _ = try parse("arn:aws:lambda:eu-west-1:123456789012:function:hello") } == .resourceNotFound)
    }

    @Test func qualifierInNameAndQueryMustAgree() throws {
        #expect(try parse("hello", "3").qualifier == "3")
        #expect(try parse("hello:3", "3").qualifier == "3")
        #expect(code { _ = try parse("hello:3", "4") } == .invalidParameterValue)
        #expect(code { _ = try parse("hello", "a b") } == .invalidParameterValue)
    }

    @Test func sixtyFourCharactersAreTheLimit() throws {
        #expect(try parse(String(repeating: "a", count: 64)).key.name.count == 64)
    }
}

@Suite struct RequestTests {
    private func configuration(_ json: String) throws -> ConfigurationRequest {
        try LambdaJSON.decode(ConfigurationRequest.self, from: Array(json.utf8))
    }

    private func fault(_ json: String, creating: Bool = false) throws -> ServiceError? {
        let request = try configuration(json)
        do throws(ServiceError) {
            try request.validate(creating: creating)
            return nil
        } catch {
            return error
        }
    }

    @Test func rangesAreToldInLambdasWords() throws {
        #expect(
            try fault(#"{"MemorySize":64}"#)?.message
                == "1 validation error detected: Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"
        )
        let both = try fault(#"{"MemorySize":10241,"Timeout":0}"#)
        #expect(both?.code == .invalidParameterValue)
        #expect(both?.message.hasPrefix("2 validation errors detected: ") == true)
    }

    @Test(arguments: [
        #"{"Timeout":901}"#, #"{"EphemeralStorage":{"Size":511}}"#, #"{"EphemeralStorage":{"Size":10241}}"#, #"{"Handler":"a b"}"#,
        #"{"Handler":""}"#, #"{"MartletIsolation":"both"}"#, #"{"Environment":{"Variables":{"1A":"x"}}}"#,
        #"{"Environment":{"Variables":{"A=B":"x"}}}"#, #"{"Environment":{"Variables":{"A":"x\u0000"}}}"#,
        #"{"PackageType":"Image"}"#,
        #"{"Architectures":["riscv"]}"#,
    ])
    func outOfRangeAndUnofferedMembersAreRefused(_ json: String) throws {
        #expect(try fault(json)?.code == .invalidParameterValue)
    }

    @Test(arguments: [
        #"{"MemorySize":128,"Timeout":900}"#, #"{"TracingConfig":{"Mode":"PassThrough"},"Layers":[],"VpcConfig":{}}"#,
        #"{"Environment":{"Variables":{}}}"#, #"{"PackageType":"Zip","SnapStart":{"ApplyOn":"None"}}"#, "{}",
    ])
    func harmlessMembersPass(_ json: String) throws {
        #expect(try fault(json) == nil)
    }

    @Test func creatingNeedsRuntimeAndHandler() throws {
        let message = try fault("{}", creating: true)?.message
        #expect(message?.contains("Value null at 'runtime'") == true)
        #expect(message?.contains("Value null at 'handler'") == true)
    }

    @Test func anImageIsRefusedByNameAndNotForWhatImagesLack() throws {
        let refused = try fault(#"{"PackageType":"Image"}"#, creating: true)
        #expect(refused?.code == .invalidParameterValue && refused?.message == "not offered here: PackageType Image; leave it out")
    }

    @Test func codeHasExactlyOneSource() throws {
        #expect(code { _ = try FunctionCode().source() } == .invalidParameterValue)
        #expect(code { _ = try FunctionCode(zipFile: "AA==", martletSha256: String(repeating: "a", count: 64)).source() } == .invalidParameterValue)
        #expect(code { _ = try FunctionCode(zipFile: "%%%").source() } == .invalidRequestContent)
        #expect(code { _ = try FunctionCode(martletSha256: "abc").source() } == .invalidParameterValue)
        guard case .archive(let bytes) = try FunctionCode(zipFile: "UEsDBA==").source() else {
            Issue.record("a zip is an archive")
            return
        }
        #expect(bytes == [0x50, 0x4B, 3, 4])
    }

    @Test func codeInS3IsNamedInFullAndAlone() throws {
        func source(_ text: String) throws -> CodeSource { try LambdaJSON.decode(FunctionCode.self, from: Array(text.utf8)).source() }
        guard case .object("b", "k", "7") = try source(#"{"S3Bucket":"b","S3Key":"k","S3ObjectVersion":"7","S3ObjectStorageMode":"COPY"}"#) else {
            Issue.record("bucket, key and version name an object")
            return
        }
        for text in [
            #"{"S3Bucket":"b"}"#, #"{"S3Key":"k"}"#, #"{"S3ObjectVersion":"7"}"#, #"{"S3Bucket":"b","S3Key":"k","ZipFile":"UEsDBA=="}"#,
            #"{"S3Bucket":"b","S3Key":"k","S3ObjectStorageMode":"REFERENCE"}"#,
        ] {
            #expect(code { _ = try source(text) } == .invalidParameterValue, "\(text)")
        }
    }

    @Test func imagesAreRefusedByName() throws {
        let image = try LambdaJSON.decode(FunctionCode.self, from: Array(#"{"ImageUri":"x"}"#.utf8))
        #expect(throws: ServiceError.self) { try image.source() }
    }

    @Test func unreadableJSONNamesTheMember() {
        let error = serviceError { _ = try LambdaJSON.decode(CreateFunctionRequest.self, from: Array(#"{"FunctionName":1,"Code":{}}"#.utf8)) }
        #expect(error?.code == .invalidRequestContent)
        #expect(error?.message.contains("'FunctionName'") == true)
        #expect(serviceError { _ = try LambdaJSON.decode(CreateFunctionRequest.self, from: Array("{".utf8)) }?.code == .invalidRequestContent)
    }
}

@Suite struct ResponseTests {
    @Test func configurationIsWrittenAsLambdaWritesIt() throws {
        let key = FunctionKey(account: "123456789012", region: "us-east-1", name: "hello")
        let version = FunctionVersion(
            key: key, version: "$LATEST", revision: 5,
            configuration: FunctionConfiguration(runtime: "python3.11", handler: "app.handler", environment: ["A": "1"]),
            code: CodeReference(sha256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", size: 2),
            lastModified: 1_795_249_257_123)
        let response = FunctionConfigurationResponse(version, qualified: false)
        #expect(response.functionArn == key.arn)
        #expect(FunctionConfigurationResponse(version, qualified: true).functionArn == key.arn + ":$LATEST")
        #expect(response.lastModified == "2026-11-21T08:20:57.123+0000")
        #expect(response.codeSha256 == "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=")
        #expect(CodeDigest.hexadecimal(base64: response.codeSha256) == version.code.sha256)
        let text = String(decoding: try LambdaJSON.encode(response), as: UTF8.self)
        #expect(text.contains(#""Environment":{"Variables":{"A":"1"}}"#))
        #expect(text.contains(#""State":"Active""#))
        #expect(text.contains(#""LastUpdateStatus":"Successful""#))
    }

    @Test func keptMembersAreReturnedWithLambdasDefaults() throws {
        let request = try LambdaJSON.decode(
            ConfigurationRequest.self,
            from: #"""
                {"VpcConfig":{"SubnetIds":["subnet-1"]},"KMSKeyArn":"arn:aws:kms:us-east-1:123456789012:key/k","TracingConfig":{"Mode":"Active"},
                 "FileSystemConfigs":[{"Arn":"a","LocalMountPath":"/mnt/x"}],
                 "SnapStart":{"ApplyOn":"PublishedVersions"},"TenancyConfig":{"TenantIsolationMode":"PER_TENANT"}}
                """#.utf8)
        try request.validate(creating: false)
        var kept = KeptSettings()
        kept.merge(request.keptSettings)
        // What a later request does not have stays.
        kept.merge(try LambdaJSON.decode(ConfigurationRequest.self, from: #"{"TracingConfig":{"Mode":"PassThrough"}}"#.utf8).keptSettings)
        let version = FunctionVersion(
            key: FunctionKey(account: "123456789012", region: "us-east-1", name: "hello"), version: "1", revision: 5,
            configuration: FunctionConfiguration(runtime: "python3.11", handler: "app.handler", kept: kept), code: CodeReference(sha256: "00", size: 2), lastModified: 0)
        let text = String(decoding: try LambdaJSON.encode(FunctionConfigurationResponse(version, qualified: true)), as: UTF8.self)
        for part in [
            #""VpcConfig":{"Ipv6AllowedForDualStack":false,"SecurityGroupIds":[],"SubnetIds":["subnet-1"],"VpcId":""}"#, #""KMSKeyArn":"arn:aws:kms"#,
            #""TracingConfig":{"Mode":"PassThrough"}"#, #""FileSystemConfigs":[{"Arn":"a","LocalMountPath":"/mnt/x"}]"#,
            #""SnapStart":{"ApplyOn":"PublishedVersions","OptimizationStatus":"On"}"#, #""TenancyConfig":{"TenantIsolationMode":"PER_TENANT"}"#,
        ] { #expect(text.contains(part), "\(part) in \(text)") }
    }

    @Test func revisionIDsComeBack() {
        for revision: UInt64 in [0, 1, 2, 77, .max] { #expect(RevisionID.revision(RevisionID.text(revision)) == revision) }
        #expect(RevisionID.revision("0b1c2d3e-0000-4000-8000-000000000000") == nil)
        #expect(RevisionID.revision("x") == nil)
    }

    @Test func base64GoesBothWays() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8($0 * 13 & 255) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        for bad in ["A", "AB", "ABC", "AB=C", "ABCD=", "====", "A*CD"] { #expect(Base64.decode(bad) == nil, "\(bad)") }
        #expect(Base64.decode("QUJD\r\nREVG") == Array("ABCDEF".utf8))
    }
}

private func serviceError(_ body: () throws -> Void) -> ServiceError? {
    do {
        try body()
        return nil
    } catch {
        return error as? ServiceError
    }
}

private func code(_ body: () throws -> Void) -> ServiceError.Code? { serviceError(body)?.code }

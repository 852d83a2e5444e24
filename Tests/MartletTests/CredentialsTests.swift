import Glibc
import Testing

@testable import Martlet

private func withFolder(_ body: (String) throws -> Void) throws {
    let path = "/tmp/martlet-credentials-\(UInt64.random(in: 0...UInt64.max))"
    try LocalFile.makeFolders(path)
    defer { LocalFile.removeTree(path) }
    try body(path)
}

@Suite struct CredentialsTests {
    @Test func firstStartMakesAPairThatStays() throws {
        try withFolder { (folder: String) throws in
            let first = try Credentials.loadOrCreate(path: folder, account: "123456789012", region: "eu-west-1")
            #expect(first.accessKeyId.hasPrefix("AKIA") && first.accessKeyId.count == 20)
            #expect(first.secretAccessKey.count == 40)
            #expect(try Credentials.loadOrCreate(path: folder, account: "1", region: "x") == first)
            #expect(try Credentials.load(path: folder) == first)
            #expect(try LocalFile.names(in: folder) == ["credentials"])
            var info = stat()
            #expect(stat("\(folder)/credentials", &info) == 0 && info.st_mode & 0o777 == 0o600)
        }
    }

    @Test func fileThatOthersMayReadIsRefused() throws {
        try withFolder { (folder: String) throws in
            _ = try Credentials.loadOrCreate(path: folder, account: "123456789012", region: "us-east-1")
            chmod("\(folder)/credentials", 0o644)
            let failure = #expect(throws: Credentials.Failure.self) { try Credentials.load(path: folder) }
            #expect(failure?.description.contains("chmod 600") == true)
        }
    }

    @Test func absentFileIsToldFromADamagedOne() throws {
        try withFolder { (folder: String) throws in
            let absent = #expect(throws: Credentials.Failure.self) { try Credentials.load(path: folder) }
            #expect(absent?.isAbsent == true)
            try LocalFile.write(Array("{".utf8), to: "\(folder)/credentials")
            let damaged = #expect(throws: Credentials.Failure.self) { try Credentials.load(path: folder) }
            #expect(damaged?.isAbsent == false)
        }
    }

    @Test func exportIsWhatAClientReads() {
        let pair = Credentials(accessKeyId: "AKIA", secretAccessKey: "s", account: "1", region: "r")
        #expect(
            pair.exportLines(endpoint: "http://h:1") == [
                "export AWS_ACCESS_KEY_ID=AKIA", "export AWS_SECRET_ACCESS_KEY=s", "export AWS_DEFAULT_REGION=r", "export AWS_REGION=r",
                "export AWS_ENDPOINT_URL_LAMBDA=http://h:1", "export AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=http://h:1", "export AWS_ENDPOINT_URL_SQS=http://h:1",
                "export AWS_ENDPOINT_URL_EVENTBRIDGE=http://h:1", "export AWS_ENDPOINT_URL_SCHEDULER=http://h:1",
                "export AWS_DISABLE_HOST_PREFIX_INJECTION=true",
            ])
    }

    @Test func keysComeFromTheEnvironmentThenFromTheDataDirectoryThenFromNowhere() {
        let stored = Credentials(accessKeyId: "STORED", secretAccessKey: "s", account: "1", region: "eu-north-1")
        let variables = ["AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "e", "AWS_DEFAULT_REGION": "eu-west-1"]
        let first = SigV4RequestSigner.resolve(environment: variables) { stored }
        #expect(first.accessKeyID == "ENV" && first.region == "eu-west-1" && first.sessionToken == nil)
        let second = SigV4RequestSigner.resolve(environment: [:]) { stored }
        #expect(second.accessKeyID == "STORED" && second.region == "eu-north-1")
        let third = SigV4RequestSigner.resolve(environment: ["AWS_REGION": "x"]) { nil }
        #expect(third.secret == "development" && third.region == "x")
    }

    @Test func endpointIsTheFlagThenTheVariableThenThisMachine() throws {
        let environment = ["MARTLET_ENDPOINT": "http://other:8080/"]
        #expect(try Endpoint.resolve(flag: "http://flag", environment: environment).description == "http://flag")
        #expect(try Endpoint.resolve(flag: nil, environment: environment).description == "http://other:8080")
        #expect(try Endpoint.resolve(flag: nil, environment: [:]).description == "http://127.0.0.1:9000")
        #expect(try Endpoint("http://[::1]:9000").host == "::1")
        let secure = try Endpoint("https://martlet.example")
        #expect(secure.port == 443 && secure.isSecure && secure.authority == "martlet.example" && secure.description == "https://martlet.example")
    }

    @Test(arguments: ["ftp://x", "https://", "x:9000", "http://", "http://x/path", "http://user@x", "http://x:0", "http://x:99999"])
    func endpointThatIsNoneIsAUsageFailure(text: String) {
        let failure = #expect(throws: CommandFailure.self) { try Endpoint(text) }
        #expect(failure?.exitCode == 64)
    }
}

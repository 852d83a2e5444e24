import Testing

@testable import Martlet

private func load(_ file: String? = nil, environment: [String: String] = [:], flags: [String: String] = [:]) throws -> LoadedConfiguration {
    var sources = ConfigurationSources()
    if let file { sources.file = ("martlet.json", Array(file.utf8)) }
    sources.environment = environment
    sources.flags = flags
    sources.isRoot = true
    sources.hostMemoryMB = 8_192
    return try ConfigurationLoader.load(sources)
}

private func faults(_ file: String? = nil, environment: [String: String] = [:], flags: [String: String] = [:]) -> [String] {
    do {
        _ = try load(file, environment: environment, flags: flags)
        return []
    } catch {
        return (error as? ConfigurationFault)?.faults ?? ["\(error)"]
    }
}

@Suite struct ConfigurationTests {
    @Test func defaultsAreComplete() throws {
        let loaded = try load()
        #expect(loaded.configuration.listen.description == "127.0.0.1:9000")
        #expect(loaded.configuration.data == "/var/lib/martlet")
        #expect(loaded.configuration.nodeMemoryMB == 6_144)
        #expect(loaded.settings.map(\.name) == Setting.all.map(\.name))
        #expect(loaded.settings.allSatisfy { $0.origin == .standard })
    }

    @Test func laterSourcesWinAndEveryValueNamesItsOrigin() throws {
        let loaded = try load(
            "{ listen: '127.0.0.1:1', data: '/file', idleSeconds: 5, /* why not */ logs: { totalMB: 7, }, }",
            environment: ["MARTLET_LISTEN": "127.0.0.1:2", "MARTLET_DATA": "/environment", "HOME": "/root"],
            flags: ["listen": "127.0.0.1:3"])
        #expect(loaded.configuration.listen.port == 3)
        #expect(loaded.configuration.data == "/environment")
        #expect(loaded.configuration.idleSeconds == 5)
        #expect(loaded.configuration.logs.totalMB == 7)
        let origins = Dictionary(uniqueKeysWithValues: loaded.settings.map { ($0.name, $0.origin) })
        #expect(origins["listen"] == .flag("--listen"))
        #expect(origins["data"] == .environment("MARTLET_DATA"))
        #expect(origins["logs.totalMB"] == .file("martlet.json"))
        #expect(origins["region"] == .standard)
    }

    @Test func everyFaultIsReportedAtOnceWithTheNearestName() {
        let found = faults(
            "{ idleSecond: 5, logs: { totalMb: 1 }, drainSeconds: -1, prices: 3, nodeConcurrency: '5' }",
            environment: ["MARTLET_REGIO": "x", "MARTLET_ACCOUNT": "12"], flags: ["listen": "nowhere"])
        #expect(found.count == 8)
        #expect(found.contains("martlet.json: unknown setting idleSecond; did you mean idleSeconds?"))
        #expect(found.contains("martlet.json: unknown setting logs.totalMb; did you mean logs.totalMB?"))
        #expect(found.contains("martlet.json: drainSeconds must be a whole number from 0 to 900, not -1"))
        #expect(found.contains("martlet.json: prices must be an object, not 3"))
        #expect(found.contains { $0.hasPrefix("martlet.json: nodeConcurrency must be a whole number") })
        #expect(found.contains("environment: unknown variable MARTLET_REGIO; did you mean MARTLET_REGION?"))
        #expect(found.contains { $0.hasPrefix("environment MARTLET_ACCOUNT: account must be") })
        #expect(found.contains { $0.hasPrefix("--listen: listen must be") })
    }

    @Test func fileThatIsNoObjectIsAFault() {
        #expect(faults("[1]").count == 1)
        #expect(faults("{ listen: ").first?.hasPrefix("martlet.json: not JSON5") == true)
    }

    @Test func variablesOfOtherVerbsAndOfTheServerItselfAreNoFaults() {
        #expect(faults(environment: ["MARTLET_ENDPOINT": "http://x", "MARTLET_INTERNAL_FD": "3"]).isEmpty)
    }

    @Test func pricesKeepTheirDigits() throws {
        let loaded = try load("{ prices: { perGBSecond: '0.000016666700', perMillionRequests: '1' } }")
        #expect(loaded.configuration.prices.perGBSecond == "0.000016666700")
        #expect(!faults("{ prices: { perGBSecond: '-1' } }").isEmpty)
        #expect(!faults("{ prices: { perGBSecond: '1e-5' } }").isEmpty)
    }

    @Test func variableNamesFollowTheSettings() {
        let names = Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.name, $0.variable) })
        #expect(names["logs.totalMB"] == "MARTLET_LOGS_TOTAL_MB")
        #expect(names["prices.perGBSecond"] == "MARTLET_PRICES_PER_GB_SECOND")
        #expect(names["uidRange.first"] == "MARTLET_UID_RANGE_FIRST")
        #expect(Set(names.values).count == Setting.all.count)
    }

    @Test func everySettingTakesItsOwnTextBack() throws {
        for setting in Setting.all {
            var configuration = ServerConfiguration()
            let value = setting.read(configuration)
            #expect(setting.write(&configuration, value) == nil, "\(setting.name)")
            #expect(configuration == ServerConfiguration(), "\(setting.name)")
        }
    }

    @Test(arguments: ["0.0.0.0:9000", "[::]:9000", "192.168.1.5:80", "example.org:9000", ":9000"])
    func openDoorToTheNetworkIsRefused(address: String) throws {
        let parsed = try #require(ListenAddress(address))
        #expect(throws: ConfigurationFault.self) { try validateListen(parsed, dev: true) }
        try validateListen(parsed, dev: false)
        #expect(faults(flags: ["listen": address, "dev": "true"]).first?.contains("leave out --dev") == true)
    }

    @Test(arguments: ["127.0.0.1:9000", "[::1]:9000", "localhost:0", "127.1.2.3:1"])
    func loopbackMayBeUsedWithoutKeys(address: String) throws {
        try validateListen(try #require(ListenAddress(address)), dev: true)
    }

    @Test(arguments: ["", "9000", "1.2.3.4", "1.2.3.4:70000", "::1:9000", "[::1]", "a b:1", "[1.2.3.4]:80", "x:-1"])
    func addressThatIsNoneIsRefused(text: String) { #expect(ListenAddress(text) == nil) }

    @Test func nearestNameIsOnlyOfferedWhenItIsNear() {
        #expect(suggestion("hallo", among: ["hello", "world"]) == "; did you mean hello?")
        #expect(suggestion("zzzzzz", among: ["hello", "world"]) == "")
        #expect(editDistance("ab", "ba") == 1)
        #expect(editDistance("kitten", "sitting") == 3)
        #expect(editDistance("", "abc") == 3)
    }
}

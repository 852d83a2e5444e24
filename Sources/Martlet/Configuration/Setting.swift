internal import EventPatterns
internal import FunctionModel
internal import JSONValues
internal import ObjectStorage
internal import Sandbox

/// One setting: its name in the file, its variable, and how its value gets in and out of the configuration.
struct Setting: Sendable {
    /// As in the file, groups before a dot: `logs.totalMB`.
    let name: String
    let fromText: @Sendable (String) -> JSON
    let read: @Sendable (ServerConfiguration) -> JSON
    /// Sets the value, or returns what it must be.
    let write: @Sendable (inout ServerConfiguration, JSON) -> String?

    /// `MARTLET_LOGS_TOTAL_MB`
    var variable: String {
        var text = "MARTLET_"
        var previous: Character = "_"
        let letters = Array(name)
        for (index, letter) in letters.enumerated() {
            if letter == "." {
                text += "_"
                previous = "_"
                continue
            }
            let beginsWord =
                letter.isUppercase && previous != "_"
                && (previous.isLowercase || index + 1 < letters.count && letters[index + 1].isLowercase)
            if beginsWord { text += "_" }
            text += letter.uppercased()
            previous = letter
        }
        return text
    }

    /// Read by other verbs than `serve`.
    static let foreignVariables: Set<String> = ["MARTLET_ENDPOINT", "MARTLET_SANDBOX_DISABLE"]

    static let groups = Set(all.compactMap { $0.name.split(separator: ".").dropLast().first.map(String.init) })

    static let all: [Setting] = [
        Setting(
            name: "listen", fromText: { .string($0) }, read: { .string($0.listen.description) },
            write: { configuration, value in
                guard let address = value.string.flatMap(ListenAddress.init) else {
                    return "must be an address and a port such as \"127.0.0.1:9000\""
                }
                configuration.listen = address
                return nil
            }),
        text("data", \.data, "must be the path of a folder") { !$0.isEmpty && !$0.utf8.contains(0) },
        boolean("dev", \.dev),
        text("user", \.user, "must be the name of a user account") {
            !$0.isEmpty && $0.utf8.count <= 32 && !$0.contains { $0 == ":" || $0 == "/" || $0.isWhitespace }
        },
        integer("uidRange.first", \.uidRange.first, 65_536...2_147_000_000),
        integer("uidRange.count", \.uidRange.count, 16...400_000),
        integer("drainSeconds", \.drainSeconds, 0...900),
        integer("idleSeconds", \.idleSeconds, 1...86_400),
        integer("spareSeconds", \.spareSeconds, 0...86_400),
        integer("templateMaxAgeSeconds", \.templateMaxAgeSeconds, 60...604_800),
        integer("nodeConcurrency", \.nodeConcurrency, 1...100_000),
        integer("nodeMemoryMB", \.nodeMemoryMB, 128...16_777_216),
        integer("queueDepthPerFunction", \.queueDepthPerFunction, 0...1_000_000),
        integer("bodyBytesInFlight", \.bodyBytesInFlight, 8_388_608...1_099_511_627_776),
        text("tls.certificate", \.tls.certificate, "must be the path of a file") { !$0.utf8.contains(0) },
        text("tls.key", \.tls.key, "must be the path of a file") { !$0.utf8.contains(0) },
        text("environmentKey", \.environmentKey, "must be the path of a file") { !$0.utf8.contains(0) },
        Setting(
            name: "trustedProxies",
            fromText: { .array($0.split(separator: ",").map { .string(String($0)) }) },
            read: { .array($0.trustedProxies.map { .string($0) }) },
            write: { configuration, value in
                let reason = "must be a list of address blocks such as [\"127.0.0.1/32\", \"10.0.0.0/24\"]"
                guard let blocks = value.array?.map(\.string), blocks.count <= 64, blocks.allSatisfy({ $0.flatMap(AddressBlock.init) != nil }) else { return reason }
                configuration.trustedProxies = blocks.compactMap { $0 }
                return nil
            }),
        integer("rates.perClient", \.rates.perClient, 0...1_000_000),
        integer("rates.clientBurst", \.rates.clientBurst, 0...1_000_000),
        integer("rates.perKey", \.rates.perKey, 0...1_000_000),
        integer("rates.keyBurst", \.rates.keyBurst, 0...1_000_000),
        integer("audit.totalMB", \.audit.totalMB, 0...1_048_576),
        text("s3.endpoint", \.s3.endpoint, "must be the address of a server such as \"https://s3.example.org:9000\", without a path") {
            $0.isEmpty || S3Endpoint(url: $0, region: "", usesPaths: true) != nil
        },
        text("s3.region", \.s3.region, "must be a region such as \"us-east-1\"") {
            (1...32).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        },
        text("s3.accessKeyId", \.s3.accessKeyId, "must be the ID of an access key") { $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } },
        secret("s3.secretAccessKey", \.s3.secretAccessKey),
        boolean("s3.pathStyle", \.s3.pathStyle),
        text("s3.authorities", \.s3.authorities, "must be the path of a file") { !$0.utf8.contains(0) },
        integer("s3.timeoutSeconds", \.s3.timeoutSeconds, 1...900),
        integer("s3.maximumMB", \.s3.maximumMB, 1...250),
        Setting(
            name: "async.retryDelays",
            fromText: { .array($0.split(separator: ",").map { part in Double(part).map { .number("\($0)") } ?? .string(String(part)) }) },
            read: { .array($0.async.retryDelays.map { .number($0 == $0.rounded() ? "\(Int($0))" : "\($0)") }) },
            write: { configuration, value in
                let reason = "must be a list of one to ten seconds such as [60, 120]"
                guard let members = value.array, (1...10).contains(members.count) else { return reason }
                var delays: [Double] = []
                for member in members {
                    guard case .number(let text) = member, let seconds = Double(text), (0...86_400).contains(seconds) else { return reason }
                    delays.append(seconds)
                }
                configuration.async.retryDelays = delays
                return nil
            }),
        integer("async.maximumInFlight", \.async.maximumInFlight, 0...100_000),
        integer("queues.messagesPerQueue", \.queues.messagesPerQueue, 1...1_000_000_000),
        integer("queues.totalMessages", \.queues.totalMessages, 1...1_000_000_000),
        integer("queues.totalMB", \.queues.totalMB, 1...16_777_216),
        integer("logs.totalMB", \.logs.totalMB, 1...16_777_216),
        integer("logs.outputLimitBytes", \.logs.outputLimitBytes, 4_096...1_073_741_824),
        boolean("cgroups.fastMoves", \.cgroups.fastMoves),
        Setting(
            name: "network.default", fromText: { .string($0) }, read: { .string($0.network.standard.rawValue) },
            write: { configuration, value in
                guard let access = value.string.flatMap(NetworkAccess.init) else { return "must be \"egress\" or \"none\"" }
                configuration.network.standard = access
                return nil
            }),
        text("network.range", \.network.range, "must be 16 addresses or more in CIDR notation, such as \"198.18.0.0/15\"") {
            IPv4Block($0).map { (8...28).contains($0.prefix) } ?? false
        },
        list("network.nameServers", \.network.nameServers, "must be a list of at most three IPv4 addresses such as [\"10.0.0.53\"]", atMost: 3) {
            IPv4Block.address($0) != nil
        },
        list("network.refused", \.network.refused, "must be a list of IPv4 blocks such as [\"10.0.0.0/8\"]", atMost: 1_000) { IPv4Block($0) != nil },
        list("network.allowed", \.network.allowed, "must be a list of IPv4 blocks such as [\"10.0.5.0/24\"]", atMost: 1_000) { IPv4Block($0) != nil },
        list("network.interfaces", \.network.interfaces, "must be a list of names of network interfaces such as [\"eth0\"]", atMost: 16) {
            (1...15).contains($0.utf8.count) && $0.utf8.allSatisfy { $0 > 32 && $0 < 127 && ![34, 42, 47, 92].contains($0) }
        },
        Setting(
            name: "runtimes.pythonPrefixes",
            fromText: { .array($0.split(separator: ":").map { .string(String($0)) }) },
            read: { .array($0.runtimes.pythonPrefixes.map { .string($0) }) },
            write: { configuration, value in
                let reason = "must be a list of absolute paths such as [\"/opt/python3.13\"]"
                guard let prefixes = value.array?.map(\.string), prefixes.allSatisfy({ $0?.hasPrefix("/") == true }) else { return reason }
                configuration.runtimes.pythonPrefixes = prefixes.compactMap { $0 }
                return nil
            }),
        text("prices.currency", \.prices.currency, "must be a currency code such as \"USD\"") {
            $0.utf8.count == 3 && $0.utf8.allSatisfy { (0x41...0x5A).contains($0) }
        },
        decimal("prices.perMillionRequests", \.prices.perMillionRequests),
        decimal("prices.perGBSecond", \.prices.perGBSecond),
        text("region", \.region, "must be a region such as \"us-east-1\"") {
            (1...32).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        },
        text("account", \.account, "must be an account of 12 digits in quotes") {
            $0.utf8.count == 12 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) }
        },
    ]

    private static func text(
        _ name: String, _ path: any WritableKeyPath<ServerConfiguration, String> & Sendable, _ reason: String,
        _ isValid: @escaping @Sendable (String) -> Bool
    ) -> Setting {
        Setting(
            name: name, fromText: { .string($0) }, read: { .string($0[keyPath: path]) },
            write: { configuration, value in
                guard let text = value.string, isValid(text) else { return reason }
                configuration[keyPath: path] = text
                return nil
            })
    }

    /// Texts; in a variable they are separated by commas.
    private static func list(
        _ name: String, _ path: any WritableKeyPath<ServerConfiguration, [String]> & Sendable, _ reason: String, atMost limit: Int,
        _ isValid: @escaping @Sendable (String) -> Bool
    ) -> Setting {
        Setting(
            name: name, fromText: { .array($0.split(separator: ",").map { .string(String($0)) }) },
            read: { .array($0[keyPath: path].map { .string($0) }) },
            write: { configuration, value in
                guard let members = value.array?.map(\.string), members.count <= limit, members.allSatisfy({ $0.map(isValid) == true }) else { return reason }
                configuration[keyPath: path] = members.compactMap { $0 }
                return nil
            })
    }

    /// A text that is never shown.
    private static func secret(_ name: String, _ path: any WritableKeyPath<ServerConfiguration, String> & Sendable) -> Setting {
        Setting(
            name: name, fromText: { .string($0) }, read: { .string($0[keyPath: path].isEmpty ? "" : "(set)") },
            write: { configuration, value in
                guard let text = value.string else { return "must be a text" }
                configuration[keyPath: path] = text
                return nil
            })
    }

    private static func boolean(_ name: String, _ path: any WritableKeyPath<ServerConfiguration, Bool> & Sendable) -> Setting {
        Setting(
            name: name, fromText: { ["true", "1", "yes"].contains($0) ? .bool(true) : ["false", "0", "no"].contains($0) ? .bool(false) : .string($0) },
            read: { .bool($0[keyPath: path]) },
            write: { configuration, value in
                guard let flag = value.bool else { return "must be true or false" }
                configuration[keyPath: path] = flag
                return nil
            })
    }

    private static func integer(
        _ name: String, _ path: any WritableKeyPath<ServerConfiguration, Int> & Sendable, _ range: ClosedRange<Int>
    ) -> Setting {
        Setting(
            name: name, fromText: { Int($0).map { .integer($0) } ?? .string($0) }, read: { .integer($0[keyPath: path]) },
            write: { configuration, value in
                guard case .number(let text) = value, let number = Int(text), range.contains(number) else {
                    return "must be a whole number from \(range.lowerBound) to \(range.upperBound)"
                }
                configuration[keyPath: path] = number
                return nil
            })
    }

    /// A price: at most nine digits before and twelve after the point, the finest a cost is shown in.
    private static func decimal(_ name: String, _ path: any WritableKeyPath<ServerConfiguration, String> & Sendable) -> Setting {
        Setting(
            name: name, fromText: { .string($0) }, read: { .string($0[keyPath: path]) },
            write: { configuration, value in
                let reason = "must be a decimal number in quotes such as \"0.0000166667\", with at most 12 decimals"
                guard let text = value.string else { return reason }
                let parts = text.split(separator: ".", omittingEmptySubsequences: false)
                guard parts.count <= 2, (1...9).contains(parts[0].utf8.count), parts.count == 1 || (1...12).contains(parts[1].utf8.count),
                    parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
                else { return reason }
                configuration[keyPath: path] = text
                return nil
            })
    }
}

/// `; did you mean …?` when one of the known names is near; else the empty text.
func suggestion(_ name: String, among known: some Sequence<String>) -> String {
    let short = name.lowercased()
    let best = known.map { (distance: editDistance(short, $0.lowercased()), name: $0) }
        .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    guard let best, best.distance <= max(2, short.count / 3) else { return "" }
    return "; did you mean \(best.name)?"
}

/// Insertions, deletions, replacements and swaps of neighbours that make one text the other.
func editDistance(_ first: String, _ second: String) -> Int {
    let a = Array(first)
    let b = Array(second)
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    var beforePrevious: [Int] = []
    var previous = Array(0...b.count)
    for i in 1...a.count {
        var current = [i]
        for j in 1...b.count {
            var best = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { best = min(best, beforePrevious[j - 2] + 1) }
            current.append(best)
        }
        (beforePrevious, previous) = (previous, current)
    }
    return previous[b.count]
}

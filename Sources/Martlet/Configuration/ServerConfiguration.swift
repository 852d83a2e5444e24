internal import FunctionModel

/// Everything that can be set about a server, with its default. `ConfigurationLoader` is the only maker of other values.
struct ServerConfiguration: Hashable, Sendable {
    /// Where the server accepts connections: `host:port`; port 0 takes a free one.
    var listen = ListenAddress(host: "127.0.0.1", port: 9000)
    /// The data directory: state, packages, usage and logs.
    var data = "/var/lib/martlet"
    /// Accept any credentials; only on loopback.
    var dev = false
    /// The account that the network-facing process runs as when it was started by root.
    var user = "martlet"
    /// Host uids for functions, one per function version.
    var uidRange = UIDRange()
    /// Seconds that accepted requests have to finish after SIGTERM, 0…900.
    var drainSeconds = 10
    /// Seconds without a request after which nothing of a function stays in memory, 1…86,400.
    var idleSeconds = 60
    /// Seconds after the last use of a language that one runtime without a function stays for its next cold start,
    /// 0…86,400; 0 keeps none.
    var spareSeconds = 300
    /// Seconds after which a template is made anew (credentials, DNS and clocks in it go stale), 60…604,800.
    var templateMaxAgeSeconds = 14_400
    /// Invocations that run at the same time on this node, 1…100,000.
    var nodeConcurrency = 1_000
    /// MB that all execution environments together may use.
    var nodeMemoryMB = 1_024
    /// Invocations that may wait for one function version, 0…1,000,000.
    var queueDepthPerFunction = 1_000
    /// Bytes of request and response bodies held in memory at the same time, all functions together.
    var bodyBytesInFlight = 268_435_456
    var tls = TLS()
    /// Addresses (`10.0.0.5/32`, `::1/128`) of proxies whose `X-Forwarded-For`, `-Proto`, `-Port` and `-Host` count.
    var trustedProxies: [String] = []
    /// Path of the key that environment variables are sealed with, 64 hexadecimal digits; empty for `environment.key` in the
    /// data directory, which the first start makes.
    var environmentKey = ""
    var rates = Rates()
    var audit = Audit()
    var s3 = S3()
    var async = Async()
    var queues = Queues()
    var logs = Logs()
    var cgroups = Cgroups()
    var network = Network()
    var runtimes = Runtimes()
    var prices = Prices()
    /// The region that clients sign for and that ARNs name.
    var region = "us-east-1"
    /// The default tenant's account, 12 digits.
    var account = "123456789012"

    struct UIDRange: Hashable, Sendable {
        /// Beyond what distributions give to users (subuid) and systemd to containers.
        var first = 1_900_000_000
        var count = 65_536
    }

    /// Paths of PEM files, both or neither; relative ones are below the data directory. Read again when they change.
    struct TLS: Hashable, Sendable {
        /// The chain, the server's own certificate first.
        var certificate = ""
        var key = ""

        var isOn: Bool { !certificate.isEmpty }
    }

    /// Requests per second; 0: no limit. What may come at once beyond that is `burst`, 0 for as many as one second grants.
    struct Rates: Hashable, Sendable {
        /// Of each client address.
        var perClient = 0
        var clientBurst = 0
        /// Of each access key.
        var perKey = 0
        var keyBurst = 0
    }

    /// The log of management calls.
    struct Audit: Hashable, Sendable {
        /// MB on disk; the oldest entries go first. 0: none is kept.
        var totalMB = 64
    }

    /// Where the archives of functions and layers come from that are named by bucket and key.
    struct S3: Hashable, Sendable {
        /// `https://HOST[:PORT]` or `http://…`; empty for none.
        var endpoint = ""
        /// That requests are signed for.
        var region = "us-east-1"
        /// Of the default account; without them it has `secrets/ACCOUNT/.s3`, as every other account has.
        var accessKeyId = ""
        var secretAccessKey = ""
        /// Whether a bucket is the first part of the path; otherwise of the host's name.
        var pathStyle = true
        /// A PEM file with the authorities to trust instead of the system's; a relative path is below the data directory.
        var authorities = ""
        /// Seconds until an archive must be there, 1…900.
        var timeoutSeconds = 45
        /// MB of an archive, 1…250.
        var maximumMB = 250
    }

    /// Asynchronous invocations.
    struct Async: Hashable, Sendable {
        /// Seconds before the first, second, … further attempt after a function error; Lambda's are a minute and two.
        var retryDelays = [60.0, 120.0]
        /// Events on their way at once; what is left of `nodeConcurrency` is for synchronous requests. 0: the half of it.
        var maximumInFlight = 0
    }

    /// Bounds of the durable queues.
    struct Queues: Hashable, Sendable {
        /// Messages of one queue, and of all together.
        var messagesPerQueue = 10_000_000
        var totalMessages = 20_000_000
        /// MB of bodies in all queues together.
        var totalMB = 32_768
    }

    struct Logs: Hashable, Sendable {
        /// MB on disk for all functions' logs together; the oldest lines go first.
        var totalMB = 1_024
        /// Bytes of output kept of one invocation; more are counted and dropped.
        var outputLimitBytes = 1_048_576
    }

    struct Cgroups: Hashable, Sendable {
        /// Ask the kernel to favour moving processes between cgroups (`favordynmods`, Linux 6.0). Without it the first move
        /// after a rest waits for an RCU grace period, some milliseconds of a cold start; with it each fork and exit on
        /// the host takes one more lock. On Linux 6.18 and newer it stays so until the host restarts.
        var fastMoves = true
    }

    /// What functions reach beside the server.
    struct Network: Hashable, Sendable {
        /// Of functions that do not say it themselves (`network.default`).
        var standard = NetworkAccess.egress
        /// Addresses of functions, at least 16; nobody else's. By default those that are set aside for benchmarks of networks.
        var range = "198.18.0.0/15"
        /// Addresses; empty for the host's own name servers.
        var nameServers: [String] = []
        /// What functions do not reach unless it is in `allowed`: private networks, in which the host's neighbours are, and what
        /// clouds use for themselves. The host's own addresses, loopback, multicast and `range` are never reached.
        var refused = [
            "10.0.0.0/8", "100.64.0.0/10", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",
        ]
        var allowed: [String] = []
        /// Interfaces that lead out; empty for those of the default routes.
        var interfaces: [String] = []
    }

    struct Runtimes: Hashable, Sendable {
        /// Prefixes of further CPython installations: folders that hold `bin/python3.X`.
        var pythonPrefixes: [String] = []
    }

    /// Decimal texts, so that no digit is lost. Defaults: Lambda's published prices for x86-64 in us-east-1.
    struct Prices: Hashable, Sendable {
        var currency = "USD"
        var perMillionRequests = "0.20"
        var perGBSecond = "0.0000166667"
    }
}

struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// An IP address without brackets, or a host name.
    let host: String
    let port: Int

    init(host: String, port: Int) { (self.host, self.port) = (host, port) }

    /// `127.0.0.1:9000`, `[::1]:9000`, `localhost:9000`, `:9000` (every address); nil for anything else.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port)
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard host.contains(":") else { return nil }
        } else if host.contains(":") {
            return nil
        }
        guard !host.contains(where: { $0 == "/" || $0 == "@" || $0 == "[" || $0 == "]" || $0.isWhitespace }) else { return nil }
        self.init(host: host.isEmpty ? "0.0.0.0" : host, port: port)
    }

    /// Whether only programs of this machine can connect. A name other than `localhost` counts as reachable.
    var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A mistake in what the person who starts Martlet gave it; every line of `faults` stands alone.
struct ConfigurationFault: Error, CustomStringConvertible {
    let faults: [String]
    var description: String { faults.joined(separator: "\n") }
}

/// A certificate is of no use without its key.
///
/// - Throws: `ConfigurationFault`.
func validate(_ tls: ServerConfiguration.TLS) throws {
    guard tls.certificate.isEmpty != tls.key.isEmpty else { return }
    let (given, missing) = tls.key.isEmpty ? ("tls.certificate", "tls.key") : ("tls.key", "tls.certificate")
    throw ConfigurationFault(faults: ["\(given) is set, but \(missing) is not: TLS needs both"])
}

/// A key pair is of no use without its other half.
///
/// - Throws: `ConfigurationFault`.
func validate(_ s3: ServerConfiguration.S3) throws {
    guard s3.accessKeyId.isEmpty != s3.secretAccessKey.isEmpty else { return }
    let (given, missing) = s3.secretAccessKey.isEmpty ? ("s3.accessKeyId", "s3.secretAccessKey") : ("s3.secretAccessKey", "s3.accessKeyId")
    throw ConfigurationFault(faults: ["\(given) is set, but \(missing) is not: requests to S3 need both"])
}

/// Refuses to offer an open door to the network.
///
/// - Throws: `ConfigurationFault` with one sentence that says what to do.
func validateListen(_ address: ListenAddress, dev: Bool) throws {
    guard dev, !address.isLoopback else { return }
    throw ConfigurationFault(faults: [
        "listening on \(address) with --dev would let anyone who reaches it run code here: leave out --dev, so that requests "
            + "need the keys that `martlet credentials` shows, or listen on a loopback address such as 127.0.0.1:\(address.port)"
    ])
}

/// What may leave a function's network, as one nftables table. Its chains know sandboxes by the prefix of their
/// interfaces' names, so that nothing is added for each.
public struct EgressRules: Hashable, Sendable {
    /// Names the table and, shortened, the interfaces: four hexadecimal digits.
    public var instance: String
    public var range: IPv4Block
    /// Reached on port 53 wherever they lie.
    public var nameServers: [UInt32]
    /// Not reached, unless they are among `allowed`.
    public var refused: [IPv4Block]
    public var allowed: [IPv4Block]
    /// Interfaces that forward for functions alone: what else comes in there is dropped, as it was before.
    public var opened: [String]

    public init(instance: String, range: IPv4Block, nameServers: [UInt32], refused: [IPv4Block], allowed: [IPv4Block], opened: [String]) {
        self.instance = instance
        self.range = range
        self.nameServers = nameServers
        self.refused = refused
        self.allowed = allowed
        self.opened = opened
    }

    public var table: String { Self.table(of: instance) }
    public static func table(of instance: String) -> String { "martlet_\(instance)" }
    /// Of the host's ends of all functions' networks, of every server.
    public static let everyPrefix = "mt"
    /// Of this server's; eight hexadecimal digits of the address follow.
    public var prefix: String { Self.prefix(of: instance) }
    public static func prefix(of instance: String) -> String { "\(everyPrefix)\(instance)-" }

    /// New connections of one address in a second, those at once before that counts, and open ones. Bounds for what one
    /// function can fill of the host's table of connections.
    public static let (rate, burst, connections) = (500, 1_000, 1_000)

    /// Never reached, whatever is allowed.
    private var never: [String] { ["0.0.0.0/8", "127.0.0.0/8", "\(range)", "224.0.0.0/3"] }

    public static func removal(of instance: String) -> String { "add table inet \(table(of: instance))\ndelete table inet \(table(of: instance))\n" }

    /// Replaces the table in one transaction.
    public var text: String {
        """
        \(Self.removal(of: instance))table inet \(table) {
        \(set("never", "ipv4_addr", never, isInterval: true))
        \(set("refused", "ipv4_addr", refused.map(\.description), isInterval: true))
        \(set("allowed", "ipv4_addr", allowed.map(\.description), isInterval: true))
        \(set("name_servers", "ipv4_addr", nameServers.map(IPv4Block.text)))
        \(set("opened", "ifname", opened.map { "\"\($0)\"" }))
            set rates {
                type ipv4_addr
                size 65535
                flags dynamic,timeout
                timeout 10s
            }
            set many {
                type ipv4_addr
                size 65535
                flags dynamic
            }
            chain refuse {
                meta l4proto tcp reject with tcp reset
                drop
            }
            # Before connections are tracked and addresses translated: what is refused costs no entry, and a published port
            # of the host is still the host's.
            chain incoming {
                type filter hook prerouting priority raw; policy accept;
                iifname "\(prefix)*" jump of_sandbox
            }
            chain of_sandbox {
                meta nfproto ipv6 drop
                ip saddr != \(range) drop
                fib saddr . iif oif missing drop
                fib daddr type != unicast goto refuse
                ip daddr @name_servers udp dport 53 accept
                ip daddr @name_servers tcp dport 53 accept
                ip daddr @never goto refuse
                ip daddr @allowed accept
                ip daddr @refused goto refuse
            }
            chain to_host {
                type filter hook input priority filter; policy accept;
                iifname "\(prefix)*" goto refuse
            }
            chain forwarded {
                type filter hook forward priority filter; policy accept;
                iifname "\(prefix)*" jump leaving
                oifname "\(prefix)*" ct state established,related accept
                oifname "\(prefix)*" drop
                iifname @opened oifname != "\(Self.everyPrefix)*" drop
            }
            chain leaving {
                oifname "\(Self.everyPrefix)*" goto refuse
                ct status dnat goto refuse
                ct state invalid drop
                ct state new update @rates { ip saddr limit rate over \(Self.rate)/second burst \(Self.burst) packets } drop
                ct state new add @many { ip saddr ct count over \(Self.connections) } goto refuse
            }
            chain translated {
                type nat hook postrouting priority srcnat; policy accept;
                ip saddr \(range) oifname != "\(Self.everyPrefix)*" masquerade
            }
        }

        """
    }

    private func set(_ name: String, _ type: String, _ elements: [String], isInterval: Bool = false) -> String {
        let flags = isInterval ? "\n        flags interval\n        auto-merge" : ""
        let list = elements.isEmpty ? "" : "\n        elements = { \(elements.joined(separator: ", ")) }"
        return "    set \(name) {\n        type \(type)\(flags)\(list)\n    }"
    }
}

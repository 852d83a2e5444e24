/// What a server notes of its changes to the host's network, for whoever undoes them after a kill.
public struct EgressRecord: Hashable, Sendable {
    /// Whose server it was.
    public var instance: String
    /// Inode of the network namespace that was changed.
    public var namespace: UInt64
    /// Interfaces that were let forward.
    public var opened: Set<String>

    public init(instance: String, namespace: UInt64, opened: Set<String>) {
        self.instance = instance
        self.namespace = namespace
        self.opened = opened
    }

    public var text: String {
        (["instance \(instance)", "namespace \(namespace)"] + opened.sorted().map { "opened \($0)" }).map { $0 + "\n" }.joined()
    }

    /// nil for what is no record. A line without its end was not written wholly and does not count.
    public init?(_ text: String) {
        var (instance, namespace): (String?, UInt64?) = (nil, nil)
        opened = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            guard let space = line.firstIndex(of: " ") else { return nil }
            let value = String(line[line.index(after: space)...])
            switch line[..<space] {
            case "instance": instance = value
            case "namespace": namespace = UInt64(value)
            case "opened": opened.insert(value)
            default: return nil
            }
        }
        guard let instance, let namespace else { return nil }
        self.instance = instance
        self.namespace = namespace
    }
}

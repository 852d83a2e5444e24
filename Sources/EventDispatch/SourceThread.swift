import BlockingThread
public import ExternalSources

/// A connection on a thread of its own: the clients of brokers block.
///
/// Calls run one after the other; what is asked for while one waits for records comes after it.
actor SourceThread {
    private let executor: ThreadExecutor
    private var connection: (any SourceConnection)?

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// What a poller has to know of a connection.
    struct Traits: Sendable {
        var readsAhead: Bool
        var keepsPositions: Bool
        var extensionInterval: Int64?
    }

    init(name: String) throws(ThreadStartError) { executor = try ThreadExecutor(name: name) }

    /// - Parameter request: made on this thread, since it may read files.
    func connect(_ connector: any SourceConnector, _ request: @Sendable () throws(SourceFault) -> SourceRequest) throws(SourceFault) -> Traits {
        close()
        let made = try connector.connect(try request())
        connection = made
        return Traits(readsAhead: made.readsAhead, keepsPositions: made.keepsPositions, extensionInterval: made.extensionInterval)
    }

    func receive(limit: Int, wait: Int64) throws(SourceFault) -> SourceDelivery {
        try open().receive(limit: limit, wait: wait)
    }

    func settle(_ settlements: [SourceSettlement]) throws(SourceFault) { try open().settle(settlements) }
    func extend(_ positions: [SourcePosition]) throws(SourceFault) { try open().extend(positions) }

    func close() {
        connection?.close()
        connection = nil
    }

    private func open() throws(SourceFault) -> any SourceConnection {
        guard let connection else { throw SourceFault("the connection is closed") }
        return connection
    }
}

/// Looks up what a mapping names only by name. May block; called on the source's own thread.
public protocol SourceSecrets: Sendable {
    /// - Throws: `SourceFault` that says what to do.
    func credentials(_ name: String, account: String) throws(SourceFault) -> SourceCredentials
    /// Path of a PEM file.
    func certificateFile(_ name: String, account: String) throws(SourceFault) -> String
}

internal import BlockingThread
internal import Gateway
internal import Glibc
internal import Telemetry

/// The listener's certificate and key, read again when one of the files is another than before.
///
/// Connections that are there keep what they began with. While the new files cannot be used the old ones stay in use, and
/// the log says why.
actor CertificateFiles {
    private struct State: Hashable {
        let device: UInt
        let inode: UInt
        let size: Int
        let seconds: Int
        let nanoseconds: Int
    }

    private static let interval = Duration.seconds(2)

    private let certificate: String
    private let key: String
    private let executor: ThreadExecutor
    private var states: [State?] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters: paths; relative ones are below the data directory, which is the working directory.
    init(certificate: String, key: String) throws {
        self.certificate = certificate
        self.key = key
        executor = try ThreadExecutor(name: "certificates")
    }

    /// - Throws: `TLSIdentity.Failure`.
    func load() throws -> TLSIdentity {
        // Looked at first: a change while they are read is seen the next time.
        states = look()
        return try TLSIdentity(certificateFile: certificate, keyFile: key)
    }

    /// Returns when its task is cancelled.
    func watch(_ apply: @Sendable (TLSIdentity) async -> Void) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interval)
            guard !Task.isCancelled, look() != states else { continue }
            do {
                let identity = try load()
                await apply(identity)
                Log.info("the listener has a new certificate", ["file": .init(certificate)])
            } catch {
                Log.error("the listener's new certificate cannot be used, so the old one stays", ["error": .init(describing: error)])
            }
        }
    }

    private func look() -> [State?] { [certificate, key].map(Self.state) }

    private static func state(_ path: String) -> State? {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        return State(
            device: UInt(info.st_dev), inode: UInt(info.st_ino), size: Int(info.st_size), seconds: Int(info.st_mtim.tv_sec),
            nanoseconds: Int(info.st_mtim.tv_nsec))
    }
}

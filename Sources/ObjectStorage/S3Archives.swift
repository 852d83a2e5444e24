public import AccessControl
import BlockingThread
import FunctionModel
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
public import Registry
import Synchronization

/// Archives from an S3-like service, by GetObject.
///
/// Connections have a loop of their own and files a thread of their own, so that a large archive does not delay invocations.
/// A piece is read from the network when the one before is in the file.
public final class S3Archives: ObjectArchives {
    public struct Configuration: Sendable {
        public var endpoint: S3Endpoint
        /// Of one archive.
        public var maximumBytes = 262_144_000
        /// Seconds from the request to the last byte.
        public var timeout = 45
        /// At the same time; more are refused.
        public var maximumFetches = 4
        /// A PEM file with the authorities to trust; nil for the system's.
        public var authorities: String?

        public init(endpoint: S3Endpoint) { self.endpoint = endpoint }
    }

    private let configuration: Configuration
    private let keys: @Sendable (_ account: String) throws -> SigningKeys
    private let path: @Sendable () -> String
    /// Seconds since 1970.
    private let now: @Sendable () -> Int64
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let executor: ThreadExecutor
    private let tls: NIOSSLContext?
    private let fetches = Mutex(0)

    /// - Parameters:
    ///   - keys: of an account; throws where it has none.
    ///   - path: a new name for a file on the data directory's file system.
    /// - Throws: for authorities that cannot be read.
    public init(
        _ configuration: Configuration, keys: @escaping @Sendable (String) throws -> SigningKeys, path: @escaping @Sendable () -> String,
        now: @escaping @Sendable () -> Int64
    ) throws {
        self.configuration = configuration
        self.keys = keys
        self.path = path
        self.now = now
        executor = try ThreadExecutor(name: "s3")
        if configuration.endpoint.isSecure {
            var settings = TLSConfiguration.makeClientConfiguration()
            settings.minimumTLSVersion = .tlsv12
            if let file = configuration.authorities { settings.trustRoots = .file(file) }
            tls = try NIOSSLContext(configuration: settings)
        } else {
            tls = nil
        }
    }

    public func stop() async { try? await group.shutdownGracefully() }

    public func fetch(_ object: ObjectReference, for account: String) async throws -> ArchiveFile {
        let head = request(object, keys: try keys(account))
        try begin()
        defer { fetches.withLock { $0 -= 1 } }
        let file = ArchiveFile(path: path())
        do {
            let writer = try await ArchiveWriter.open(file.path, on: executor)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { [self] in try await receive(object, head, into: writer) }
                tasks.addTask { [self] in
                    try await Task.sleep(for: .seconds(configuration.timeout))
                    throw Self.failure(object, "it did not come within \(configuration.timeout) s")
                }
                // Whichever is first; the other one ends with it.
                _ = try await tasks.next()
                tasks.cancelAll()
            }
        } catch let error as ServiceError {
            throw error
        } catch let error as ArchiveWriter.Fault where error.errno == ENOSPC || error.errno == EDQUOT {
            throw ServiceError(.codeStorageExceeded, "failed to keep \(object.bucket)/\(object.key): the disk of the data directory is full; free some space and try again")
        } catch let error as CancellationError {
            throw error
        } catch where Self.isDistrust(error) {
            throw ServiceError(
                .unavailable,
                "failed to fetch \(object.key) from the bucket \(object.bucket): the certificate of \(configuration.endpoint.serverName(bucket: object.bucket)) is not one that s3.authorities (else the system) trusts",
                retryAfter: 5, underlying: error)
        } catch {
            throw Self.failure(object, "\(error)")
        }
        return file
    }

    private static func isDistrust(_ error: any Error) -> Bool {
        if let error = error as? NIOSSLExtraError { return error == .failedToValidateHostname }
        guard case .handshakeFailed(let reason)? = error as? NIOSSLError else { return false }
        return "\(reason)".contains("CERTIFICATE_VERIFY_FAILED")
    }

    private func begin() throws(ServiceError) {
        let maximum = configuration.maximumFetches
        let isFull = fetches.withLock { count in
            if count < maximum { count += 1 } else { return true }
            return false
        }
        if isFull { throw ServiceError(.unavailable, "\(maximum) archives are being fetched from S3 already; try again", retryAfter: 2) }
    }

    private func request(_ object: ObjectReference, keys: SigningKeys) -> HTTPRequestHead {
        let endpoint = configuration.endpoint
        let path = endpoint.path(bucket: object.bucket, key: object.key)
        let query = object.version.map { "versionId=\(URIText.encoded($0, keeping: ""))" } ?? ""
        var headers = [(name: "Host", value: endpoint.authority(bucket: object.bucket))]
        headers += SigV4Signer.sign(
            method: "GET", path: path, query: query, headers: headers, body: [], keys: keys, region: endpoint.region, service: SigV4Signer.s3, date: now())
        headers += [("User-Agent", "martlet"), ("Connection", "close")]
        return HTTPRequestHead(
            version: .http1_1, method: .GET, uri: query.isEmpty ? path : "\(path)?\(query)", headers: HTTPHeaders(headers.map { ($0.name, $0.value) }))
    }

    private func receive(_ object: ObjectReference, _ head: HTTPRequestHead, into writer: ArchiveWriter) async throws {
        let (endpoint, tls) = (configuration.endpoint, tls)
        let name = endpoint.serverName(bucket: object.bucket)
        let channel = try await ClientBootstrap(group: group).connectTimeout(.seconds(10)).connect(host: name, port: endpoint.port) { channel in
            channel.eventLoop.makeCompletedFuture {
                if let tls {
                    let isAddress = (try? SocketAddress(ipAddress: name, port: 0)) != nil
                    try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : name))
                }
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                    wrappingChannelSynchronously: channel,
                    configuration: .init(backPressureStrategy: .init(lowWatermark: 2, highWatermark: 8)))
            }
        }
        try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(contentsOf: [.head(head), .end(nil)])
            var intake = Intake(object: object, maximumBytes: configuration.maximumBytes)
            for try await part in inbound {
                switch part {
                case .head(let head): try intake.begin(head)
                case .body(let buffer): if try intake.take(buffer) { try await writer.write(buffer) }
                case .end: if try intake.end() { return }
                }
            }
            throw Self.failure(object, "the connection ended before the object did")
        }
    }

    static func failure(_ object: ObjectReference, _ reason: String) -> ServiceError {
        ServiceError(.unavailable, "failed to fetch \(object.key) from the bucket \(object.bucket): \(reason); try again", retryAfter: 5)
    }
}

/// Decides about the parts of one answer. Pure.
struct Intake {
    let object: ObjectReference
    let maximumBytes: Int
    private var status = 0
    private var region: String?
    private var error: [UInt8] = []
    private var received = 0

    init(object: ObjectReference, maximumBytes: Int) {
        self.object = object
        self.maximumBytes = maximumBytes
    }

    /// - Throws: for an object that says that it is too large.
    mutating func begin(_ head: HTTPResponseHead) throws(ServiceError) {
        // Interim answers come before the real one.
        guard head.status.code >= 200 else { return }
        status = Int(head.status.code)
        region = head.headers.first(name: "x-amz-bucket-region")
        if status == 200, let length = head.headers.first(name: "Content-Length").flatMap({ Int($0) }), length > maximumBytes { throw tooLarge(length) }
    }

    /// - Returns: whether the bytes are the object's.
    mutating func take(_ buffer: ByteBuffer) throws(ServiceError) -> Bool {
        guard status == 200 else {
            error += buffer.readableBytesView.prefix(S3Answer.maximumBytes - error.count)
            return false
        }
        received += buffer.readableBytes
        guard received <= maximumBytes else { throw tooLarge(received) }
        return true
    }

    /// - Returns: whether the answer is complete.
    /// - Throws: what the service has said instead.
    mutating func end() throws(ServiceError) -> Bool {
        guard status >= 200 else { return false }
        guard status == 200 else { throw S3Answer(status: status, body: error, region: region).error(object) }
        guard received > 0 else { throw ServiceError(.invalidParameterValue, "Uploaded file must be a non-empty zip") }
        return true
    }

    private func tooLarge(_ bytes: Int) -> ServiceError {
        ServiceError(
            .invalidParameterValue,
            "\(object.bucket)/\(object.key) has at least \(bytes) bytes; an archive from S3 may have at most \(maximumBytes) bytes")
    }
}

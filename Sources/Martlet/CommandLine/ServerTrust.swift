internal import NIOCore
internal import NIOSSL

/// Whom a verb believes to be the server it was told: the authorities in the file that `AWS_CA_BUNDLE` names, else the system's.
struct ServerTrust: Sendable {
    static let variable = "AWS_CA_BUNDLE"

    private let context: NIOSSLContext

    /// - Throws: `CommandFailure` for a file that cannot be used.
    init(environment: [String: String]) throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        let file = environment[Self.variable].flatMap { $0.isEmpty ? nil : $0 }
        if let file { configuration.trustRoots = .file(file) }
        do { context = try NIOSSLContext(configuration: configuration) } catch {
            throw CommandFailure("the certificates of authorities\(file.map { " in \($0), which \(Self.variable) names," } ?? "") cannot be read: \(error)")
        }
    }

    /// - Returns: nil for an error that is not about TLS coming about.
    static func reason(_ error: any Error) -> String? {
        if error is NIOSSLExtraError { return "its certificate is for another name" }
        guard case .handshakeFailed(let fault)? = error as? NIOSSLError else { return nil }
        return "\(fault)".contains("CERTIFICATE_VERIFY_FAILED")
            ? "its certificate is not trusted here; name the file with its authority in \(variable)" : "the handshake failed; does it speak TLS on this port?"
    }

    func handler(for endpoint: Endpoint) throws -> NIOSSLClientHandler {
        let isAddress = endpoint.host.contains(":") || (try? SocketAddress(ipAddress: endpoint.host, port: 0)) != nil
        // An address is compared with that of the connection.
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : endpoint.host)
    }
}

import NIOSSL

/// A certificate with its key, ready for handshakes.
public struct TLSIdentity: Sendable {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    let context: NIOSSLContext

    /// Reads both files; blocks on the disk.
    /// - Parameters:
    ///   - certificateFile: the chain in PEM form, the server's own certificate first.
    ///   - keyFile: the private key of that certificate in PEM form, without a passphrase.
    public init(certificateFile: String, keyFile: String) throws(Failure) {
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMFile(certificateFile) } catch {
            throw Failure(description: "reading the certificates in \(certificateFile) failed: \(Self.reason(error)): the file must be PEM and readable by the server's user")
        }
        guard !chain.isEmpty else { throw Failure(description: "\(certificateFile) has no certificate in PEM form") }
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(file: keyFile, format: .pem) } catch {
            throw Failure(description: "reading the private key in \(keyFile) failed: \(Self.reason(error)): the file must be PEM without a passphrase and readable by the server's user")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["h2", "http/1.1"]
        do { context = try NIOSSLContext(configuration: configuration) } catch {
            throw Failure(description: "\(certificateFile) and \(keyFile) do not go together: \(Self.reason(error))")
        }
    }

    private static func reason(_ error: any Error) -> String { String("\(error)".prefix(300)) }
}

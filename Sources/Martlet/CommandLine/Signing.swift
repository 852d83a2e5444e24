internal import AccessControl

/// Adds what proves who sends a request.
protocol RequestSigner: Sendable {
    /// Whether the keys are made up, so that only a server started with `--dev` accepts them.
    var isMadeUp: Bool { get }
    /// - Parameters:
    ///   - path: as it goes on the wire, percent-encoded once.
    ///   - query: as it goes on the wire, without `?`.
    ///   - headers: those to sign, `Host` included.
    ///   - date: seconds since 1970.
    /// - Returns: the headers to add.
    func sign(
        method: String, path: String, query: String, headers: [(name: String, value: String)], body: [UInt8], date: Int64
    ) -> [(name: String, value: String)]
}

/// Signature version 4 with one key pair.
struct SigV4RequestSigner: RequestSigner {
    var accessKeyID: String
    var secret: String
    var sessionToken: String?
    var region: String
    var isMadeUp = false

    func sign(
        method: String, path: String, query: String, headers: [(name: String, value: String)], body: [UInt8], date: Int64
    ) -> [(name: String, value: String)] {
        SigV4Signer.sign(
            method: method, path: path, query: query, headers: headers, body: body,
            keys: SigningKeys(accessKeyID: accessKeyID, secret: secret, sessionToken: sessionToken), region: region, date: date)
    }

    /// The usual `AWS_*` variables, else the pair in the default data directory where it is readable, else a made-up pair
    /// that only a server started with `--dev` accepts.
    static func resolve(environment: [String: String], stored: () -> Credentials?) -> SigV4RequestSigner {
        let named = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"]
        if let key = environment["AWS_ACCESS_KEY_ID"], let secret = environment["AWS_SECRET_ACCESS_KEY"], !key.isEmpty, !secret.isEmpty {
            let token = environment["AWS_SESSION_TOKEN"]
            return SigV4RequestSigner(
                accessKeyID: key, secret: secret, sessionToken: token?.isEmpty == false ? token : nil, region: named ?? "us-east-1")
        }
        if let pair = stored() {
            return SigV4RequestSigner(accessKeyID: pair.accessKeyId, secret: pair.secretAccessKey, region: named ?? pair.region)
        }
        return SigV4RequestSigner(accessKeyID: "AKIADEVELOPMENT00000", secret: "development", region: named ?? "us-east-1", isMadeUp: true)
    }
}

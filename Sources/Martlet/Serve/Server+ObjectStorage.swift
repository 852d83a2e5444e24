internal import AccessControl
internal import DeploymentPackages
internal import ExternalSources
internal import FunctionModel
internal import ObjectStorage

extension Server {
    /// nil where no endpoint is set.
    func makeArchives(_ packages: LocalPackageStore) throws -> S3Archives? {
        let settings = configuration.s3
        guard let endpoint = S3Endpoint(url: settings.endpoint, region: settings.region, usesPaths: settings.pathStyle) else { return nil }
        var archives = S3Archives.Configuration(endpoint: endpoint)
        archives.maximumBytes = min(archives.maximumBytes, settings.maximumMB << 20)
        archives.timeout = settings.timeoutSeconds
        archives.authorities = settings.authorities.isEmpty ? nil : settings.authorities
        let keys = S3Keys(settings: settings, account: configuration.account)
        do {
            return try S3Archives(
                archives, keys: { try keys.keys(of: $0) }, path: { packages.incomingPath() }, now: { wallMilliseconds() / 1000 })
        } catch {
            throw CommandFailure("S3 cannot be used: \(error); check s3.authorities")
        }
    }
}

/// Whose keys read which account's archives: what one tenant can read in S3 is no business of another's.
struct S3Keys: Sendable {
    /// No event source mapping can name it by its first character, and so have it sent to a broker.
    static let secret = ".s3"

    let settings: ServerConfiguration.S3
    /// The default one, which has the keys of the configuration.
    let account: String

    /// - Throws: `.accessDenied` for an account that has none.
    func keys(of account: String) throws(ServiceError) -> SigningKeys {
        if account == self.account, !settings.accessKeyId.isEmpty {
            return SigningKeys(accessKeyID: settings.accessKeyId, secret: settings.secretAccessKey)
        }
        do throws(SourceFault) {
            let pair = try SecretFiles().credentials(Self.secret, account: account)
            return SigningKeys(accessKeyID: pair.username, secret: pair.password)
        } catch {
            throw ServiceError(
                .accessDenied,
                "account \(account) has no keys for S3 here: its operator puts them into secrets/\(account)/\(Self.secret) in the server's data directory, {\"username\": ACCESS_KEY_ID, \"password\": SECRET}",
                underlying: error)
        }
    }
}

import FunctionModel
import LambdaAPI
import Registry

extension CodeSource {
    /// What the registries take.
    /// - Parameters:
    ///   - archives: nil where the configuration names no S3 endpoint.
    ///   - mayReuse: whether the caller may name stored code by its digest.
    func code(
        _ archives: (any ObjectArchives)?, _ request: ControlRequest, mayReuse: @Sendable (_ sha256: String) async -> Bool
    ) async throws -> NewCode {
        switch self {
        case .archive(let bytes): return .archive(bytes)
        case .stored(let sha256):
            guard await mayReuse(sha256) else {
                throw ServiceError(.invalidParameterValue, "no stored archive has the SHA-256 \(sha256): upload it as ZipFile")
            }
            return .stored(sha256: sha256)
        case .object(let bucket, let key, let version):
            guard let archives else {
                throw ServiceError(
                    .invalidParameterValue,
                    "Code from S3 (S3Bucket, S3Key) needs s3.endpoint in the server's configuration, which does not have it: send the archive itself as ZipFile, or ask the operator to set it")
            }
            return .file(try await archives.fetch(ObjectReference(bucket: bucket, key: key, version: version), for: request.caller.account))
        }
    }
}

/// The parts of a signature in the query, as presigned URLs have it: `X-Amz-Algorithm=…&X-Amz-Credential=…`.
///
/// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
struct PresignedQuery {
    /// Seconds: seven days.
    static let maximumExpiry: Int64 = 604_800
    private static let algorithmName = "X-Amz-Algorithm"
    private static let signatureName = "X-Amz-Signature"

    let scope: CredentialScope
    /// Lower-case, in the order given.
    let signedHeaders: [String]
    let signature: [UInt8]
    /// As given: `20261121T082057Z`.
    let date: String
    /// Seconds after `date`.
    let expires: Int64
    let token: String?
    /// `X-Amz-Content-Sha256`.
    let payload: String?
    /// The canonical query, which has everything but the signature itself.
    let canonical: String

    static func isPresent(in query: some StringProtocol) -> Bool {
        query.utf8.count > algorithmName.utf8.count && query.split(separator: "&").contains { $0.hasPrefix("\(algorithmName)=") }
    }

    /// - Throws: `.incomplete` naming each part that is missing or unreadable; `.invalid` for one that is given twice.
    init(_ query: some StringProtocol) throws(AuthenticationError) {
        var values: [String: String] = [:]
        var signed: [Substring] = []
        for pair in Substring(query).split(separator: "&") {
            let equals = pair.firstIndex(of: "=")
            let name = CanonicalRequest.decoded(pair[..<(equals ?? pair.endIndex)])
            if name != Self.signatureName { signed.append(pair) }
            guard name.hasPrefix("X-Amz-") else { continue }
            guard values.updateValue(equals.map { CanonicalRequest.decoded(pair[pair.index(after: $0)...]) } ?? "", forKey: name) == nil else {
                throw AuthenticationError(.invalid, "The query has '\(name.prefix(64))' more than once.")
            }
        }
        let names = [Self.algorithmName, "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", Self.signatureName]
        let missing = names.filter { values[$0] == nil }
        guard missing.isEmpty else {
            throw AuthenticationError(.incomplete, missing.map { "AWS query-string parameters must include '\($0)'." }.joined(separator: " "))
        }
        guard values[Self.algorithmName] == AuthorizationHeader.algorithm else {
            throw AuthenticationError(.incomplete, "X-Amz-Algorithm must be '\(AuthorizationHeader.algorithm)': only AWS Signature Version 4 is accepted")
        }
        let expiry = values["X-Amz-Expires"] ?? ""
        guard let seconds = Int64(expiry), (1...Self.maximumExpiry).contains(seconds) else {
            throw AuthenticationError(
                .incomplete, "X-Amz-Expires must be a number of seconds from 1 to \(Self.maximumExpiry) (seven days), not '\(expiry.prefix(32))'")
        }
        scope = try CredentialScope(values["X-Amz-Credential"] ?? "")
        signature = try SignatureText.bytes(values[Self.signatureName] ?? "")
        signedHeaders = (values["X-Amz-SignedHeaders"] ?? "").split(separator: ";").map { $0.lowercased() }
        date = values["X-Amz-Date"] ?? ""
        expires = seconds
        token = values["X-Amz-Security-Token"]
        payload = values["X-Amz-Content-Sha256"]
        canonical = CanonicalRequest.query(signed.joined(separator: "&"))
    }
}

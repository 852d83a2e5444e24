/// `KEY/YYYYMMDD/REGION/SERVICE/aws4_request`: who signed, and what the signing key was derived for.
struct CredentialScope: Hashable, Sendable {
    let accessKeyID: String
    /// `20261121`
    let date: String
    let region: String
    let service: String

    /// - Throws: `.incomplete`.
    init(_ text: some StringProtocol) throws(AuthenticationError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[4] == "aws4_request", parts.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 128 }) else {
            throw AuthenticationError(
                .incomplete, "Credential must have the form KEY/YYYYMMDD/REGION/SERVICE/aws4_request, but is '\(text.prefix(200))'")
        }
        guard parts[2].utf8.allSatisfy(Self.isRegionByte) else {
            throw AuthenticationError(.incomplete, "Credential names the region '\(parts[2])'; a region has lower-case letters, digits and '-'")
        }
        accessKeyID = String(parts[0])
        date = String(parts[1])
        region = String(parts[2])
        service = String(parts[3])
    }

    /// Without the key, as the string to sign has it.
    var text: String { "\(date)/\(region)/\(service)/aws4_request" }

    private static func isRegionByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }
}

/// The parts of `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
public struct AuthorizationHeader: Hashable, Sendable {
    public static let algorithm = "AWS4-HMAC-SHA256"

    public let accessKeyID: String
    /// `20261121`
    public let date: String
    public let region: String
    public let service: String
    /// Lower-case, in the order given.
    public let signedHeaders: [String]
    let signature: [UInt8]

    /// - Throws: `.incomplete` naming each part that is missing or unreadable.
    public init(_ value: some StringProtocol) throws(AuthenticationError) {
        let text = String(value)
        guard text.hasPrefix(Self.algorithm + " ") else {
            throw AuthenticationError(
                .incomplete, "Authorization header must begin with '\(Self.algorithm) ': only AWS Signature Version 4 is accepted")
        }
        var parts: [Substring: Substring] = [:]
        for part in text.dropFirst(Self.algorithm.count + 1).split(separator: ",") {
            let trimmed = part.drop { $0 == " " }
            guard let equals = trimmed.firstIndex(of: "=") else { continue }
            var end = trimmed.endIndex
            while end > equals, trimmed[trimmed.index(before: end)] == " " { end = trimmed.index(before: end) }
            parts[trimmed[..<equals]] = trimmed[trimmed.index(after: equals)..<end]
        }
        let missing = ["Credential", "Signature", "SignedHeaders"].filter { parts[Substring($0)] == nil }
        guard let credential = parts["Credential"], let signatureText = parts["Signature"], let headerList = parts["SignedHeaders"] else {
            throw AuthenticationError(
                .incomplete, missing.map { "Authorization header requires '\($0)' parameter." }.joined(separator: " "))
        }
        let scope = credential.split(separator: "/", omittingEmptySubsequences: false)
        guard scope.count == 5, scope[4] == "aws4_request", scope.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 128 }) else {
            throw AuthenticationError(
                .incomplete, "Credential must have the form KEY/YYYYMMDD/REGION/SERVICE/aws4_request, but is '\(credential.prefix(200))'")
        }
        guard scope[2].utf8.allSatisfy(Self.isRegionByte) else {
            throw AuthenticationError(.incomplete, "Credential names the region '\(scope[2])'; a region has lower-case letters, digits and '-'")
        }
        guard let signature = HexadecimalText.bytes(signatureText), signature.count == 32 else {
            throw AuthenticationError(.incomplete, "Signature must be 64 hexadecimal digits")
        }
        accessKeyID = String(scope[0])
        date = String(scope[1])
        region = String(scope[2])
        service = String(scope[3])
        signedHeaders = headerList.split(separator: ";").map { $0.lowercased() }
        self.signature = signature
    }

    private static func isRegionByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }
}

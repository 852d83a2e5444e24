/// The parts of `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
public struct AuthorizationHeader: Hashable, Sendable {
    public static let algorithm = "AWS4-HMAC-SHA256"

    let scope: CredentialScope
    /// Lower-case, in the order given.
    public let signedHeaders: [String]
    let signature: [UInt8]

    public var accessKeyID: String { scope.accessKeyID }
    public var region: String { scope.region }

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
        scope = try CredentialScope(credential)
        signature = try SignatureText.bytes(signatureText)
        signedHeaders = headerList.split(separator: ";").map { $0.lowercased() }
    }
}

enum SignatureText {
    /// - Throws: `.incomplete` for anything but 64 hexadecimal digits.
    static func bytes(_ text: some StringProtocol) throws(AuthenticationError) -> [UInt8] {
        guard let signature = HexadecimalText.bytes(text), signature.count == 32 else {
            throw AuthenticationError(.incomplete, "Signature must be 64 hexadecimal digits")
        }
        return signature
    }
}

import FunctionModel

/// What a function URL with a CORS policy says to web pages, in the place of its function.
///
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors and the Fetch standard.
enum CORSAnswer {
    typealias Field = (name: StaticString, value: String)

    /// The lines that each answer has; none for a page whose origin is not allowed, and none where no page asks.
    static func fields(_ policy: CORSPolicy, origin: String?) -> [Field] {
        guard let origin else { return [] }
        var fields: [Field] = []
        // What is cached for one page must not be given to another.
        if !isWild(policy.allowOrigins) { fields.append(("Vary", "Origin")) }
        guard let allowed = allowedOrigin(policy, origin) else { return fields }
        fields.append(("Access-Control-Allow-Origin", allowed))
        if policy.allowCredentials == true { fields.append(("Access-Control-Allow-Credentials", "true")) }
        if !policy.exposeHeaders.isEmpty { fields.append(("Access-Control-Expose-Headers", policy.exposeHeaders.joined(separator: ","))) }
        return fields
    }

    /// The answer to a browser that asks before it sends.
    static func preflight(_ policy: CORSPolicy, origin: String) -> [Field] {
        var fields: [Field] = isWild(policy.allowOrigins) ? [] : [("Vary", "Origin")]
        guard let allowed = allowedOrigin(policy, origin) else { return fields }
        fields.append(("Access-Control-Allow-Origin", allowed))
        if !policy.allowMethods.isEmpty { fields.append(("Access-Control-Allow-Methods", policy.allowMethods.joined(separator: ","))) }
        if !policy.allowHeaders.isEmpty { fields.append(("Access-Control-Allow-Headers", policy.allowHeaders.joined(separator: ","))) }
        if let maxAge = policy.maxAge { fields.append(("Access-Control-Max-Age", String(maxAge))) }
        if policy.allowCredentials == true { fields.append(("Access-Control-Allow-Credentials", "true")) }
        return fields
    }

    /// Fields of the function's own that the policy's take the place of: a browser refuses an answer that has two.
    static func isOverridden(_ name: String) -> Bool {
        let prefix = "access-control-"
        return name.utf8.count > prefix.utf8.count && name.prefix(prefix.utf8.count).lowercased() == prefix
    }

    /// `*` is never turned into the page's own origin: with cookies allowed that would let every page on the web use them.
    private static func allowedOrigin(_ policy: CORSPolicy, _ origin: String) -> String? {
        if isWild(policy.allowOrigins) { return "*" }
        return policy.allowOrigins.contains { $0.lowercased() == origin.lowercased() } ? origin : nil
    }

    private static func isWild(_ values: [String]) -> Bool { values.contains("*") }
}

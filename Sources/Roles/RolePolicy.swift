import JSONValues

/// What a role allows the functions that have it: a policy document of IAM's language.
///
/// Source: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements reference". Of the elements there are Effect,
/// Action, NotAction, Resource and NotResource; a document with one that could not be judged here (Condition, Principal) is refused.
public struct RolePolicy: Hashable, Sendable {
    /// Bytes of a document: IAM's limit for the inline policies of a role.
    public static let maximumBytes = 10_240
    private static let maximumStatements = 100

    public enum Decision: Hashable, Sendable {
        case allowed
        /// A statement denies it; no other can allow it.
        case denied
        /// No statement allows it.
        case notAllowed
    }

    let statements: [RoleStatement]
    /// As it was given.
    public let text: String

    /// - Throws: a sentence that names the statement and what is wrong with it.
    public init(parsing text: String) throws(RolePolicyFault) {
        guard text.utf8.count <= Self.maximumBytes else {
            throw RolePolicyFault("the document has \(text.utf8.count) bytes; a role's policy has at most \(Self.maximumBytes)")
        }
        let json: JSON
        do throws(JSONFault) { json = try JSON(parsing: text, maximumDepth: 16) } catch { throw RolePolicyFault("the document is not JSON: \(error)") }
        guard case .object(let members) = json else { throw RolePolicyFault("the document must be an object with Version and Statement") }
        if let unknown = members.first(where: { !["Version", "Id", "Statement"].contains($0.name) }) {
            throw RolePolicyFault("'\(unknown.name.prefix(64))' is no element of a policy document: it has Version, Id and Statement")
        }
        guard Set(members.map(\.name)).count == members.count else { throw RolePolicyFault("the document has an element twice") }
        if let version = json["Version"], version.string != "2012-10-17" && version.string != "2008-10-17" {
            throw RolePolicyFault("Version must be \"2012-10-17\"")
        }
        guard let given = json["Statement"] else { throw RolePolicyFault("the document has no Statement") }
        let list = given.array ?? [given]
        guard (1...Self.maximumStatements).contains(list.count) else { throw RolePolicyFault("Statement takes 1 to \(Self.maximumStatements) statements") }
        var statements: [RoleStatement] = []
        for (index, one) in list.enumerated() { statements.append(try RoleStatement(one, number: index + 1)) }
        self.statements = statements
        self.text = text
    }

    private init(statements: [RoleStatement]) {
        self.statements = statements
        text = ""
    }

    /// For a role without a document: to invoke the account's own functions, and everything with its queues.
    public static func standard(account: String) -> RolePolicy {
        let own = ResourcePattern("arn:aws:lambda:*:\(account):function:*")
        return RolePolicy(statements: [
            RoleStatement(allowing: ["lambda:InvokeFunction"], on: own.map { [$0] } ?? []),
            RoleStatement(allowing: ["sqs:*"], on: ResourcePattern("*").map { [$0] } ?? []),
        ])
    }

    /// - Parameter resource: the ARN that is acted on; nil for an action on no resource, or on one that is not known
    ///   beforehand: then a statement allows only if it names `*`, and denies whatever resource it names.
    public func decision(_ action: String, on resource: String?) -> Decision {
        var isAllowed = false
        for statement in statements where statement.covers(action) {
            switch statement.effect {
            case .deny where statement.reaches(resource, orUnknown: true): return .denied
            case .allow where statement.reaches(resource, orUnknown: false): isAllowed = true
            case .deny, .allow: continue
            }
        }
        return isAllowed ? .allowed : .notAllowed
    }
}

/// What is wrong with a policy document.
public struct RolePolicyFault: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

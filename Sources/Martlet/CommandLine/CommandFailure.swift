/// Why a verb could not do what was asked, in the words the person reads.
struct CommandFailure: Error, CustomStringConvertible {
    enum Kind: Hashable, Sendable {
        /// The thing itself failed: exit status 1.
        case failed
        /// What was asked for makes no sense: exit status 64, as for wrong arguments.
        case usage
    }

    let kind: Kind
    let description: String
    /// The server's error name, such as `ResourceNotFoundException`; nil for failures of this side.
    let errorType: String?
    /// The HTTP status of the server's answer; nil for failures of this side.
    let status: Int?

    init(_ description: String, errorType: String? = nil, status: Int? = nil) {
        self.kind = .failed
        self.description = description
        self.errorType = errorType
        self.status = status
    }

    private init(kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
        self.errorType = nil
        self.status = nil
    }

    static func usage(_ description: String) -> CommandFailure { CommandFailure(kind: .usage, description) }

    var exitCode: Int32 { kind == .usage ? 64 : 1 }
    var isNotFound: Bool { status == 404 }
}

import AccessControl
import FunctionModel
import InvocationPipeline

/// Requests that come out of a function's own network.
extension ConnectionHandler {
    /// Bytes of a request's body: of an event, or of a batch for a queue. Packages are not uploaded by functions.
    static let maximumFunctionBody = 8 * 1024 * 1024

    /// Of all that the port offers a function has the signed operations alone; what its role allows of them is asked when the
    /// sender is known.
    func refuseForFunctions(_ route: RequestRoute) throws(Refusal) {
        switch route {
        case .invoke, .invokeAsync, .invokeWithResponseStream: return
        case .control(let path, _):
            if case .route(let found, _) = core.router.match(method: request.head.method.rawValue, path: path), found.access != .signed { break }
            return
        case .functionURL, .health: break
        }
        throw Refusal(.accessDenied, "functions are offered AWS's signed operations here: \(request.head.method.rawValue) \(request.head.uri.prefix(200)) is none of them")
    }

    /// The one key that counts on this connection.
    /// - Throws: when the invocation that it was made for is over.
    func key(of session: FunctionSession) throws(Refusal) -> (id: String, key: VerificationKey) {
        guard session.isLive else {
            throw Refusal(.expiredToken, "The security token included in the request is expired: the invocation that it was made for has ended")
        }
        let account = session.function.account
        return (
            session.accessKeyID,
            VerificationKey(
                secret: session.secret, account: account, sessionToken: session.sessionToken, isSuspended: core.access.suspendedAccounts.contains(account))
        )
    }
}

internal import JSONValues

/// Calls of services whose operation a header names, and of which a missing resource is an ordinary answer.
extension APIClient {
    func sqs(_ operation: String, _ members: [JSON.Member]) async throws -> JSON {
        do {
            return try await targeted("AmazonSQS.\(operation)", members).get()
        } catch let error as TargetedFailure {
            throw error.failure
        }
    }

    /// - Parameter missing: names of errors that mean that there is no such thing.
    /// - Returns: nil where there is none.
    func findSQS(_ operation: String, _ members: [JSON.Member]) async throws -> JSON? {
        try Self.optional(await targeted("AmazonSQS.\(operation)", members), missing: "QueueDoesNotExist")
    }

    func findEventBridge(_ operation: String, _ members: [JSON.Member]) async throws -> JSON? {
        try Self.optional(await targeted("AWSEvents.\(operation)", members), missing: "ResourceNotFoundException")
    }

    private func targeted(_ target: String, _ members: [JSON.Member]) async throws -> Result<JSON, TargetedFailure> {
        var request = APIRequest("POST", [])
        request.body = Array(JSON.object(members).text().utf8)
        request.headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", target)]
        let response = try await exchange(request)
        guard response.status >= 400 else { return .success(try response.json()) }
        let type = (try? response.json())?["__type"]?.string?.split(separator: "#").last.map(String.init) ?? ""
        return .failure(TargetedFailure(type: type, failure: Self.failure(response)))
    }

    private static func optional(_ result: Result<JSON, TargetedFailure>, missing: String) throws -> JSON? {
        do {
            return try result.get()
        } catch let failure where failure.type == missing {
            return nil
        } catch {
            throw error.failure
        }
    }
}

private struct TargetedFailure: Error {
    let type: String
    let failure: CommandFailure
}

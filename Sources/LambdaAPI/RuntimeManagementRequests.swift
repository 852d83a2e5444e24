public import FunctionModel

public struct RuntimeManagementRequest: Decodable, Sendable {
    var updateRuntimeOn: String?
    var runtimeVersionArn: String?

    enum CodingKeys: String, CodingKey {
        case updateRuntimeOn = "UpdateRuntimeOn"
        case runtimeVersionArn = "RuntimeVersionArn"
    }

    /// - Throws: `.invalidParameterValue`, also where mode and ARN do not go together.
    public func validated() throws(ServiceError) -> RuntimeManagement {
        guard let mode = updateRuntimeOn.flatMap(RuntimeManagement.UpdateMode.init) else {
            var validation = Validation()
            validation.fail(updateRuntimeOn, "updateRuntimeOn", .oneOf(RuntimeManagement.UpdateMode.allCases.map(\.rawValue)))
            try validation.check()
            return .automatic
        }
        guard (mode == .manual) == (runtimeVersionArn != nil) else {
            throw ServiceError(
                .invalidParameterValue,
                mode == .manual ? "RuntimeVersionArn is required when UpdateRuntimeOn is Manual." : "RuntimeVersionArn is only taken when UpdateRuntimeOn is Manual.")
        }
        return RuntimeManagement(updateMode: mode, runtimeVersionARN: runtimeVersionArn)
    }
}

public struct RuntimeManagementResponse: Encodable, Sendable {
    var updateRuntimeOn: String
    var functionArn: String
    var runtimeVersionArn: String?

    enum CodingKeys: String, CodingKey {
        case updateRuntimeOn = "UpdateRuntimeOn"
        case functionArn = "FunctionArn"
        case runtimeVersionArn = "RuntimeVersionArn"
    }

    public init(_ management: RuntimeManagement, of version: FunctionVersion) {
        updateRuntimeOn = management.updateMode.rawValue
        functionArn = version.arn
        runtimeVersionArn = management.runtimeVersionARN
    }
}

/// Body and answer of both operations on recursion.
public struct RecursionConfig: Codable, Sendable {
    var recursiveLoop: String?

    enum CodingKeys: String, CodingKey { case recursiveLoop = "RecursiveLoop" }

    public init(_ loop: RecursiveLoop) { recursiveLoop = loop.rawValue }

    /// - Throws: `.invalidParameterValue`.
    public func validated() throws(ServiceError) -> RecursiveLoop {
        if let loop = recursiveLoop.flatMap(RecursiveLoop.init) { return loop }
        var validation = Validation()
        validation.fail(recursiveLoop, "recursiveLoop", .oneOf(RecursiveLoop.allCases.map(\.rawValue)))
        try validation.check()
        return .terminate
    }
}

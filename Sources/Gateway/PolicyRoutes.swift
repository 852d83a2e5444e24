import FunctionModel
import LambdaAPI
public import Registry
public import ResourcePolicies

/// AddPermission, RemovePermission and GetPolicy.
public struct PolicyRoutes: Sendable {
    private let policies: PolicyRegistry
    private let functions: FunctionRegistry

    public init(_ policies: PolicyRegistry, functions: FunctionRegistry) {
        self.policies = policies
        self.functions = functions
    }

    public var all: [ControlRoute] {
        let path = "/2015-03-31/functions/{FunctionName}/policy"
        return [
            ControlRoute("POST", path) { try await add($0) },
            ControlRoute("GET", path) { request in
                let resource = try await resource(request).resource
                let policy = try await policies.policy(of: resource)
                return try .json(PolicyResponse(policy: policy.text(resource: resource.arn), revisionID: policy.revision))
            },
            ControlRoute("DELETE", "\(path)/{StatementId}") { request in
                let sid = request.parameters["StatementId"] ?? ""
                try PermissionRequest.validate(statementID: sid, pattern: "([a-zA-Z0-9-_.]+)", dots: true)
                let (resource, version) = try await resource(request)
                try await check(request.value("RevisionId"), resource, version)
                try await policies.remove(sid, from: resource, expectedRevision: request.value("RevisionId"))
                return .noContent
            },
        ]
    }

    private func add(_ request: ControlRequest) async throws -> ControlResponse {
        let body = try request.decode(PermissionRequest.self)
        try body.validate()
        let (resource, version) = try await resource(request)
        let statement = try Self.statement(body)
        try await check(body.revisionID, resource, version)
        try await policies.add(statement, to: resource, expectedRevision: body.revisionID)
        return try .json(PermissionResponse(statement: statement.json(resource: resource.arn).text()), status: 201)
    }

    private static func statement(_ body: PermissionRequest) throws(ServiceError) -> PolicyStatement {
        guard let principal = PolicyStatement.Principal(body.principal ?? "") else {
            throw ServiceError(.invalidParameterValue, "The provided principal was invalid. Please check the principal and try again.")
        }
        let action = body.action ?? ""
        if body.functionURLAuthType != nil, action != PolicyCall.invokeURL {
            throw ServiceError(.invalidParameterValue, "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action")
        }
        return PolicyStatement(
            sid: body.statementID ?? "", principal: principal, action: action, sourceArn: body.sourceArn, sourceAccount: body.sourceAccount,
            functionURLAuthType: body.functionURLAuthType, invokedViaFunctionURL: body.invokedViaFunctionURL, eventSourceToken: body.eventSourceToken,
            principalOrgID: body.principalOrgID)
    }

    private func resource(_ request: ControlRequest) async throws -> (resource: PolicyResource, version: FunctionVersion) {
        let target = try LambdaRoutes.target(request)
        if target.qualifier == FunctionVersion.latest {
            throw ServiceError(.invalidParameterValue, "We currently do not support adding policies for $LATEST.")
        }
        let version = try await functions.snapshot.version(target.key, qualifier: target.qualifier)
        return (PolicyResource(function: target.key, qualifier: target.qualifier), version)
    }

    /// Where there is no policy yet, a revision can only be that of the function.
    private func check(_ revision: String?, _ resource: PolicyResource, _ version: FunctionVersion) async throws {
        guard let revision, await policies.snapshot.policies[resource] == nil else { return }
        guard RevisionID.revision(revision) == version.revision else {
            throw ServiceError(
                .preconditionFailed, "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id")
        }
    }
}

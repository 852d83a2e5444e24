import AccessControl
public import FunctionModel
import JSONValues
import ObjectEvents
public import NIOCore
public import Registry
import Triggers
public import Webhooks

/// A delivery that was believed, on its way to its function.
public struct WebhookDelivery: Sendable {
    public let requestID: RequestID
    public let function: FunctionKey
    public let qualifier: String?
    public let trigger: Trigger
    /// Format 2.0, as of a function URL; S3's for changes of objects.
    public let event: ByteBuffer
    /// The same for a delivery that is sent again.
    public let deduplicationKey: String?
}

/// `/hooks/ID` for senders, `/martlet/v1/webhooks` for their owners.
///
/// A delivery is verified before anything of it is kept, kept durably before it is answered, and answered before the
/// function runs: senders give up after a few seconds.
public struct WebhookRoutes: Sendable {
    private let webhooks: WebhookRegistry
    private let functions: FunctionRegistry
    private let baseURL: String
    private let port: Int
    /// Bytes of a delivery's body; as of an asynchronous invocation, which it becomes.
    private let maximumBody: Int
    private let now: @Sendable () -> Int64
    /// Bytes of a deduplication key that is made of what happened.
    private static let maximumIdentity = 4_096
    private let accept: @Sendable (WebhookDelivery) async throws -> RequestID

    /// - Parameters:
    ///   - baseURL: without a closing slash.
    ///   - now: milliseconds since 1970.
    ///   - accept: returns when the delivery is durable, with the request ID that it runs under.
    public init(
        webhooks: WebhookRegistry, functions: FunctionRegistry, baseURL: String, port: Int, maximumBody: Int = 1 << 20,
        now: @escaping @Sendable () -> Int64, accept: @escaping @Sendable (WebhookDelivery) async throws -> RequestID
    ) {
        self.webhooks = webhooks
        self.functions = functions
        self.baseURL = baseURL
        self.port = port
        self.maximumBody = maximumBody
        self.now = now
        self.accept = accept
    }

    public var all: [ControlRoute] {
        let path = "/martlet/v1/webhooks"
        return [
            ControlRoute("POST", "/hooks/{ID}", access: .open, maximumBody: maximumBody) { try await deliver($0) },
            ControlRoute("POST", path) { try await create($0) },
            ControlRoute("GET", path) { request in
                let found = webhooks.list(account: request.caller.account, region: request.caller.region)
                return Self.answer(.object([.init("webhooks", .array(found.map { form($0.webhook, activity: $0.activity) }))]))
            },
            ControlRoute("POST", "\(path)/{Name}/secret") { try await rotate($0) },
            ControlRoute("DELETE", "\(path)/{Name}") { request in
                try await webhooks.delete(request.parameters["Name"] ?? "", account: request.caller.account, region: request.caller.region)
                return .noContent
            },
        ]
    }

    // MARK: Deliveries

    private func deliver(_ request: ControlRequest) async throws -> ControlResponse {
        guard let id = request.parameters["ID"], let (webhook, verifier) = webhooks.target(id) else {
            throw ServiceError(.resourceNotFound, "there is no webhook at this address")
        }
        do throws(WebhookRefusal) {
            try Self.verify(request, verifier, now: now() / 1000)
        } catch {
            webhooks.count(id, refusal: error.description)
            throw ServiceError(.accessDenied, error.description)
        }
        let content = Self.content(of: request)
        // How Slack asks whether the address is its owner's; nothing is to run for it.
        if webhook.scheme == .slack, content?["type"]?.string == "url_verification", let challenge = content?["challenge"]?.string {
            return Self.answer(.object([.init("challenge", .string(challenge))]))
        }
        do {
            guard let (event, key) = try event(of: request, for: webhook, content) else {
                return Self.answer(.object([.init("filtered", .bool(true))]))
            }
            // There may be another function of this name by now.
            try await functions.snapshot.eventTarget(webhook.function, qualifier: webhook.qualifier, of: "A webhook")
            guard event.readableBytes <= maximumBody else {
                throw ServiceError(.requestTooLarge, "the delivery makes an event of \(event.readableBytes) bytes, more than the \(maximumBody) bytes it may have")
            }
            let id = try await accept(
                WebhookDelivery(
                    requestID: request.requestID, function: webhook.function, qualifier: webhook.qualifier,
                    trigger: webhook.objects == nil ? .webhook : .objects, event: event, deduplicationKey: key))
            webhooks.count(webhook.id, refusal: nil)
            return Self.answer(.object([.init("requestId", .string(id.description))]), status: 202)
        } catch {
            webhooks.count(id, refusal: (error as? ServiceError)?.message ?? "it could not be kept")
            throw error
        }
    }

    /// - Returns: nil where nothing of it is of interest.
    private func event(of request: ControlRequest, for webhook: Webhook, _ content: JSON?) throws -> (event: ByteBuffer, key: String?)? {
        guard let filter = webhook.objects else {
            let event = request.functionEvent(for: webhook.function, id: webhook.id, port: port, isSecure: baseURL.hasPrefix("https:"), milliseconds: now())
            return (event, Self.deduplicationKey(webhook, request, content))
        }
        guard let content else { throw ServiceError(.invalidRequestContent, "the notification is not JSON") }
        let changes = try MinIONotification.changes(content, region: webhook.function.region).filter(filter.passes)
        guard !changes.isEmpty else { return nil }
        let identities = changes.map(\.identity).joined(separator: "\n")
        let key = identities.utf8.count <= Self.maximumIdentity ? "\(webhook.id):\(identities)" : nil
        return (ByteBuffer(string: ObjectChange.event(changes).text()), key)
    }

    private static func verify(_ request: ControlRequest, _ verifier: WebhookVerifier, now: Int64) throws(WebhookRefusal) {
        var result: Result<Void, WebhookRefusal> = .success(())
        request.body.withUnsafeReadableBytes { body in
            do throws(WebhookRefusal) { try verifier.verify(headers: request.headers, body: body, now: now) } catch { result = .failure(error) }
        }
        try result.get()
    }

    /// The body, where it is JSON.
    private static func content(of request: ControlRequest) -> JSON? { try? JSON(parsing: request.body.readableBytesView, maximumDepth: 64) }

    /// What a sender gives a delivery and keeps when it sends it again.
    private static func deduplicationKey(_ webhook: Webhook, _ request: ControlRequest, _ content: JSON?) -> String? {
        let own: String?
        switch webhook.scheme {
        case .gitHub: own = request.headers.first { $0.name.lowercased() == "x-github-delivery" }?.value
        case .stripe: own = content?["id"]?.string
        case .slack: own = content?["event_id"]?.string
        case .hmac, .minIO: own = nil
        }
        return own.flatMap { (1...128).contains($0.utf8.count) ? "\(webhook.id):\($0)" : nil }
    }

    // MARK: Management

    private struct Creation: Decodable {
        var name: String
        var function: String
        var qualifier: String?
        var secret: String?
        var scheme: String
        var header: String?
        var hash: String?
        var encoding: String?
        var prefix: String?
        /// For minio: S3's notification filters.
        var events: [String]?
        var keyPrefix: String?
        var keySuffix: String?
    }

    private func create(_ request: ControlRequest) async throws -> ControlResponse {
        let wanted = try request.decode(Creation.self)
        let key = FunctionKey(account: request.caller.account, region: request.caller.region, name: wanted.function)
        try await functions.snapshot.eventTarget(key, qualifier: wanted.qualifier, of: "A webhook")
        var form = SchemeForm(.gitHub)
        (form.scheme, form.header, form.hash, form.encoding, form.prefix) = (wanted.scheme, wanted.header, wanted.hash, wanted.encoding, wanted.prefix)
        let webhook = try await webhooks.create(
            name: wanted.name, function: key, qualifier: wanted.qualifier, scheme: try form.parsed(), objects: try Self.filter(wanted),
            secret: wanted.secret)
        return Self.answer(self.form(webhook, withSecret: true), status: 201)
    }

    private static func filter(_ wanted: Creation) throws(ServiceError) -> ObjectFilter? {
        guard wanted.scheme == "minio" else {
            let members = [("events", wanted.events != nil), ("keyPrefix", wanted.keyPrefix != nil), ("keySuffix", wanted.keySuffix != nil)]
            for (name, isThere) in members where isThere {
                throw ServiceError(.invalidParameterValue, "'\(name)' is for the scheme minio, whose deliveries are about objects")
            }
            return nil
        }
        return try ObjectFilter(events: wanted.events ?? [], prefix: wanted.keyPrefix ?? "", suffix: wanted.keySuffix ?? "")
    }

    private struct Rotation: Decodable {
        var secret: String?
        var revokeOld: Bool?
    }

    private func rotate(_ request: ControlRequest) async throws -> ControlResponse {
        let wanted = try request.decode(Rotation.self)
        let webhook = try await webhooks.rotate(
            request.parameters["Name"] ?? "", account: request.caller.account, region: request.caller.region, secret: wanted.secret,
            revokeOld: wanted.revokeOld ?? false)
        return Self.answer(form(webhook, withSecret: true))
    }

    /// - Parameter withSecret: only in the answer to who made it.
    private func form(_ webhook: Webhook, withSecret: Bool = false, activity: TriggerActivity? = nil) -> JSON {
        let scheme = SchemeForm(webhook.scheme)
        var members: [JSON.Member] = [
            .init("name", .string(webhook.name)), .init("function", .string(webhook.function.name)), .init("qualifier", .optional(webhook.qualifier)),
            .init("url", .string(baseURL + webhook.path)), .init("scheme", .string(scheme.scheme)),
        ]
        for (name, value) in [("header", scheme.header), ("hash", scheme.hash), ("encoding", scheme.encoding), ("prefix", scheme.prefix)] {
            if let value { members.append(.init(name, .string(value))) }
        }
        if let filter = webhook.objects {
            members += [
                .init("events", .array(filter.events.map { .string($0) })), .init("keyPrefix", .string(filter.prefix)), .init("keySuffix", .string(filter.suffix)),
            ]
        }
        members += [
            .init("secrets", .integer(webhook.secrets.count)), .init("created", .integer(webhook.created)), .init("modified", .integer(webhook.modified)),
        ]
        if withSecret, let secret = webhook.secrets.first { members.append(.init("secret", .string(secret))) }
        if let activity {
            members += [.init("accepted", .integer(activity.events)), .init("refused", .integer(activity.faults))]
            if let fault = activity.lastFault {
                members += [.init("lastRefusal", .string(fault.reason)), .init("lastRefusalTime", .integer(fault.time))]
            }
        }
        return .object(members)
    }

    private static func answer(_ value: JSON, status: Int = 200) -> ControlResponse { .json(text: Array(value.text().utf8), status: status) }
}

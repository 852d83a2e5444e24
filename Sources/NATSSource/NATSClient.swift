#if NATS
import CNATS
import ExternalSources

/// The library's objects of one connection.
final class NATSClient {
    private let broker: String
    private(set) var connection: OpaquePointer?
    private var stream: OpaquePointer?
    private(set) var subscription: OpaquePointer?

    init(_ broker: String) { self.broker = broker }

    func connect(_ request: SourceRequest) throws(SourceFault) {
        var options: OpaquePointer?
        try check(natsOptions_Create(&options), "connect to")
        defer { natsOptions_Destroy(options) }
        let endpoint = try request.endpoint()
        try check(natsOptions_SetURL(options, "\(request.rootCertificateFile == nil ? "nats" : "tls")://\(endpoint.host):\(endpoint.port)"), "connect to")
        // That the library does not come back by itself leaves the pace to the poller.
        try check(natsOptions_SetAllowReconnect(options, false), "connect to")
        try check(natsOptions_SetIgnoreDiscoveredServers(options, true), "connect to")
        try check(natsOptions_SetTimeout(options, 5_000), "connect to")
        try check(natsOptions_SetPingInterval(options, 10_000), "connect to")
        try check(natsOptions_SetName(options, "martlet-\(request.reader)"), "connect to")
        if let credentials = request.credentials { try check(natsOptions_SetUserInfo(options, credentials.username, credentials.password), "log in to") }
        if let file = request.rootCertificateFile {
            try check(natsOptions_SetSecure(options, true), "connect to")
            try check(natsOptions_LoadCATrustedCertificates(options, file), "use the certificates for")
            try check(natsOptions_SetExpectedHostname(options, endpoint.host), "connect to")
        }
        try check(natsConnection_Connect(&connection, options), "connect to")
    }

    func subscribe(_ source: ExternalSource) throws(SourceFault) {
        try check(natsConnection_JetStream(&stream, connection, nil), "use JetStream of")
        var options = jsSubOptions()
        try check(jsSubOptions_Init(&options), "subscribe at")
        options.ManualAck = true
        options.Config.AckPolicy = js_AckExplicit
        options.Config.AckWait = NATSConnector.acknowledgementWait
        options.Config.MaxAckPending = NATSConnector.acknowledgementsPending
        options.Config.MaxDeliver = -1
        switch source.startingPosition {
        case .trimHorizon: options.Config.DeliverPolicy = js_DeliverAll
        case .latest: options.Config.DeliverPolicy = js_DeliverNew
        case .atTimestamp(let time):
            options.Config.DeliverPolicy = js_DeliverByStartTime
            options.Config.OptStartTime = time * 1_000_000
        }
        var code = jsErrCode(0)
        try check(js_PullSubscribe(&subscription, stream, source.name, source.consumerGroup, nil, &options, &code), "subscribe to \(source.name) at")
    }

    func check(_ status: natsStatus, _ attempt: String) throws(SourceFault) {
        guard status != NATS_OK else { return }
        var last = NATS_OK
        let detail = nats_GetLastError(&last).map { String(cString: $0) } ?? ""
        let text = String(cString: natsStatus_GetText(status))
        throw SourceFault("failed to \(attempt) \(broker): \(text)\(last == status && !detail.isEmpty ? ": \(detail)" : "")")
    }

    func close() {
        natsSubscription_Destroy(subscription)
        jsCtx_Destroy(stream)
        natsConnection_Destroy(connection)
        (subscription, stream, connection) = (nil, nil, nil)
    }
}
#endif

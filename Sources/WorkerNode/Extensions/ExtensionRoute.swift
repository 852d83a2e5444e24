import NIOHTTP1

/// The requests of the Extensions API 2020-01-01 and the Telemetry API 2022-07-01.
enum ExtensionRoute {
    case register
    case next
    case initError
    case exitError
    case telemetry

    init?(_ head: HTTPRequestHead) {
        var path = head.uri.prefix { $0 != "?" }
        // Documented with and without.
        if path.hasSuffix("/") { path = path.dropLast() }
        switch (head.method, path) {
        case (.POST, "/2020-01-01/extension/register"): self = .register
        case (.GET, "/2020-01-01/extension/event/next"): self = .next
        case (.POST, "/2020-01-01/extension/init/error"): self = .initError
        case (.POST, "/2020-01-01/extension/exit/error"): self = .exitError
        case (.PUT, "/2022-07-01/telemetry"): self = .telemetry
        default: return nil
        }
    }
}

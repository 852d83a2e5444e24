internal import FunctionModel
internal import Gateway
internal import SQSAPI
internal import Telemetry

extension Server {
    /// SQS over the server's durable queues.
    func makeSQS(_ events: Events, baseURL: String) -> (service: SQSService, routes: [ControlRoute]) {
        let clock = events.clock
        let service = SQSService(store: events.store, configuration: SQSService.Configuration(baseURL: baseURL), now: { clock.milliseconds() })
        let endpoint = SQSEndpoint(service) { error, id in
            Log.error("a request for a queue failed", ["error": .init(describing: error), "requestId": .init(id.description)])
        }
        return (service, SQSRoutes(endpoint).all)
    }
}

/// The paths of Lambda's REST API and of Martlet's own beside it.
enum LambdaPaths {
    static let functions = ["2015-03-31", "functions"]
    static func function(_ name: String) -> [String] { functions + [name] }
    static func code(_ name: String) -> [String] { function(name) + ["code"] }
    static func invocations(_ name: String) -> [String] { function(name) + ["invocations"] }
    static func concurrency(_ name: String) -> [String] { ["2017-10-31", "functions", name, "concurrency"] }
    static let eventSourceMappings = ["2015-03-31", "event-source-mappings"]
    static func url(_ name: String) -> [String] { ["2021-10-31", "functions", name, "url"] }
    static func versions(_ name: String) -> [String] { function(name) + ["versions"] }
    static func aliases(_ name: String) -> [String] { function(name) + ["aliases"] }
    static func configuration(_ name: String) -> [String] { function(name) + ["configuration"] }
    static func provisionedConcurrency(_ name: String) -> [String] { ["2019-09-30", "functions", name, "provisioned-concurrency"] }
    static func eventInvokeConfig(_ name: String) -> [String] { ["2019-09-25", "functions", name, "event-invoke-config"] }
    static func tags(_ arn: String) -> [String] { ["2017-03-31", "tags", arn] }
    static func layerVersions(_ name: String) -> [String] { ["2018-10-31", "layers", name, "versions"] }
}

enum MartletPaths {
    private static let base = ["martlet", "v1"]
    static let node = base + ["node"]
    static let usage = base + ["usage"]
    static let runtimes = base + ["runtimes"]
    static let audit = base + ["audit"]
    static let tenants = base + ["tenants"]
    static let keys = base + ["keys"]
    static let roles = base + ["roles"]
    static func role(_ name: String) -> [String] { roles + [name] }
    static let watches = base + ["watches"]
    static let triggers = base + ["triggers"]
    static let webhooks = base + ["webhooks"]
    static let stacks = base + ["stacks"]
    static let domains = base + ["domains"]
    static func routes(_ domain: String) -> [String] { domains + [domain, "routes"] }
    static func usage(invocation: String) -> [String] { usage + ["invocations", invocation] }
    static func logs(_ function: String) -> [String] { base + ["logs", function] }
    static func package(_ sha256: String) -> [String] { base + ["packages", sha256] }
    static func function(_ name: String) -> [String] { base + ["functions", name] }
    static func settings(_ name: String) -> [String] { function(name) + ["settings"] }
    static func scheduleRuns(_ name: String) -> [String] { base + ["schedules", name, "runs"] }
    static let queues = base + ["queues"]
    static func queue(_ name: String) -> [String] { queues + [name] }
    static let buses = base + ["buses"]
    static let async = base + ["async"]
    static func async(_ function: String, _ action: String) -> [String] { async + [function, action] }
    static func ready(_ name: String) -> [String] { function(name) + ["ready"] }
}

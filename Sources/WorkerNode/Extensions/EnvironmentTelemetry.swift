import Extensions
import NIOCore

/// What one environment's subscribers are sent. Confined to the loop.
final class EnvironmentTelemetry {
    private let settings: ExtensionSettings
    private let loop: any EventLoop
    private let budget: TelemetryBudget
    private let makeSocket: (@escaping (Int32) -> Void) -> Void
    /// By the extension's index.
    private var subscribers: [Int: TelemetryDelivery] = [:]
    /// What came before the first may still subscribe.
    private var early: [(TelemetrySubscription.Category, String)] = []
    private var earlyBytes = 0
    private var isOpen = true
    private var functionLines = TelemetryLines()
    private var extensionLines = TelemetryLines()

    /// Bytes of records that are kept for those who subscribe later in init; more are not.
    private static let earlyLimit = 64 << 10

    init(
        _ settings: ExtensionSettings, loop: any EventLoop, budget: TelemetryBudget, makeSocket: @escaping (@escaping (Int32) -> Void) -> Void
    ) {
        self.settings = settings
        self.loop = loop
        self.budget = budget
        self.makeSocket = makeSocket
    }

    /// - Parameter index: the extension's.
    func subscribe(_ index: Int, name: String, _ subscription: TelemetrySubscription) throws(ExtensionFault) {
        guard isOpen else { throw ExtensionFault("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed already") }
        // Asked again with other terms, the new ones count.
        subscribers[index]?.close()
        let delivery = TelemetryDelivery(
            subscription, loop: loop, budget: budget, account: settings.facts.account, timeText: settings.timeText, makeSocket: makeSocket)
        subscribers[index] = delivery
        for (category, record) in early where subscription.types.contains(category) { delivery.take(record) }
        tell(.platform, TelemetryRecord.subscribed(name: name, types: subscription.types, time: settings.timeText()))
    }

    /// Init is over.
    func closeSubscription() {
        isOpen = false
        early = []
    }

    /// Whether anybody would get a record: making one for nobody is not worth it.
    var isWanted: Bool { isOpen || !subscribers.isEmpty }

    /// - Parameter record: JSON on one line.
    func tell(_ category: TelemetrySubscription.Category, _ record: @autoclosure () -> String) {
        guard isWanted else { return }
        let record = record()
        for subscriber in subscribers.values where subscriber.types.contains(category) { subscriber.take(record) }
        guard isOpen, earlyBytes + record.utf8.count <= Self.earlyLimit else { return }
        early.append((category, record))
        earlyBytes += record.utf8.count
    }

    func output(_ category: TelemetrySubscription.Category, _ bytes: UnsafeRawBufferPointer) {
        guard isWanted else { return }
        tell(category, lines: category == .function ? functionLines.append(bytes) : extensionLines.append(bytes))
    }

    /// An invocation or the environment has ended: what has no line end gets none any more.
    func finishLines() {
        guard isWanted else { return }
        tell(.function, lines: functionLines.finish())
        tell(.extension, lines: extensionLines.finish())
    }

    private func tell(_ category: TelemetrySubscription.Category, lines: [[UInt8]]) {
        for line in lines { tell(category, TelemetryRecord.line(line, category, isJSON: settings.hasJSONLog, time: settings.timeText())) }
    }

    func flush() {
        for subscriber in subscribers.values { subscriber.flush() }
    }

    func close() {
        isOpen = false
        early = []
        for subscriber in subscribers.values { subscriber.close() }
        subscribers = [:]
    }
}

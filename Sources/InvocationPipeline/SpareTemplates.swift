import FunctionModel
import LinuxPrimitives
import NIOCore
import WorkerNode

/// For each language in use one sandbox with the runtime up and no function in it: a cold start takes it and has only the
/// function's own init to wait for. Confined to the loop.
///
/// A spare serves one function version and is not given back, so no two functions share anything by it. At most one is
/// kept per runtime; where there is none, or it cannot be used, sandboxes are made as needed.
final class SpareTemplates {
    struct Spare {
        let sandbox: SandboxHandle
        let line: TemplateLine
    }

    private final class Kept {
        let spare: Spare
        var isLost = false

        init(_ spare: Spare) { self.spare = spare }
    }

    private let node: SandboxNode
    /// How long after the last use of a language its spare stays; zero for none at all.
    private let keep: TimeAmount
    private let storageMB: Int
    private var kept: [String: Kept] = [:]
    private var lastUse: [String: NIODeadline] = [:]
    /// Runtimes whose spare is to be made in a moment.
    private var due: Set<String> = []
    /// Runtimes with a timer that looks whether their spare is still wanted.
    private var expiring: Set<String> = []
    private var isEnabled: Bool

    /// A spare that is made while a cold start runs would slow it down.
    private static let delay = TimeAmount.milliseconds(40)
    private static let delayAfterLoss = TimeAmount.seconds(5)

    /// - Parameter storageMB: ephemeral storage, which is fixed when a sandbox is made; functions with another one get none.
    init(node: SandboxNode, keepSeconds: Double, storageMB: Int) {
        self.node = node
        self.storageMB = storageMB
        keep = .nanoseconds(Int64(max(0, min(keepSeconds, 1e9)) * 1e9))
        // Without cgroups the memory size is an rlimit, set when the process starts.
        isEnabled = keepSeconds > 0 && node.facts.cgroups != .none
    }

    /// A function of this language exists, or starts: the next cold start is likely to be of its kind.
    func noteUse(of runtime: String) {
        guard isEnabled, runtime != "provided", node.offer(runtime: runtime) != nil else { return }
        lastUse[runtime] = .now()
        makeSoon(runtime, after: Self.delay)
    }

    /// None for a version with layers: what is under /opt is fixed when a sandbox is made.
    func take(for version: FunctionVersion) -> Spare? {
        let configuration = version.configuration
        guard isEnabled, configuration.ephemeralStorage == storageMB, configuration.layers == .none,
            !configuration.runtime.hasPrefix("nodejs") || configuration.memorySize <= EnvironmentProgram.spareMemorySize, let found = kept.removeValue(forKey: configuration.runtime), !found.isLost
        else { return nil }
        found.spare.line.whenLost = nil
        found.spare.sandbox.whenGone = nil
        return found.spare
    }

    /// This host cannot give a running sandbox its package.
    func disable() {
        isEnabled = false
        for runtime in kept.keys { discard(runtime) }
    }

    private func makeSoon(_ runtime: String, after delay: TimeAmount) {
        guard kept[runtime] == nil, due.insert(runtime).inserted else { return }
        let me = NIOLoopBound(self, eventLoop: node.loop)
        node.loop.scheduleTask(in: delay) {
            me.value.due.remove(runtime)
            me.value.make(runtime)
        }
    }

    private func make(_ runtime: String) {
        guard isEnabled, !node.isLost, kept[runtime] == nil, let used = lastUse[runtime], .now() < used + keep,
            let offer = node.offer(runtime: runtime)
        else { return }
        guard let sandbox = try? node.makeSpare(runtime: runtime, storageMB: storageMB) else { return }
        guard let line = try? TemplateLine(sandbox: sandbox, program: .bootstrap(offer, mode: .spare, memorySize: EnvironmentProgram.spareMemorySize), loop: node.loop) else { return sandbox.destroy() }
        let made = Kept(Spare(sandbox: sandbox, line: line))
        kept[runtime] = made
        let me = NIOLoopBound((self, made), eventLoop: node.loop)
        line.whenLost = { _ in me.value.0.lost(me.value.1, runtime) }
        sandbox.whenGone = { _ in me.value.0.lost(me.value.1, runtime) }
        expire(runtime)
    }

    /// One timer for a language, whichever spare it has by then: a timer for each would hold each until it is due.
    private func expire(_ runtime: String) {
        guard expiring.insert(runtime).inserted else { return }
        let due = (lastUse[runtime] ?? .now()) + keep
        let me = NIOLoopBound(self, eventLoop: node.loop)
        node.loop.scheduleTask(deadline: due) {
            let spares = me.value
            spares.expiring.remove(runtime)
            guard spares.kept[runtime] != nil else { return }
            if let used = spares.lastUse[runtime], .now() < used + spares.keep { spares.expire(runtime) } else { spares.discard(runtime) }
        }
    }

    private func lost(_ made: Kept, _ runtime: String) {
        guard !made.isLost else { return }
        made.isLost = true
        guard kept[runtime] === made else { return }
        discard(runtime)
        makeSoon(runtime, after: Self.delayAfterLoss)
    }

    private func discard(_ runtime: String) {
        guard let found = kept.removeValue(forKey: runtime) else { return }
        found.isLost = true
        found.spare.line.close()
        found.spare.sandbox.whenGone = nil
        found.spare.sandbox.destroy()
    }
}

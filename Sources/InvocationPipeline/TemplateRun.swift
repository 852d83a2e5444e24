import NIOCore
import WarmPool
import WorkerNode

/// A template of one host, from the start of its sandbox on. Confined to the loop.
final class TemplateRun {
    enum State {
        case starting
        case auditing
        case ready
    }

    let id: TemplateID
    let sandbox: SandboxHandle
    let started: NIODeadline
    var line: TemplateLine?
    var state = State.starting
    /// It is a spare and has not got its function yet.
    var isSpare = false
    /// When a spare got its function.
    var assignedAt: NIODeadline?
    var readyAt: NIODeadline?
    /// When init could begin.
    var processAt: NIODeadline? { assignedAt ?? line?.processAt }
    var timeout: Scheduled<Void>?
    /// As whom it calls the server while it runs init; afterwards what it knows of that is of no use.
    var session: FunctionSession?
    /// For itself and one copy, so that templates alone can never fill the node.
    var permit: NodeAdmission.Permit?
    /// The copy that lives in the template's own share.
    var includedWorker: UInt64?
    /// Anonymous memory that each copy begins with, bytes.
    var inheritedBytes: UInt64 = 0

    init(id: TemplateID, sandbox: SandboxHandle, started: NIODeadline) {
        self.id = id
        self.sandbox = sandbox
        self.started = started
    }

    /// Init is over: from now on it asks the server for nothing.
    func endCalling() {
        session?.end()
        session = nil
    }
}

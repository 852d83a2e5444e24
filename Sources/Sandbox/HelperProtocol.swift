public import CChild

/// What the server may ask of the helper, and the answers: fixed-size messages (`mc_message`), numbers, one digest, one
/// runtime name, and descriptors. The helper parses nothing that a client or a function wrote.
public enum HelperOperation: UInt32, Sendable {
    // server → helper
    /// slot: sandbox ID chosen by the server; value: 1 if the function has egress; a: memory size MB; b: ephemeral storage MB; payload: 64 hexadecimal digits
    /// of the package and 64 of what is to be under /opt, if anything is, or none of them for a spare that `assign` gives its function, a newline, the runtime's full name; descriptors: init's ends of the control and descriptor
    /// channels and of the log pipe.
    case create = 64
    /// slot: slot index; value: sandbox ID.
    case addSlot = 65
    /// slot: sandbox ID. Answered by `gone`.
    case destroy = 66
    /// A spare gets its function. slot: sandbox ID; value: 1 if the function has egress; a: memory size MB; payload: 64 hexadecimal digits of the package.
    /// Answered by init (`MC_ASSIGNED`), or by `notAssigned`.
    case assign = 67
    // helper → server
    /// Sent once at start; payload: `NodeFacts` as text.
    case ready = 80
    /// slot: sandbox ID; value: 0 or an error number; payload then: a sentence.
    case created = 81
    /// slot: slot index; value: sandbox ID; a: bit 0…3 tell which of CPU time, peak memory, memory statistics and memory
    /// now (only where the peak cannot be set back) come as descriptors; b: 1 when the slot could not be made (payload: a sentence).
    case slotAdded = 82
    /// slot: sandbox ID; value: wait status of its PID 1.
    case gone = 83
    /// slot: sandbox ID; value: an error number; payload: a sentence.
    case notAssigned = 84
}

/// One language runtime that functions can name.
public struct RuntimeOffer: Sendable, Hashable {
    /// Full name: `python3.11`, `provided`.
    public let name: String
    /// Program inside the sandbox, at the same path as on the host; empty for `provided`.
    public let interpreter: String
    /// Folder that is mounted for it; empty when the host's own `/usr` has it.
    public let prefix: String

    public init(name: String, interpreter: String, prefix: String) {
        self.name = name
        self.interpreter = interpreter
        self.prefix = prefix
    }
}

/// What this host gives: measured by the helper at its start, shown by `martlet doctor`.
public struct NodeFacts: Sendable, Hashable {
    public enum Cgroups: String, Sendable { case v1, v2, none }

    public var kernel = ""
    /// 0 where the kernel has none.
    public var landlockABI = 0
    public var cgroups = Cgroups.none
    /// Controllers in use.
    public var controllers: [String] = []
    /// A process joins a cgroup without waiting for an RCU grace period.
    public var hasFastCgroupMoves = false
    public var rootless = false
    public var seccompInstructions = 0
    /// What connects functions that have egress, for people; empty where none can.
    public var egress = ""
    /// First and last host uid for sandboxes.
    public var uidRange: ClosedRange<UInt32>?
    /// One sentence for each thing that is missing and what that costs.
    public var gaps: [String] = []
    public var runtimes: [RuntimeOffer] = []

    public init() {}

    public var encoded: [UInt8] {
        var text = "kernel\t\(kernel)\nlandlock\t\(landlockABI)\ncgroups\t\(cgroups.rawValue)\nfastmoves\t\(hasFastCgroupMoves ? 1 : 0)\nrootless\t\(rootless ? 1 : 0)\nseccomp\t\(seccompInstructions)\n"
        if !controllers.isEmpty { text += "controllers\t\(controllers.joined(separator: ","))\n" }
        if !egress.isEmpty { text += "egress\t\(egress)\n" }
        if let range = uidRange { text += "uids\t\(range.lowerBound)\t\(range.upperBound)\n" }
        for gap in gaps { text += "gap\t\(gap)\n" }
        for offer in runtimes { text += "runtime\t\(offer.name)\t\(offer.interpreter)\t\(offer.prefix)\n" }
        return Array(text.utf8)
    }

    public init(encoded: [UInt8]) {
        for line in String(decoding: encoded, as: UTF8.self).split(separator: "\n") {
            let field = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            switch (field[0], field.count) {
            case ("kernel", 2): kernel = field[1]
            case ("landlock", 2): landlockABI = Int(field[1]) ?? 0
            case ("cgroups", 2): cgroups = Cgroups(rawValue: field[1]) ?? .none
            case ("controllers", 2): controllers = field[1].split(separator: ",").map(String.init)
            case ("fastmoves", 2): hasFastCgroupMoves = field[1] == "1"
            case ("rootless", 2): rootless = field[1] == "1"
            case ("seccomp", 2): seccompInstructions = Int(field[1]) ?? 0
            case ("egress", 2): egress = field[1]
            case ("uids", 3): if let first = UInt32(field[1]), let last = UInt32(field[2]), first <= last { uidRange = first...last }
            case ("gap", 2): gaps.append(field[1])
            case ("runtime", 4): runtimes.append(RuntimeOffer(name: field[1], interpreter: field[2], prefix: field[3]))
            default: continue
            }
        }
    }
}

extension mc_message {
    public init(_ operation: HelperOperation, slot: UInt32 = 0, value: Int32 = 0, a: UInt64 = 0, b: UInt64 = 0) {
        self.init()
        self.op = operation.rawValue
        self.slot = slot
        self.value = value
        self.a = a
        self.b = b
    }
}

/// Descriptor numbers the helper finds open when it starts.
public enum HelperDescriptor {
    public static let server: Int32 = 3
    /// The supervisor's end is held open as long as it lives; end of file means tear everything down.
    public static let lifetime: Int32 = 4
}

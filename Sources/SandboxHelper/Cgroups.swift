import CChild
import Glibc
import LinuxPrimitives
import Sandbox

/// The cgroups of all sandboxes of one server: a folder for the server's instance, one for each sandbox in it, below that
/// `t` for init and template and one for each slot.
struct Cgroups {
    enum Version { case v1, v2, none }

    let version: Version
    /// v1: mount point of each controller (co-mounted ones once). v2: the one tree under "".
    private let trees: [(controller: String, folder: String)]
    let controllers: [String]

    static var nothing: Cgroups { Cgroups(version: .none, trees: [], controllers: []) }

    /// Finds the trees from mountinfo, never from customary paths, and makes the instance's folders.
    static func discover(instance: String) -> Cgroups {
        var v1: [String: String] = [:]
        var v2: String?
        for line in (readText("/proc/self/mountinfo") ?? "").split(separator: "\n") {
            let halves = line.split(separator: " ")
            guard let dash = halves.firstIndex(of: "-"), halves.count > dash + 3, halves.count > 4 else { continue }
            let point = String(halves[4])
            if halves[dash + 1] == "cgroup2" { v2 = v2 ?? point }
            if halves[dash + 1] == "cgroup" {
                for option in halves[dash + 3].split(separator: ",") where ["memory", "cpu", "cpuacct", "pids"].contains(option) {
                    v1[String(option)] = point
                }
            }
        }
        if let v2, let available = readText(v2 + "/cgroup.controllers")?.split(whereSeparator: { $0 == " " || $0 == "\n" }),
            ["memory", "cpu", "pids"].allSatisfy({ available.contains(Substring($0)) }),
            let base = prepareUnified(v2, instance: instance)
        {
            return Cgroups(version: .v2, trees: [("", base)], controllers: ["cpu", "memory", "pids"])
        }
        var trees: [(String, String)] = []
        for controller in ["memory", "cpu", "cpuacct", "pids"] {
            guard let point = v1[controller] else { continue }
            let folder = "\(point)\(ownPath(controller))/martlet-\(instance)"
            if !trees.contains(where: { $0.1 == folder }) {
                removeTree(folder)
                guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { continue }
                if controller == "memory" { try? writeText("1", to: folder + "/memory.use_hierarchy") }
            }
            trees.append((controller, folder))
        }
        return Cgroups(version: trees.isEmpty ? .none : .v1, trees: trees, controllers: trees.map(\.0))
    }

    /// The first process that joins a cgroup after a rest waits for an RCU grace period, 6 to 8 ms, unless some hierarchy is
    /// mounted with `favordynmods`. One without controllers will do, in our own mount namespace: it ends with us.
    /// - Returns: false where the kernel knows no such option (before 6.0) or no hierarchies of version 1.
    static func favourMoves(in base: String) -> Bool {
        let folder = base + "/cgroup-moves"
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { return false }
        return mount("cgroup", folder, "cgroup", UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC), "none,name=martlet-moves,favordynmods") == 0
    }

    /// Our own place in a v1 hierarchy, so that a container's limits above us still hold. "/" becomes "".
    private static func ownPath(_ controller: String) -> String {
        for line in (readText("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let field = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard field.count == 3, field[1].split(separator: ",").contains(Substring(controller)) || (controller.isEmpty && field[0] == "0") else { continue }
            return field[2] == "/" ? "" : String(field[2])
        }
        return ""
    }

    private static let leafName = "/martlet-server"

    /// v2 allows no processes beside child groups with controllers, but in the root of all: those of our group move into
    /// a leaf first. The root of a container's view is no such root; it has a type.
    private static func prepareUnified(_ mount: String, instance: String) -> String? {
        var own = mount + ownPath("")
        if own.hasSuffix(leafName) { own = String(own.dropLast(leafName.count)) }
        if fileKind(own + "/cgroup.type") != nil {
            let leaf = own + leafName
            guard mkdir(leaf, 0o755) == 0 || errno == EEXIST else { return nil }
            move(from: own, to: leaf)
        }
        let folder = "\(own)/martlet-\(instance)"
        removeTree(folder)
        do {
            try writeText("+cpu +memory +pids", to: own + "/cgroup.subtree_control")
            guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { return nil }
            try writeText("+cpu +memory +pids", to: folder + "/cgroup.subtree_control")
        } catch { return nil }
        return folder
    }

    /// All processes; what is forked meanwhile is met in the next round.
    private static func move(from: String, to: String) {
        for _ in 0..<20 {
            let processes = (readText(from + "/cgroup.procs") ?? "").split(separator: "\n")
            // A kernel thread or a process of another namespace, seen as 0, stays.
            let moved = processes.filter { $0 != "0" && (try? writeText(String($0), to: to + "/cgroup.procs")) != nil }
            if moved.isEmpty { return }
        }
    }

    /// Kills what is left in the folder and removes it with everything below. True when nothing is left.
    @discardableResult
    static func removeTree(_ folder: String) -> Bool {
        guard fileKind(folder) == .folder else { return true }
        for _ in 0..<200 {
            kill(everythingIn: folder)
            if removeFolders(folder) { return true }
            usleep(5000)
        }
        return false
    }

    private static func kill(everythingIn folder: String) {
        for pid in (readText(folder + "/cgroup.procs") ?? "").split(separator: "\n") {
            if let pid = pid_t(pid), pid > 1 { Glibc.kill(pid, SIGKILL) }
        }
        for name in entries(of: folder) where fileKind("\(folder)/\(name)", followLinks: false) == .folder {
            kill(everythingIn: "\(folder)/\(name)")
        }
    }

    private static func removeFolders(_ folder: String) -> Bool {
        for name in entries(of: folder) where fileKind("\(folder)/\(name)", followLinks: false) == .folder {
            if !removeFolders("\(folder)/\(name)") { return false }
        }
        return rmdir(folder) == 0 || errno == ENOENT
    }

    private var uniqueFolders: [String] {
        var seen: [String] = []
        for tree in trees where !seen.contains(tree.folder) { seen.append(tree.folder) }
        return seen
    }

    private func folder(_ controller: String, _ path: String) -> String? {
        guard let tree = trees.first(where: { version == .v2 || $0.controller == controller }) else { return nil }
        return "\(tree.folder)/\(path)"
    }

    private func make(_ path: String) throws {
        for base in uniqueFolders {
            if mkdir("\(base)/\(path)", 0o755) != 0 && errno != EEXIST { throw LinuxError("making the cgroup \(base)/\(path)") }
        }
    }

    private func set(_ controller: String, _ path: String, v1: (String, String), v2: (String, String)) throws {
        guard let folder = folder(controller, path) else { return }
        let (file, value) = version == .v2 ? v2 : v1
        try writeText(value, to: "\(folder)/\(file)")
    }

    /// CPU by weight in proportion to memory, 1,769 MB being one whole CPU's weight as on Lambda.
    private func limits(_ path: String, memoryMB: UInt64, storageMB: UInt64, processes: Int) throws {
        let bytes = (memoryMB + storageMB) << 20
        // Where the kernel accounts swap, it is no way around the limit. Before the memory's own where that is raised, which v1
        // allows up to this one only, and after it where it is new.
        let swap = (v1: ("memory.memsw.limit_in_bytes", "\(bytes)"), v2: ("memory.swap.max", "0"))
        try? set("memory", path, v1: swap.v1, v2: swap.v2)
        try set("memory", path, v1: ("memory.limit_in_bytes", "\(bytes)"), v2: ("memory.max", "\(bytes)"))
        try set("cpu", path, v1: ("cpu.shares", "\(max(2, 1024 * memoryMB / 1769))"), v2: ("cpu.weight", "\(min(10_000, max(1, 100 * memoryMB / 1769)))"))
        try set("pids", path, v1: ("pids.max", "\(processes)"), v2: ("pids.max", "\(processes)"))
        try? set("memory", path, v1: swap.v1, v2: swap.v2)
    }

    /// Makes the groups of a sandbox and moves its PID 1 into them; limits follow when it is known whose it is.
    /// - Returns: its own `cgroup.procs`, open for writing.
    func makeSandbox(_ id: UInt32, initPID: pid_t) throws -> Int32? {
        guard version != .none else { return nil }
        try make("s\(id)")
        if version == .v2, let folder = folder("", "s\(id)") { try writeText("+cpu +memory +pids", to: folder + "/cgroup.subtree_control") }
        try make("s\(id)/t")
        for base in uniqueFolders { try writeText("\(initPID)", to: "\(base)/s\(id)/t/cgroup.procs") }
        guard let first = uniqueFolders.first else { return nil }
        let fd = Glibc.open("\(first)/s\(id)/t/cgroup.procs", O_WRONLY | O_CLOEXEC)
        return fd < 0 ? nil : fd
    }

    /// All sandboxes together leave the host some process numbers, and one leaves some to the others.
    private static let allProcesses: Int = {
        let text = readText("/proc/sys/kernel/pid_max")?.split(separator: "\n").first ?? ""
        return max(4096, (Int(text) ?? 32768) * 3 / 4)
    }()

    private func limitProcesses(_ path: String?, _ count: Int) {
        guard let base = folder("pids", path ?? "") else { return }
        try? writeText("\(count)", to: base + "/pids.max")
    }

    func limitSandbox(_ id: UInt32, memoryMB: UInt64, storageMB: UInt64) throws {
        guard version != .none else { return }
        limitProcesses("s\(id)", max(2100, Self.allProcesses / 3))
        try limits("s\(id)/t", memoryMB: memoryMB, storageMB: storageMB, processes: 1026)
    }

    struct Slot {
        /// For init: every `cgroup.procs`, then peak, then the out-of-memory counter.
        var procs: [Int32] = []
        var peak: Int32?
        var oom: Int32?
        /// For the server, read-only.
        var cpu: Int32?
        var peakRead: Int32?
        var memoryStatistics: Int32?
        /// Only where the peak cannot be set back (v2 before Linux 6.12).
        var memoryNow: Int32?

        func close() {
            for fd in procs { Glibc.close(fd) }
            for fd in [peak, oom, cpu, peakRead, memoryStatistics, memoryNow].compactMap({ $0 }) { Glibc.close(fd) }
        }
    }

    func makeSlot(_ index: UInt32, sandbox: UInt32, memoryMB: UInt64, storageMB: UInt64) throws -> Slot {
        var slot = Slot()
        guard version != .none else { return slot }
        let path = "s\(sandbox)/\(index)"
        try make(path)
        try limits(path, memoryMB: memoryMB, storageMB: storageMB, processes: 1025)
        func open(_ controller: String, _ v1: String, _ v2: String, _ flags: Int32) -> Int32? {
            guard let folder = folder(controller, path) else { return nil }
            let fd = Glibc.open("\(folder)/\(version == .v2 ? v2 : v1)", flags | O_CLOEXEC)
            return fd < 0 ? nil : fd
        }
        do {
            for base in uniqueFolders {
                slot.procs.append(try check("opening \(base)/\(path)/cgroup.procs") { Glibc.open("\(base)/\(path)/cgroup.procs", O_RDWR | O_CLOEXEC) })
            }
        } catch {
            slot.close()
            throw error
        }
        slot.peak = open("memory", "memory.max_usage_in_bytes", "memory.peak", O_RDWR)
        slot.oom = open("memory", "memory.oom_control", "memory.events", O_RDONLY)
        slot.cpu = open("cpuacct", "cpuacct.usage", "cpu.stat", O_RDONLY)
        // v2 resets the peak for the one open file that wrote to it: init's, so the server reads through the same.
        slot.peakRead = slot.peak.flatMap { version == .v2 ? fcntl($0, F_DUPFD_CLOEXEC, 3) : nil }
            ?? open("memory", "memory.max_usage_in_bytes", "memory.peak", O_RDONLY)
        if slot.peak == nil { slot.memoryNow = open("memory", "memory.usage_in_bytes", "memory.current", O_RDONLY) }
        slot.memoryStatistics = open("memory", "memory.stat", "memory.stat", O_RDONLY)
        return slot
    }

    /// False while a process of it is still ending.
    func removeSandbox(_ id: UInt32) -> Bool {
        uniqueFolders.allSatisfy { Self.removeFolders("\($0)/s\(id)") || fileKind("\($0)/s\(id)") == nil }
    }

    /// Whether a slot's peak memory can be set back: v1 can, v2 since Linux 6.12.
    var canResetPeak: Bool {
        guard version == .v2, let folder = trees.first?.folder else { return true }
        let fd = open(folder + "/memory.peak", O_RDWR | O_CLOEXEC)
        if fd >= 0 { close(fd) }
        return fd >= 0
    }

    func limitAll() { limitProcesses(nil, Self.allProcesses) }

    func removeAll() {
        for base in uniqueFolders { Self.removeTree(base) }
        guard version == .v2, let folder = trees.first?.folder, let slash = folder.lastIndex(of: "/") else { return }
        // Where we came from, as it was, unless another server lives there too.
        let own = String(folder[..<slash])
        let groups = entries(of: own).filter { fileKind("\(own)/\($0)", followLinks: false) == .folder }
        guard groups == [String(Self.leafName.dropFirst())] else { return }
        try? writeText("-cpu -memory -pids", to: own + "/cgroup.subtree_control")
        Self.move(from: own + Self.leafName, to: own)
        rmdir(own + Self.leafName)
    }
}

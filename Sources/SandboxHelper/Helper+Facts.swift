import CSandbox
import Glibc
import LinuxPrimitives
import Sandbox

extension Helper {
    static func facts(_ arguments: Arguments, rootless: Bool, cgroups: Cgroups, hasFastMoves: Bool, filter: sock_fprog, offers: [RuntimeOffer]) -> NodeFacts {
        var facts = NodeFacts()
        var name = utsname()
        uname(&name)
        facts.kernel = withUnsafePointer(to: &name.release) { $0.withMemoryRebound(to: CChar.self, capacity: 65) { String(cString: $0) } }
        facts.landlockABI = Int(csb_landlock_abi())
        facts.cgroups = switch cgroups.version { case .v1: .v1; case .v2: .v2; case .none: .none }
        facts.controllers = cgroups.controllers
        facts.hasFastCgroupMoves = hasFastMoves
        facts.rootless = rootless
        facts.seccompInstructions = Int(filter.len)
        facts.runtimes = offers
        if !rootless { facts.uidRange = arguments.uidFirst...(arguments.uidFirst + arguments.uidCount - 1) }
        if rootless {
            facts.gaps.append("Not started as root: no cgroups, so a function's memory is limited for each of its processes only (an rlimit on data), its CPU time is not measured, its peak memory is what its process says, and its processes are bounded by an rlimit only; sandboxes share the server's uid.")
        } else if cgroups.version == .none {
            facts.gaps.append("No usable cgroup controllers: memory is limited for each process only (an rlimit on data), CPU time is not measured, peak memory is what the process says, and processes are bounded by an rlimit only.")
        } else {
            let missing = ["memory", "cpu", "pids"].filter { !cgroups.controllers.contains($0) }
            if !missing.isEmpty { facts.gaps.append("cgroup controllers missing: \(missing.joined(separator: ", ")); their limits are not enforced.") }
        }
        if !cgroups.canResetPeak {
            facts.gaps.append("The kernel cannot set a cgroup's peak memory back (Linux 6.12 can): an invocation's peak is exact only if it is the highest its slot has seen, else it is the memory in use at its end.")
        }
        if facts.landlockABI == 0 { facts.gaps.append("The kernel has no Landlock: one layer fewer behind the namespaces and the seccomp filter.") }
        if !offers.contains(where: { $0.name.hasPrefix("python") }) { facts.gaps.append("No CPython 3.9 or newer was found: no Python runtime is offered.") }
        return facts
    }

    /// The part of every sandbox that is the same, in C memory that lives as long as the helper.
    static func makeSpec(
        _ arguments: Arguments, data: String, skeletons: Skeletons, order: [String], rootless: Bool, hasPids: Bool, hasMemory: Bool,
        template: sock_fprog, child: sock_fprog
    ) -> UnsafePointer<csb_spec> {
        func c(_ text: String?) -> UnsafePointer<CChar>? { text.flatMap { strdup($0) }.map { UnsafePointer($0) } }
        let roots = UnsafeMutablePointer<csb_root>.allocate(capacity: max(1, order.count))
        for (index, name) in order.enumerated() {
            guard let root = skeletons.roots[name] else { continue }
            let steps = root.steps + [.package(target: "var/task"), .layers(target: "opt"), .storage(target: "tmp"), .dev("dev"), .proc("proc")]
            let ops = UnsafeMutablePointer<csb_op>.allocate(capacity: steps.count)
            for (place, step) in steps.enumerated() {
                let op = switch step {
                case .bind(let source, let target): csb_op(kind: Int32(CSB_BIND.rawValue), source: c(source), target: c(target))
                case .layers(let target): csb_op(kind: Int32(CSB_LAYERS.rawValue), source: nil, target: c(target))
                case .package(let target): csb_op(kind: Int32(CSB_PACKAGE.rawValue), source: nil, target: c(target))
                case .storage(let target): csb_op(kind: Int32(CSB_TMPFS.rawValue), source: nil, target: c(target))
                case .dev(let target): csb_op(kind: Int32(CSB_DEV.rawValue), source: nil, target: c(target))
                case .proc(let target): csb_op(kind: Int32(CSB_PROC.rawValue), source: nil, target: c(target))
                }
                (ops + place).initialize(to: op)
            }
            (roots + index).initialize(to: csb_root(skeleton: c(root.folder), ops: ops, op_count: Int32(steps.count)))
        }
        let spec = UnsafeMutablePointer<csb_spec>.allocate(capacity: 1)
        var value = csb_spec()
        value.roots = UnsafePointer(roots)
        value.root_count = Int32(order.count)
        value.mount_point = c(skeletons.base + "/mount")
        value.data = c(data)
        value.template_filter = template
        value.child_filter = child
        value.inner_uid = 993
        value.inner_gid = 990
        value.file_size_limit = arguments.fileSizeMB << 20
        value.open_files_limit = arguments.openFiles
        value.process_limit = hasPids ? 0 : 1024
        value.memory_by_rlimit = hasMemory ? 0 : 1
        value.rootless = rootless ? 1 : 0
        withUnsafeMutableBytes(of: &value.hostname) { $0.copyBytes(from: Array("martlet\0".utf8)) }
        spec.initialize(to: value)
        return UnsafePointer(spec)
    }
}

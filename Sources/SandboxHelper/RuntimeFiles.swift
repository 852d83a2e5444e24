import Glibc
import LinuxPrimitives
import NodeRuntime
import PythonRuntime
import Sandbox

/// Puts the runtimes' own files where sandboxes mount them as /var/runtime: the bootstraps are part of this program, the
/// fork libraries lie beside it.
struct RuntimeFiles {
    /// The folders to mount.
    let python: String
    let node: String

    init(base: String, home: String) throws {
        python = try Self.install(PythonRuntime.files, in: base + "/runtime/python", library: home + "/libMartletFork.so", as: "martlet_fork.so")
        node = try Self.install(NodeRuntime.files, in: base + "/runtime/node", library: home + "/libMartletForkNode.so", as: "martlet_fork.node")
    }

    func folder(of offer: RuntimeOffer) -> String { offer.name.hasPrefix("nodejs") ? node : python }

    private static func install(_ files: [(path: String, content: [UInt8])], in folder: String, library: String, as libraryName: String) throws -> String {
        try makeFolders(folder)
        for (name, bytes) in files {
            let path = "\(folder)/\(name)"
            if let slash = path.lastIndex(of: "/") { try makeFolders(String(path[..<slash])) }
            let fd = try check("creating \(path)") { open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644) }
            defer { close(fd) }
            try check("writing \(path)") { bytes.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) } }
        }
        guard fileKind(library) == .file else { throw LinuxError("\(library) is missing; it is built together with martlet and belongs beside it", ENOENT) }
        try copyFile(library, to: "\(folder)/\(libraryName)", mode: 0o755)
        return folder
    }

    /// Where an interpreter looks for the byte code of our modules, relative to the folder.
    static func byteCodePaths(tag: String) -> Set<String> {
        var paths: Set<String> = []
        for (name, _) in PythonRuntime.files where name.hasSuffix(".py") {
            let slash = name.lastIndex(of: "/").map { name.index(after: $0) } ?? name.startIndex
            paths.insert("\(name[..<slash])__pycache__/\(name[slash...].dropLast(3)).\(tag).pyc")
        }
        return paths
    }
}

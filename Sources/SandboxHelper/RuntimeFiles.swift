import Glibc
import LinuxPrimitives
import PythonRuntime

/// Puts the runtime's own files where sandboxes mount them as /var/runtime: the bootstrap is part of this program, the
/// fork library lies beside it.
enum RuntimeFiles {
    static func install(in base: String, home: String) throws -> String {
        let folder = base + "/runtime"
        try makeFolders(folder)
        for (name, bytes) in PythonRuntime.files {
            let path = "\(folder)/\(name)"
            if let slash = path.lastIndex(of: "/") { try makeFolders(String(path[..<slash])) }
            let fd = try check("creating \(path)") { open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644) }
            defer { close(fd) }
            try check("writing \(path)") { bytes.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) } }
        }
        let library = home + "/libMartletFork.so"
        guard fileKind(library) == .file else { throw LinuxError("\(library) is missing; it is built together with martlet and belongs beside it", ENOENT) }
        try copyFile(library, to: folder + "/martlet_fork.so", mode: 0o755)
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

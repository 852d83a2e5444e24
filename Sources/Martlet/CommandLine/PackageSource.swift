internal import DeploymentPackages
internal import FunctionModel

/// What a person points `deploy` at, as files that will be in the package.
///
/// Content is read when it is needed, so that looking at a large folder stays cheap.
struct PackageSource {
    enum Content: Sendable {
        case disk(path: String, executable: Bool)
        case bytes([UInt8], executable: Bool)
        case link(target: String)
    }

    /// By path in the package.
    private(set) var files: [String: Content] = [:]
    /// Folders without anything in them.
    private(set) var emptyFolders: [String] = []
    /// A ready-made archive, sent as it is.
    private(set) var archive: [UInt8]?
    private var archiveContents: PackageContents?
    /// The name of a single file's module, if that is what was given.
    private(set) var singleModule: String?
    let path: String
    /// Bytes of the files on disk.
    private var size = 0

    /// Never part of a package that is made from a folder.
    static let excludedNames: Set<String> = [".git", "__pycache__", ".venv"]

    static func isExcluded(_ name: String) -> Bool { excludedNames.contains(name) || name.hasSuffix(".pyc") }

    /// At the top of the folder only: what says how the function is run is no part of it.
    private static func isSettings(_ name: String, below prefix: String) -> Bool { prefix.isEmpty && name == FunctionFile.name }

    /// - Parameter path: a folder, a zip archive, a `.py`, `.js` or `.mjs` file or an executable.
    /// - Throws: `CommandFailure`.
    init(_ path: String) throws {
        self.path = path
        guard let info = LocalFile.info(path) else { throw CommandFailure("there is no file or folder \(path)") }
        switch info.kind {
        case .directory:
            try addFolder(path, below: "")
            guard !files.isEmpty else { throw CommandFailure("the folder \(path) holds no files to deploy") }
        case .file:
            let bytes = try LocalFile.read(path)
            let name = String(path.split(separator: "/").last ?? "")
            if bytes.starts(with: [0x50, 0x4B, 3, 4]) || bytes.starts(with: [0x50, 0x4B, 5, 6]) || name.hasSuffix(".zip") {
                do {
                    archiveContents = try PackageContents(bytes)
                } catch {
                    throw CommandFailure("\(path): \(error.message)")
                }
                archive = bytes
            } else if name.hasSuffix(".py") {
                files[name] = .bytes(bytes, executable: info.isExecutable)
                singleModule = String(name.dropLast(3))
            } else if name.hasSuffix(".js") || name.hasSuffix(".mjs") || name.hasSuffix(".cjs") {
                files[name] = .bytes(bytes, executable: info.isExecutable)
                singleModule = String(name.prefix { $0 != "." })
            } else if Self.isProgram(bytes) {
                files["bootstrap"] = .bytes(bytes, executable: true)
            } else {
                throw CommandFailure("\(path) is no folder, zip archive, .py, .js or .mjs file or executable, so it cannot be deployed")
            }
        case .link, .other: throw CommandFailure("\(path) is neither a file nor a folder")
        }
    }

    /// One file, which is nowhere on the disk.
    init(file: String, text: String) {
        path = file
        files[file] = .bytes(Array(text.utf8), executable: false)
    }

    /// Stops early where the server would refuse: a wrong path such as / must not be read to its end.
    private mutating func add(_ name: String, _ path: String, _ info: LocalFile.Info) throws {
        files[name] = .disk(path: path, executable: info.isExecutable)
        size += info.size
        let limits = UnpackLimits.lambda
        guard files.count <= limits.entries else { throw CommandFailure("\(self.path) holds more than \(limits.entries) files, the most a package may have") }
        guard size <= limits.unpackedBytes else {
            throw CommandFailure("\(self.path) holds more than \(limits.unpackedBytes) bytes, the most a package may unpack to")
        }
    }

    private mutating func addFolder(_ folder: String, below prefix: String) throws {
        var isEmpty = true
        for name in try LocalFile.names(in: folder) where !Self.isExcluded(name) && !Self.isSettings(name, below: prefix) {
            let path = "\(folder)/\(name)"
            let inner = prefix + name
            guard let info = LocalFile.info(path, followLinks: false) else { continue }
            isEmpty = false
            switch info.kind {
            case .directory: try addFolder(path, below: inner + "/")
            case .file: try add(inner, path, info)
            case .link: files[inner] = .link(target: try LocalFile.linkTarget(path))
            case .other: throw CommandFailure("\(path) is a device, pipe or socket and cannot be deployed")
            }
        }
        if isEmpty, !prefix.isEmpty { emptyFolders.append(String(prefix.dropLast())) }
    }

    /// Files of another folder below the package's own: where both have one, the package's stays.
    mutating func merge(folder: String) throws {
        var other = self
        (other.files, other.emptyFolders) = ([:], [])
        try other.addAll(of: folder)
        size = other.size
        files.merge(other.files) { mine, _ in mine }
        emptyFolders += other.emptyFolders.filter { folder in !files.keys.contains { $0.hasPrefix(folder + "/") } && files[folder] == nil }
    }

    /// As `addFolder`, but with compiled modules: those of installed packages do not depend on time stamps.
    private mutating func addAll(of folder: String, below prefix: String = "") throws {
        for name in try LocalFile.names(in: folder) {
            let path = "\(folder)/\(name)"
            guard let info = LocalFile.info(path, followLinks: false) else { continue }
            switch info.kind {
            case .directory: try addAll(of: path, below: "\(prefix)\(name)/")
            case .file: try add(prefix + name, path, info)
            case .link: files[prefix + name] = .link(target: try LocalFile.linkTarget(path))
            case .other: continue
            }
        }
    }

    func contains(_ name: String) -> Bool {
        files[name] != nil || archiveContents?.files.contains { $0.path == name } == true
    }

    /// Modules at the top of the package, without `.py`.
    var topModules: [String] { topNames.filter { $0.hasSuffix(".py") }.map { String($0.dropLast(3)) }.sorted() }

    /// Names of the files at the top of the package.
    var topNames: [String] { (archiveContents?.files.map(\.path) ?? Array(files.keys)).filter { !$0.contains("/") } }

    /// nil if there is no such file.
    func content(of name: String) throws -> [UInt8]? {
        if let archiveContents {
            do {
                return try archiveContents.content(of: name)
            } catch {
                throw CommandFailure("\(path): \((error as? ServiceError)?.message ?? "\(error)")")
            }
        }
        return switch files[name] {
        case .disk(let path, _): try LocalFile.read(path)
        case .bytes(let bytes, _): bytes
        case .link, nil: nil
        }
    }

    /// A digest of everything that goes into the archive; cheaper than making it.
    func fingerprint() throws -> String {
        var digest = RunningDigest()
        digest.update("martlet package \(ZipWriter.identity)")
        for name in files.keys.sorted() {
            digest.update(name)
            switch files[name] {
            case .link(let target): digest.update("link \(target)")
            case .disk(let path, let executable): digest.update(try file(name, LocalFile.read(path), executable))
            case .bytes(let bytes, let executable): digest.update(file(name, bytes, executable))
            case nil: continue
            }
        }
        for folder in emptyFolders.sorted() { digest.update("folder \(folder)") }
        return digest.finish()
    }

    private func file(_ name: String, _ bytes: [UInt8], _ executable: Bool) -> String {
        "\(isExecutable(name, bytes, executable) ? "x" : "-") \(PackageDigest.sha256(bytes))"
    }

    /// - Throws: `CommandFailure`.
    func makeArchive() throws -> [UInt8] {
        if let archive { return archive }
        var writer = ZipWriter()
        for (name, content) in files {
            switch content {
            case .link(let target): writer.addLink(name, target: target)
            case .disk(let path, let executable):
                let bytes = try LocalFile.read(path)
                writer.addFile(name, contents: bytes, executable: isExecutable(name, bytes, executable))
            case .bytes(let bytes, let executable):
                writer.addFile(name, contents: bytes, executable: isExecutable(name, bytes, executable))
            }
        }
        for folder in emptyFolders { writer.addDirectory(folder) }
        do {
            return try writer.finish()
        } catch {
            throw CommandFailure("failed to pack \(path): \((error as? ServiceError)?.message ?? "\(error)")")
        }
    }

    /// A bootstrap that lost its execute bit on the way (an archive, a checkout) still has to run.
    private func isExecutable(_ name: String, _ bytes: [UInt8], _ executable: Bool) -> Bool {
        executable || name == "bootstrap" && Self.isProgram(bytes)
    }

    /// A script with an interpreter line, or an ELF executable.
    static func isProgram(_ bytes: [UInt8]) -> Bool { bytes.starts(with: "#!".utf8) || bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) }
}

/// How a package is run.
struct RuntimeChoice: Hashable, Sendable {
    /// `python3` where the version is the server's choice.
    var runtime: String
    var handler: String
}

extension PackageSource {
    private static let modules = ["handler", "lambda_function", "app", "main"]
    private static let functions = ["handler", "lambda_handler", "main"]

    /// Reads from the files how the package wants to be run; explicit wishes come first.
    ///
    /// - Throws: `CommandFailure` that lists what was looked for.
    func guess(runtime: String?, handler: String?) throws -> RuntimeChoice {
        if let runtime, let handler { return RuntimeChoice(runtime: runtime, handler: handler) }
        if let runtime, runtime.hasPrefix("provided") { return RuntimeChoice(runtime: runtime, handler: "bootstrap") }
        if let handler {
            // Only Python's and Node's handlers name a file.
            let module = handler.split(separator: ".").dropLast().joined(separator: "/")
            if contains("\(module).py") || contains("\(module)/__init__.py") { return RuntimeChoice(runtime: "python3", handler: handler) }
            if nodeFile(handler: handler) != nil { return RuntimeChoice(runtime: "nodejs", handler: handler) }
            if contains("bootstrap") { return RuntimeChoice(runtime: "provided", handler: handler) }
            throw CommandFailure(
                "\(path) has no \(module).py, .js or .mjs for the handler \(handler), and no bootstrap: name the runtime with --runtime")
        }
        if runtime == nil, contains("bootstrap") { return RuntimeChoice(runtime: "provided", handler: "bootstrap") }
        let present = topModules
        // A Python function may well bring scripts for a browser; one with a package.json or without Python is Node's.
        if runtime?.hasPrefix("node") ?? (present.isEmpty || contains("package.json")), let handler = try nodeHandler() {
            return RuntimeChoice(runtime: runtime ?? "nodejs", handler: handler)
        }
        var candidates = Self.modules.filter(present.contains)
        // With one module there is nothing to choose.
        if candidates.isEmpty, present.count == 1 { candidates = present }
        for module in candidates {
            guard let source = try content(of: "\(module).py") else { continue }
            if let function = Self.topLevelFunction(source) {
                return RuntimeChoice(runtime: runtime ?? "python3", handler: "\(module).\(function)")
            }
        }
        let found = present.isEmpty ? "no .py file at its top" : "found \(present.prefix(8).map { "\($0).py" }.joined(separator: ", "))"
        throw CommandFailure(
            "cannot tell how to run \(path): looked for an executable named bootstrap, for an exported handler in index.js or index.mjs, and for a "
                + "function \(Self.functions.joined(separator: ", ")) in \(Self.modules.map { "\($0).py" }.joined(separator: ", ")) (\(found)); "
                + "say it with --runtime and --handler, for example --runtime python3 --handler module.function")
    }

    /// The best-known name that the module defines at its top level.
    static func topLevelFunction(_ source: [UInt8]) -> String? {
        let lines = source.split(separator: 0x0A)
        func defines(_ name: String) -> Bool {
            lines.contains { line in
                for start in ["def \(name)", "\(name)"] where line.starts(with: start.utf8) {
                    let rest = line.dropFirst(start.utf8.count).drop { $0 == 0x20 || $0 == 0x09 }
                    if start.hasPrefix("def ") ? rest.first == UInt8(ascii: "(") : rest.first == UInt8(ascii: "=") && rest.dropFirst().first != UInt8(ascii: "=") {
                        return true
                    }
                }
                return false
            }
        }
        return functions.first(where: defines)
    }
}

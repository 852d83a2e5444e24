internal import FunctionModel
internal import Gateway
internal import Glibc
internal import JSONValues
internal import LinuxPrimitives
internal import ObjectEvents
internal import Registry
internal import Triggers
internal import WatchedFolders

/// Watched folders for their owners, below /martlet/v1.
struct WatchRoutes: Sendable {
    /// Trees that are no places for files, or the server's own.
    private static let forbidden = ["/proc", "/sys", "/dev"]

    let watcher: FolderWatcher
    let functions: FunctionRegistry
    /// Absolute; what is in it is nobody's to see.
    let data: String
    let now: @Sendable () -> Int64

    var all: [ControlRoute] {
        let path = "/martlet/v1/watches"
        return [
            ControlRoute("POST", path, access: .operator) { try await create($0) },
            ControlRoute("GET", path, access: .operator) { request in
                let found = await watcher.list(account: request.caller.account, region: request.caller.region)
                return Self.answer(.object([.init("watches", .array(found.map(Self.form)))]))
            },
            ControlRoute("DELETE", "\(path)/{Name}", access: .operator) { request in
                try await watcher.delete(request.parameters["Name"] ?? "", account: request.caller.account, region: request.caller.region)
                return .noContent
            },
        ]
    }

    private struct Creation: Decodable {
        var path: String
        var name: String?
        var function: String
        var qualifier: String?
        var events: [String]?
        var keyPrefix: String?
        var keySuffix: String?
        var recursive: Bool?
        var content: Bool?
    }

    private func create(_ request: ControlRequest) async throws -> ControlResponse {
        let wanted = try request.decode(Creation.self)
        let key = FunctionKey(account: request.caller.account, region: request.caller.region, name: wanted.function)
        try await functions.snapshot.eventTarget(key, qualifier: wanted.qualifier, of: "A watched folder")
        let path = try resolve(wanted.path)
        let name = wanted.name ?? path.split(separator: "/").last.map(String.init) ?? "root"
        guard (1...63).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameByte) else {
            throw ServiceError(.invalidParameterValue, "a watch's name has 1 to 63 letters, digits, '-', '_' and '.'; '\(name.prefix(64))' does not: give it one with --name")
        }
        let folder = WatchedFolder(
            id: RequestID.random().description, name: name, function: key, qualifier: wanted.qualifier, path: path,
            filter: try ObjectFilter(events: wanted.events ?? [], prefix: wanted.keyPrefix ?? "", suffix: wanted.keySuffix ?? ""),
            isRecursive: wanted.recursive ?? false, hasContent: wanted.content ?? false, created: now())
        return Self.answer(Self.form(try await watcher.create(folder)), status: 201)
    }

    /// - Returns: without links, so that nobody who may write above it can exchange it later.
    private func resolve(_ path: String) throws(ServiceError) -> String {
        guard path.hasPrefix("/"), path.utf8.count <= 4_095 else {
            throw ServiceError(.invalidParameterValue, "the folder '\(path.prefix(200))' must be an absolute path: the server may run elsewhere")
        }
        guard let real = realPath(path) else {
            let reason = String(cString: strerror(errno))
            throw ServiceError(
                .invalidParameterValue, "the folder \(path.prefix(200)) cannot be reached by the server's user (uid \(geteuid())): \(reason); let it enter the folders above")
        }
        guard fileKind(real) == .folder else { throw ServiceError(.invalidParameterValue, "\(path.prefix(200)) is no folder") }
        if Self.forbidden.contains(where: { Self.isWithin(real, $0) }) {
            throw ServiceError(.invalidParameterValue, "\(real) cannot be watched: it holds no files")
        }
        if Self.isWithin(real, data) || Self.isWithin(data, real) {
            throw ServiceError(.invalidParameterValue, "\(real) cannot be watched: the server's own data is in it, or it is in that")
        }
        return real
    }

    private static func isWithin(_ path: String, _ folder: String) -> Bool {
        path == folder || path.hasPrefix(folder == "/" ? "/" : folder + "/")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func form(_ status: WatchedFolderStatus) -> JSON {
        let folder = status.folder
        return .object([
            .init("name", .string(folder.name)), .init("path", .string(folder.path)), .init("function", .string(folder.function.name)),
            .init("qualifier", .optional(folder.qualifier)), .init("events", .array(folder.filter.events.map { .string($0) })),
            .init("keyPrefix", .string(folder.filter.prefix)), .init("keySuffix", .string(folder.filter.suffix)),
            .init("recursive", .bool(folder.isRecursive)), .init("content", .bool(folder.hasContent)), .init("files", .integer(status.files)),
            .init("pending", .integer(status.pending)), .init("problem", .optional(status.problem)), .init("created", .integer(Int(folder.created))),
        ])
    }

    private static func answer(_ value: JSON, status: Int = 200) -> ControlResponse { .json(text: Array(value.text().utf8), status: status) }
}

/// Watched folders; what came of each is counted where its events are accepted.
struct FolderTriggers: TriggerCatalog {
    let watcher: FolderWatcher

    func triggers(account: String, region: String, now: Int64) async throws -> [TriggerEntry] {
        await watcher.list(account: account, region: region).map { status in
            let function = status.folder.function.arn
            var entry = TriggerEntry(
                kind: "folder", name: status.folder.name, source: status.folder.path,
                target: status.folder.qualifier.map { "\(function):\($0)" } ?? function, state: status.problem == nil ? .enabled : .failing,
                activity: watcher.activity(status.folder), now: now, depth: status.pending)
            if let problem = status.problem { entry.lastFault = TriggerActivity.Fault(time: entry.lastFault?.time ?? now, reason: problem) }
            return entry
        }
    }
}

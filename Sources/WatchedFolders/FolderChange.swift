import Metering
import Metering
import ObjectEvents

/// What became of one file, against what was known of it. Pure.
struct FolderChange {
    enum Kind { case created, removed }

    let kind: Kind
    let file: String
    /// As it is now; of a file that is gone, as it was.
    let state: FileState

    /// Nil where nothing has changed.
    init?(_ file: String, known: FileState?, found: FileState?) {
        guard known != found else { return nil }
        guard let state = found ?? known else { return nil }
        self.file = file
        self.state = state
        kind = found == nil ? .removed : .created
    }

    /// Files of which a scan tells something else than what is known. Of what it could not read it tells nothing.
    static func differences(_ known: [String: FileState], _ contents: FolderTree.Contents, below folder: String) -> [String] {
        var files = contents.files.compactMap { known[$0.key] == $0.value ? nil : $0.key }
        guard !contents.isTruncated else { return files }
        let prefix = folder.isEmpty ? "" : folder + "/"
        for file in known.keys where file.hasPrefix(prefix) && contents.files[file] == nil && !contents.unread.contains(where: file.hasPrefix) {
            files.append(file)
        }
        return files
    }

    /// Whether a path can be an object's key.
    static func isKey(_ file: String) -> Bool { file.utf8.count <= ObjectKey.maximumLength }

    var name: String { kind == .created ? "ObjectCreated:Put" : "ObjectRemoved:Delete" }

    /// The same when the change is found once more, by a scan after a crash for example.
    func key(_ folder: WatchedFolder) -> String { "watch:\(folder.id):\(name):\(state.tag):\(file)" }

    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - content: of the file, where it goes with the event.
    func event(_ folder: WatchedFolder, now: Int64, content: [UInt8]?) -> ObjectChange {
        let order = UInt64(bitPattern: kind == .created ? max(state.modified, 0) : now * 1_000_000)
        let digits = String(order, radix: 16, uppercase: true)
        return ObjectChange(
            name: name, time: UsageTime.iso8601(now), region: folder.function.region, bucket: folder.name, key: file,
            size: kind == .created ? state.size : nil, eTag: kind == .created ? state.tag : nil,
            sequencer: String(repeating: "0", count: 16 - digits.count) + digits, principal: folder.function.account, sourceAddress: "127.0.0.1",
            configurationID: folder.name, requestID: folder.id, content: content)
    }
}

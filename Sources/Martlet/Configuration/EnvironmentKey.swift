internal import AccessControl
internal import FunctionModel
internal import Glibc

/// The keys of functions' environment variables: the first seals, and all of them open, so that a new one can be put before
/// those that what is there was sealed with.
struct EnvironmentKeys: TextSealer {
    private let first: SealingKey
    private let older: [SealingKey]

    /// nil for what is no list of 1 to 8 keys of 64 hexadecimal digits, with space between them.
    init?(_ text: String) {
        let words = text.split(whereSeparator: \.isWhitespace)
        var keys = words.compactMap { SealingKey(hexadecimal: String($0)) }
        guard (1...8).contains(words.count), keys.count == words.count else { return nil }
        first = keys.removeFirst()
        older = keys
    }

    func seal(_ text: String, for context: String) throws -> String { try first.seal(text, for: context) }

    func open(_ sealed: String, for context: String) throws -> String {
        for key in older { if let text = try? key.open(sealed, for: context) { return text } }
        return try first.open(sealed, for: context)
    }

    func isCurrent(_ sealed: String, for context: String) -> Bool { (try? first.open(sealed, for: context)) != nil }
}

/// The file of the keys that functions' environment variables are sealed with.
///
/// By default it lies beside the database, in a file of its own, so that a copy of the database alone tells nothing. Its
/// path can be set, so that the keys may come from another disk or from a secret of the service manager.
enum EnvironmentKey {
    static let fileName = "environment.key"

    /// - Parameters:
    ///   - path: the setting; empty for the default, which is made on the first start.
    ///   - data: the data directory, for messages; it is the working directory.
    /// - Throws: `CommandFailure`.
    static func load(path: String, data: String) throws -> EnvironmentKeys {
        let name = path.isEmpty ? fileName : path
        let shown = path.isEmpty ? "\(data)/\(fileName)" : path
        if path.isEmpty, access(name, F_OK) != 0, errno == ENOENT {
            // Of a database whose key was lost nothing sealed can be read, with which it says so.
            try LocalFile.write(Array("\(SealingKey.randomHexadecimal())\n".utf8), to: name)
        }
        guard let info = LocalFile.info(name), info.kind == .file else {
            throw CommandFailure("the key for environment variables, \(shown), is not there or no file")
        }
        var status = stat()
        guard stat(name, &status) == 0, status.st_mode & 0o077 == 0 else {
            throw CommandFailure("the key for environment variables, \(shown), may be read by others than its owner: run chmod 600 on it")
        }
        guard let keys = EnvironmentKeys(String(decoding: try LocalFile.read(name, limit: 4_096), as: UTF8.self)) else {
            throw CommandFailure(
                "the key for environment variables, \(shown), must be 64 hexadecimal digits, as openssl rand -hex 32 writes them, in one line, "
                    + "with up to seven older keys in lines below it")
        }
        return keys
    }
}

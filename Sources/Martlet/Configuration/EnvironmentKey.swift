internal import AccessControl
internal import Glibc

/// The file of the key that functions' environment variables are sealed with.
///
/// By default it lies beside the database, in a file of its own, so that a copy of the database alone tells nothing. Its
/// path can be set, so that the key may come from another disk or from a secret of the service manager.
enum EnvironmentKey {
    static let fileName = "environment.key"

    /// - Parameters:
    ///   - path: the setting; empty for the default, which is made on the first start.
    ///   - data: the data directory, for messages; it is the working directory.
    /// - Throws: `CommandFailure`.
    static func load(path: String, data: String) throws -> SealingKey {
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
        let text = String(decoding: try LocalFile.read(name, limit: 4_096), as: UTF8.self).filter { !$0.isWhitespace }
        guard let key = SealingKey(hexadecimal: text) else {
            throw CommandFailure("the key for environment variables, \(shown), must be 64 hexadecimal digits, as openssl rand -hex 32 writes them")
        }
        return key
    }
}

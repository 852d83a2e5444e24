internal import EventDispatch
internal import ExternalSources
internal import Glibc
internal import JSONValues

/// Secrets that mappings name: files `secrets/ACCOUNT/NAME` in the data directory, which is the working directory.
///
/// An administrator puts them there. Each is read when a connection is made, so that a changed one counts from the next on.
struct SecretFiles: SourceSecrets {
    private static let maximumBytes = 65_536

    /// Lambda's form of such a secret: `{"username": "…", "password": "…"}`.
    func credentials(_ name: String, account: String) throws(SourceFault) -> SourceCredentials {
        let path = Self.path(name, account)
        let text = String(decoding: try Self.read(path, isPrivate: true), as: UTF8.self)
        guard let json = try? JSON(parsing: text), let username = json["username"]?.string, let password = json["password"]?.string,
            !username.utf8.contains(0), !password.utf8.contains(0)
        else { throw SourceFault("\(path) in the data directory is no JSON object with username and password") }
        return SourceCredentials(username: username, password: password)
    }

    func certificateFile(_ name: String, account: String) throws(SourceFault) -> String {
        let path = Self.path(name, account)
        let text = String(decoding: try Self.read(path, isPrivate: false), as: UTF8.self)
        guard text.contains("-----BEGIN CERTIFICATE-----") else { throw SourceFault("\(path) in the data directory has no certificate in PEM form") }
        return path
    }

    private static func path(_ name: String, _ account: String) -> String { "secrets/\(account)/\(name)" }

    private static func read(_ path: String, isPrivate: Bool) throws(SourceFault) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            throw SourceFault("failed to open \(path) in the data directory: \(String(cString: strerror(errno))): put the secret there, readable by the server's user")
        }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size <= maximumBytes else {
            throw SourceFault("\(path) in the data directory is no file of at most \(maximumBytes) bytes")
        }
        guard !isPrivate || info.st_mode & (S_IROTH | S_IWOTH) == 0 else {
            throw SourceFault("\(path) in the data directory may be read by everybody: run chmod o-rwx on it")
        }
        var bytes = [UInt8](repeating: 0, count: maximumBytes)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw SourceFault("failed to read \(path) in the data directory: \(String(cString: strerror(errno)))") }
        return Array(bytes.prefix(count))
    }
}

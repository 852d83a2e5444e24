internal import FoundationEssentials
internal import Glibc

/// The access key pair of a server, kept in `credentials` in its data directory, readable by its owner only.
struct Credentials: Hashable, Sendable, Codable {
    /// `AKIA` and 16 more characters.
    var accessKeyId: String
    /// 40 characters.
    var secretAccessKey: String
    /// 12 digits.
    var account: String
    var region: String

    struct Failure: Error, CustomStringConvertible {
        let description: String
        /// Whether there simply is no such file.
        let isAbsent: Bool
    }

    static let fileName = "credentials"

    /// A new random pair.
    static func make(account: String, region: String) -> Credentials {
        var generator = SystemRandomNumberGenerator()
        let base32 = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        func text(_ count: Int, _ alphabet: [Character]) -> String {
            String((0..<count).compactMap { _ in alphabet.randomElement(using: &generator) })
        }
        return Credentials(
            accessKeyId: "AKIA" + text(16, base32), secretAccessKey: text(40, letters), account: account, region: region)
    }

    /// Reads the pair of a data directory, or makes and keeps one on the first start.
    ///
    /// Concurrent first starts agree on one pair. Blocks on the disk.
    /// - Parameter directory: an open data directory; `AT_FDCWD` for the working directory.
    static func loadOrCreate(directory: CInt, account: String, region: String) throws -> Credentials {
        do {
            return try load(directory: directory)
        } catch let failure as Failure where failure.isAbsent {
            let pair = make(account: account, region: region)
            let temporary = ".\(fileName)-\(UInt64.random(in: 0...UInt64.max))"
            defer { unlinkat(directory, temporary, 0) }
            try write(Array(JSONEncoder().encode(pair)), to: temporary, in: directory)
            // Unlike rename, link leaves the pair of a start that was faster in place.
            guard linkat(directory, temporary, directory, fileName, 0) == 0 || errno == EEXIST, fsync(directory) == 0 || directory == AT_FDCWD
            else { throw failed("keep \(fileName)") }
            return try load(directory: directory)
        }
    }

    static func loadOrCreate(path: String, account: String, region: String) throws -> Credentials {
        try withDirectory(path) { try loadOrCreate(directory: $0, account: account, region: region) }
    }

    static func load(path: String) throws -> Credentials { try withDirectory(path) { try load(directory: $0) } }

    private static func load(directory: CInt) throws -> Credentials {
        let descriptor = openat(directory, fileName, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw failed("open \(fileName)") }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw failed("look at \(fileName)") }
        guard info.st_mode & 0o077 == 0 else {
            throw Failure(
                description: "the file \(fileName) in the data directory may be read by others than its owner; run chmod 600 on it",
                isAbsent: false)
        }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw failed("read \(fileName)") }
        do {
            return try JSONDecoder().decode(Credentials.self, from: Data(bytes[..<count]))
        } catch {
            throw Failure(
                description: "the file \(fileName) in the data directory is damaged; remove it and start the server again for a new pair",
                isAbsent: false)
        }
    }

    private static func write(_ bytes: [UInt8], to name: String, in directory: CInt) throws {
        let descriptor = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failed("make \(name)") }
        defer { close(descriptor) }
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count == bytes.count, fsync(descriptor) == 0 else { throw failed("write \(name)") }
    }

    private static func withDirectory<Value>(_ path: String, _ body: (CInt) throws -> Value) throws -> Value {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failed("open data directory \(path)") }
        defer { close(directory) }
        return try body(directory)
    }

    private static func failed(_ attempt: String) -> Failure {
        let reason = errno
        return Failure(description: "failed to \(attempt): \(String(cString: strerror(reason)))", isAbsent: reason == ENOENT)
    }

    /// The services whose clients the server answers, as AWS's SDKs spell them in `AWS_ENDPOINT_URL_…`.
    private static let services = ["LAMBDA", "CLOUDWATCH_LOGS", "SQS", "EVENTBRIDGE", "SCHEDULER"]

    /// What `martlet credentials --export` prints.
    ///
    /// No endpoint for every service: what the server does not have would come to it, too. A live tail's client would put
    /// `stream-` before the host's name, which a server of one's own does not have.
    func exportLines(endpoint: String) -> [String] {
        [
            "export AWS_ACCESS_KEY_ID=\(accessKeyId)", "export AWS_SECRET_ACCESS_KEY=\(secretAccessKey)",
            "export AWS_DEFAULT_REGION=\(region)", "export AWS_REGION=\(region)",
        ] + Self.services.map { "export AWS_ENDPOINT_URL_\($0)=\(endpoint)" } + ["export AWS_DISABLE_HOST_PREFIX_INJECTION=true"]
    }
}

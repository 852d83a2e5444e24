import Glibc
public import FunctionModel
public import NIOCore
import WorkerNode

/// As whom the code of one execution environment, or of a template while it runs init, calls the server. Confined to the loop.
///
/// Its key belongs to nobody else, is known to no list of keys, and counts only on the socket in that environment's own network.
public final class FunctionSession {
    /// Connections of one environment at a time; each has one request at work.
    public static let maximumConnections = 32

    public let function: FunctionKey
    /// The ARN of the role that the function names.
    public let role: String
    public let accessKeyID: String
    public let secret: String
    public let sessionToken: String
    /// Whether the function's code may be at work: during init and during an invocation.
    public internal(set) var isLive = true
    /// Of the invocation that runs.
    public internal(set) var traceID: String?
    private var connections: [ObjectIdentifier: any Channel] = [:]

    init(_ version: FunctionVersion, randomness: inout SessionRandomness) {
        function = version.key
        role = version.configuration.role
        accessKeyID = "ASIA" + randomness.text(16, isUpperCase: true)
        secret = randomness.text(40)
        sessionToken = randomness.text(64)
    }

    /// The variables by which SDKs find the server and sign for it.
    var variables: [String: String] {
        ["AWS_ENDPOINT_URL": Self.endpoint, "AWS_ACCESS_KEY_ID": accessKeyID, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": sessionToken]
    }

    static let endpoint = "http://127.0.0.1:\(EnvironmentNetwork.callbackPort)"

    // MARK: Connections

    /// False when it has as many as it may.
    public func opened(_ channel: any Channel) -> Bool {
        guard connections.count < Self.maximumConnections else { return false }
        connections[ObjectIdentifier(channel)] = channel
        return true
    }

    public func closed(_ channel: any Channel) { connections[ObjectIdentifier(channel)] = nil }

    /// Its code is gone: what it still asks for is for nobody.
    func end() {
        isLive = false
        for channel in connections.values { channel.close(promise: nil) }
        connections = [:]
    }
}

/// The kernel's random bytes as letters, many at a time: a session for each copy would take a system call each.
struct SessionRandomness {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    /// Base 32.
    private static let capitals = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
    private static let size = 256
    private var bytes = [UInt8](repeating: 0, count: size)
    private var used = size

    mutating func text(_ count: Int, isUpperCase: Bool = false) -> String {
        let alphabet = isUpperCase ? Self.capitals : Self.letters
        return String(unsafeUninitializedCapacity: count) { buffer in
            for place in 0..<count { buffer[place] = alphabet[Int(next()) % alphabet.count] }
            return count
        }
    }

    /// A byte is given out once and then forgotten.
    private mutating func next() -> UInt8 {
        if used == bytes.count {
            var system = SystemRandomNumberGenerator()
            let isFilled = bytes.withUnsafeMutableBytes { getentropy($0.baseAddress, $0.count) } == 0
            if !isFilled { for place in bytes.indices { bytes[place] = system.next() } }
            used = 0
        }
        defer { used += 1 }
        let byte = bytes[used]
        bytes[used] = 0
        return byte
    }
}

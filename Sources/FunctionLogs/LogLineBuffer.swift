/// Joins the pieces in which one stream's output arrives into whole lines. One per invocation, held by its owner.
public struct LogLineBuffer: Sendable {
    private var pending: [UInt8] = []
    private let limit: Int

    /// - Parameter limit: bytes of an unfinished line that are held back; a longer line is passed on in pieces.
    public init(limit: Int = 64 << 10) {
        self.limit = limit
    }

    /// Calls `emit` at most once, with one or more lines.
    public mutating func append<Failure: Error>(
        _ bytes: UnsafeRawBufferPointer, _ emit: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let end = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let rest = bytes[end...]
        if pending.isEmpty && rest.count <= limit {
            pending.append(contentsOf: rest)
            if end > 0 { try emit(UnsafeRawBufferPointer(rebasing: bytes[..<end])) }
            return
        }
        let held = end > 0 ? rest.count : pending.count + rest.count
        let whole = held > limit ? bytes.count : end
        pending.append(contentsOf: bytes[..<whole])
        guard whole > 0 else {
            pending.append(contentsOf: rest)
            return
        }
        let lines = pending
        pending = Array(bytes[whole...])
        try Self.pass(lines, emit)
    }

    /// Passes on what has no line end yet.
    public mutating func finish<Failure: Error>(_ emit: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
        guard !pending.isEmpty else { return }
        let lines = pending
        pending = []
        try Self.pass(lines, emit)
    }

    /// `withUnsafeBytes` does not carry a typed error out.
    private static func pass<Failure: Error>(
        _ lines: [UInt8], _ emit: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let result: Result<Void, Failure> = lines.withUnsafeBytes { bytes in
            do throws(Failure) {
                return .success(try emit(bytes))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}

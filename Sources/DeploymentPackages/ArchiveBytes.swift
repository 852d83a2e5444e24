internal import Glibc

/// An archive's bytes: in memory, or in a file that is read where it lies.
enum ArchiveBytes: Sendable {
    case memory([UInt8])
    case file(MappedFile)

    var count: Int {
        switch self {
        case .memory(let bytes): bytes.count
        case .file(let file): file.bytes.count
        }
    }

    subscript(range: Range<Int>) -> ArraySlice<UInt8> {
        // Memory that is no array does not check it by itself.
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return switch self {
        case .memory(let bytes): bytes[range]
        case .file(let file): Array(file.bytes[range])[...]
        }
    }

    subscript(position: Int) -> UInt8 {
        precondition((0..<count).contains(position))
        return switch self {
        case .memory(let bytes): bytes[position]
        case .file(let file): file.bytes[position]
        }
    }

    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        switch self {
        case .memory(let bytes): try bytes.withUnsafeBytes(body)
        case .file(let file): try body(file.bytes)
        }
    }
}

/// A file as memory, for as long as this object lives. It must not be changed meanwhile.
final class MappedFile: Sendable {
    // SAFETY: mapped read-only and privately, and unmapped by `deinit` alone.
    nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    init(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw FileError(operation: "look at", path: path, errno: errno) }
        let size = Int(info.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw FileError(operation: "map", path: path, errno: errno)
        }
        bytes = UnsafeRawBufferPointer(start: start, count: size)
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }
}

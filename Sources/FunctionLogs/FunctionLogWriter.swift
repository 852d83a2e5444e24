public import FunctionModel
import Glibc

/// Appends to the logs of all functions. Confined to one event loop; there is one writer for a folder.
///
/// Lines are in the file when `append` returns, so they survive `kill -9` of the process (not a power loss). Space is
/// bounded: per function a number of files of a size, in all a number of bytes, the files of the functions that have been
/// silent longest going first.
public final class FunctionLogWriter {
    public struct Configuration: Sendable {
        /// Bytes of a file before the next is begun; at least 4 KiB.
        public var fileBytes: Int
        /// From 2.
        public var filesPerFunction: Int
        /// Bytes of all logs together; at least two files.
        public var totalBytes: Int
        /// Descriptors held at most; from 1.
        public var openFiles: Int

        public init(fileBytes: Int = 1 << 20, filesPerFunction: Int = 4, totalBytes: Int = 256 << 20, openFiles: Int = 256) {
            self.fileBytes = max(fileBytes, 4 << 10)
            self.filesPerFunction = max(filesPerFunction, 2)
            self.totalBytes = max(totalBytes, 2 * self.fileBytes)
            self.openFiles = max(openFiles, 1)
        }
    }

    private struct File {
        let number: UInt64
        var size: Int
    }

    private final class FunctionFiles {
        let key: FunctionKey
        let folder: String
        var files: [File] = []
        /// Of the last file; -1 while closed.
        var descriptor: Int32 = -1
        /// Rises with every append to any function.
        var lastUse: UInt64 = 0

        init(key: FunctionKey, folder: String) {
            self.key = key
            self.folder = folder
        }
    }

    private let configuration: Configuration
    private let folder: LogFolder
    private var functions: [FunctionKey: FunctionFiles] = [:]
    /// Those with a descriptor; at most `openFiles`.
    private var openFunctions: [FunctionFiles] = []
    private var uses: UInt64 = 0
    private var buffer: [UInt8] = []
    /// Bytes of all files.
    public private(set) var totalBytes = 0

    /// Opens the folder and takes stock of what is there.
    /// - Parameter path: made (0700) if missing; its parent must exist. May be relative to the working directory of now.
    public init(directory path: String, configuration: Configuration = Configuration()) throws(FunctionLogError) {
        self.configuration = configuration
        folder = try LogFolder(path: path)
        try takeStock()
    }

    deinit {
        for state in openFunctions { Glibc.close(state.descriptor) }
        folder.close()
    }

    /// Writes each line of `bytes` as a line of its own, with one system call for up to a file's size.
    ///
    /// The last line need not end in a line feed; streams that arrive in pieces go through `LogLineBuffer`. Lines longer than
    /// 64 KiB (or an eighth of a file) are split.
    /// - Throws: `FunctionLogError`; then none or only the first of the lines are in the log, and each is whole.
    public func append(
        function: FunctionKey, requestID: RequestID?, stream: LogStreamID? = nil, timeMilliseconds: Int64, bytes: UnsafeRawBufferPointer
    ) throws(FunctionLogError) {
        guard !bytes.isEmpty else { return }
        let state = try self.state(of: function)
        let prefix = LogLineFormat.prefix(timeMilliseconds: timeMilliseconds, requestID: requestID, stream: stream)
        let longest = min(64 << 10, configuration.fileBytes / 8)
        buffer.removeAll(keepingCapacity: buffer.capacity <= 256 << 10)
        var position = 0
        while position < bytes.count {
            let rest = bytes[position...]
            let end = rest.prefix(longest + 1).firstIndex(of: UInt8(ascii: "\n"))
            let stop = end ?? min(position + longest, bytes.count)
            let before = buffer.count
            LogLineFormat.append(UnsafeRawBufferPointer(rebasing: bytes[position..<stop]), prefix: prefix, to: &buffer)
            if buffer.count > configuration.fileBytes && before > 0 {
                let line = Array(buffer[before...])
                buffer.removeLast(buffer.count - before)
                try flush(state, timeMilliseconds: timeMilliseconds)
                buffer.append(contentsOf: line)
            }
            position = end.map { $0 + 1 } ?? stop
        }
        try flush(state, timeMilliseconds: timeMilliseconds)
    }

    /// For the platform's own lines.
    public func append(function: FunctionKey, requestID: RequestID?, timeMilliseconds: Int64, text: String) throws(FunctionLogError) {
        let bytes = Array(text.utf8)
        let result: Result<Void, FunctionLogError> = bytes.withUnsafeBytes { bytes in
            do throws(FunctionLogError) {
                try append(function: function, requestID: requestID, timeMilliseconds: timeMilliseconds, bytes: bytes)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Removes the function's log. Nothing happens if there is none.
    public func delete(_ function: FunctionKey) throws(FunctionLogError) {
        guard let state = functions[function] else { return }
        while !state.files.isEmpty { try removeOldest(of: state) }
        forget(state)
    }

    // MARK: Writing

    private func flush(_ state: FunctionFiles, timeMilliseconds: Int64) throws(FunctionLogError) {
        guard !buffer.isEmpty else { return }
        defer { buffer.removeAll(keepingCapacity: true) }
        if let last = state.files.last, last.size > 0, last.size + buffer.count > configuration.fileBytes {
            try begin(state, timeMilliseconds: timeMilliseconds)
        } else if state.files.isEmpty {
            try begin(state, timeMilliseconds: timeMilliseconds)
        } else if state.descriptor < 0 {
            try reopen(state, timeMilliseconds: timeMilliseconds)
        }
        uses += 1
        state.lastUse = uses
        try write(state)
        try trim(keeping: state)
    }

    private func write(_ state: FunctionFiles) throws(FunctionLogError) {
        let last = state.files.count - 1
        var done = 0
        while done < buffer.count {
            let count = buffer.withUnsafeBytes { Glibc.write(state.descriptor, $0.baseAddress! + done, $0.count - done) }
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                let code = count == 0 ? EIO : errno
                ftruncate(state.descriptor, off_t(state.files[last].size))
                throw FunctionLogError("write to log \(path(state, state.files[last].number))", code: code)
            }
        }
        state.files[last].size += buffer.count
        totalBytes += buffer.count
    }

    private func begin(_ state: FunctionFiles, timeMilliseconds: Int64) throws(FunctionLogError) {
        let number = max((state.files.last?.number ?? 0) + 1, UInt64(clamping: timeMilliseconds))
        try folder.makeFolders(for: state.key)
        let name = "\(state.folder)/\(LogFolder.fileName(number))"
        let descriptor = openat(folder.descriptor, name, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FunctionLogError("make log \(folder.path)/\(name)", code: errno) }
        close(state)
        hold(descriptor, of: state)
        state.files.append(File(number: number, size: 0))
        while state.files.count > configuration.filesPerFunction { try removeOldest(of: state) }
    }

    private func reopen(_ state: FunctionFiles, timeMilliseconds: Int64) throws(FunctionLogError) {
        let last = state.files.count - 1
        let name = "\(state.folder)/\(LogFolder.fileName(state.files[last].number))"
        let descriptor = openat(folder.descriptor, name, O_RDWR | O_APPEND | O_CLOEXEC)
        if descriptor < 0 && errno == ENOENT {
            // Somebody tidied up by hand.
            totalBytes -= state.files[last].size
            state.files[last].size = 0
            return try begin(state, timeMilliseconds: timeMilliseconds)
        }
        guard descriptor >= 0 else { throw FunctionLogError("open log \(folder.path)/\(name)", code: errno) }
        hold(descriptor, of: state)
        let size = Int(max(lseek(descriptor, 0, SEEK_END), 0))
        totalBytes += size - state.files[last].size
        state.files[last].size = size
        // A process that died in the middle of a write may have left half a line.
        var byte: UInt8 = 0
        if size > 0, pread(descriptor, &byte, 1, off_t(size - 1)) == 1, byte != UInt8(ascii: "\n") {
            buffer.insert(UInt8(ascii: "\n"), at: 0)
        }
    }

    // MARK: Bounds

    private func trim(keeping current: FunctionFiles) throws(FunctionLogError) {
        while totalBytes > configuration.totalBytes {
            let candidates = functions.values.filter { $0 === current ? $0.files.count > 1 : !$0.files.isEmpty }
            guard let silent = candidates.min(by: { $0.lastUse < $1.lastUse }) else { return }
            try removeOldest(of: silent)
            if silent.files.isEmpty { forget(silent) }
        }
    }

    private func removeOldest(of state: FunctionFiles) throws(FunctionLogError) {
        guard let oldest = state.files.first else { return }
        if state.files.count == 1 { close(state) }
        guard unlinkat(folder.descriptor, "\(state.folder)/\(LogFolder.fileName(oldest.number))", 0) == 0 || errno == ENOENT else {
            throw FunctionLogError("delete log \(path(state, oldest.number))", code: errno)
        }
        state.files.removeFirst()
        totalBytes -= oldest.size
    }

    private func forget(_ state: FunctionFiles) {
        close(state)
        unlinkat(folder.descriptor, state.folder, AT_REMOVEDIR)
        functions[state.key] = nil
    }

    private func hold(_ descriptor: Int32, of state: FunctionFiles) {
        if openFunctions.count >= configuration.openFiles, let idle = openFunctions.min(by: { $0.lastUse < $1.lastUse }) {
            close(idle)
        }
        state.descriptor = descriptor
        openFunctions.append(state)
    }

    private func close(_ state: FunctionFiles) {
        guard state.descriptor >= 0 else { return }
        Glibc.close(state.descriptor)
        state.descriptor = -1
        openFunctions.removeAll { $0 === state }
    }

    // MARK: State

    private func state(of function: FunctionKey) throws(FunctionLogError) -> FunctionFiles {
        if let state = functions[function] { return state }
        let state = FunctionFiles(key: function, folder: try folder.folder(of: function))
        functions[function] = state
        return state
    }

    private func takeStock() throws(FunctionLogError) {
        var found: [(state: FunctionFiles, changed: Int)] = []
        for account in try folder.names(in: ".") {
            for region in try folder.names(in: account) {
                for name in try folder.names(in: "\(account)/\(region)") {
                    let state = try state(of: FunctionKey(account: account, region: region, name: name))
                    var changed = 0
                    for number in try folder.files(in: state.folder) {
                        var status = stat()
                        guard fstatat(folder.descriptor, "\(state.folder)/\(LogFolder.fileName(number))", &status, 0) == 0 else { continue }
                        state.files.append(File(number: number, size: Int(status.st_size)))
                        totalBytes += Int(status.st_size)
                        changed = max(changed, status.st_mtim.tv_sec)
                    }
                    found.append((state, changed))
                }
            }
        }
        for (state, _) in found.sorted(by: { $0.changed < $1.changed }) {
            uses += 1
            state.lastUse = uses
            while state.files.count > configuration.filesPerFunction { try removeOldest(of: state) }
        }
    }

    private func path(_ state: FunctionFiles, _ number: UInt64) -> String {
        "\(folder.path)/\(state.folder)/\(LogFolder.fileName(number))"
    }
}

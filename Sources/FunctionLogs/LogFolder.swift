import FunctionModel
import Glibc

/// The tree `<account>/<region>/<name>/<number>.log`. A file's number is the time of its making in milliseconds, or one more
/// than the number before it, so numbers rise also when a function is deleted and made again.
struct LogFolder {
    let path: String
    let descriptor: Int32

    /// Makes the folder (0700) if it is missing.
    init(path: String) throws(FunctionLogError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw FunctionLogError("make log folder \(path)", code: errno) }
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FunctionLogError("open log folder \(path)", code: errno) }
        self.path = path
    }

    func close() {
        Glibc.close(descriptor)
    }

    /// - Throws: for a key that would leave the folder; keys are validated before they get here.
    func folder(of function: FunctionKey) throws(FunctionLogError) -> String {
        for part in [function.account, function.region, function.name]
        where part.isEmpty || part.hasPrefix(".") || part.utf8.contains(UInt8(ascii: "/")) || part.utf8.contains(0) {
            throw FunctionLogError("name the log folder of \(function): \"\(part)\" is no folder name")
        }
        return "\(function.account)/\(function.region)/\(function.name)"
    }

    static func fileName(_ number: UInt64) -> String { "\(number).log" }

    static func fileNumber(_ name: String) -> UInt64? {
        guard name.hasSuffix(".log"), let number = UInt64(name.dropLast(4)), fileName(number) == name else { return nil }
        return number
    }

    /// The numbers of a function's files, rising; none if there is no folder.
    func files(in folder: String) throws(FunctionLogError) -> [UInt64] {
        try names(in: folder).compactMap(Self.fileNumber).sorted()
    }

    /// - Parameter folder: relative; `.` for the root.
    func names(in folder: String) throws(FunctionLogError) -> [String] {
        let opened = openat(descriptor, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if opened < 0 && (errno == ENOENT || errno == ENOTDIR) { return [] }
        guard opened >= 0, let stream = fdopendir(opened) else {
            throw FunctionLogError("list log folder \(path)/\(folder)", code: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    func makeFolders(for function: FunctionKey) throws(FunctionLogError) {
        for folder in [function.account, "\(function.account)/\(function.region)", try folder(of: function)] {
            guard mkdirat(descriptor, folder, 0o700) == 0 || errno == EEXIST else {
                throw FunctionLogError("make log folder \(path)/\(folder)", code: errno)
            }
        }
    }
}

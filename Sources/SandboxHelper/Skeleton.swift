import CSandbox
import Glibc
import LinuxPrimitives
import Sandbox

/// The read-only roots of sandboxes, one for each runtime: folders, links, a few files, and the empty mount points that
/// the host's runtime folders are bound to. Nothing of /home, /root or /etc beyond what is listed here.
struct Skeletons {
    enum Step {
        case bind(source: String, target: String)
        case package(target: String)
        case layers(target: String)
        /// The sandbox's ephemeral storage.
        case storage(target: String)
        case dev(String)
        case proc(String)
    }

    struct Root {
        let folder: String
        let steps: [Step]
    }

    let base: String
    private(set) var roots: [String: Root] = [:]

    static let tools = """
        arch b2sum base32 base64 basename basenc cat chgrp chmod chown cksum comm cp csplit cut date dd df dir dircolors dirname du
        echo env expand expr factor false fmt fold groups head hostid id install join link ln logname ls md5sum mkdir mkfifo mknod
        mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr printenv printf ptx pwd readlink realpath rm rmdir
        seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee test
        timeout touch tr true truncate tsort tty uname unexpand uniq unlink vdir wc who whoami yes [ dash sh
        """.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)

    /// - Parameter runtimeFiles: the folders mounted as /var/runtime.
    init(base: String, offers: [RuntimeOffer], runtimeFiles: RuntimeFiles) throws {
        self.base = base
        try makeFolders(base + "/mount")
        try makeFolders(base + "/tools")
        for tool in Self.tools {
            let source = ["/usr/bin/", "/bin/"].map { $0 + tool }.first { access($0, X_OK) == 0 }
            if let source, let real = realPath(source), fileKind(real) == .file { try copyFile(real, to: "\(base)/tools/\(tool)") }
        }
        try makeEtc()
        for offer in offers { roots[offer.name] = try makeRoot(offer, runtimeFiles: runtimeFiles.folder(of: offer)) }
    }

    private func makeEtc() throws {
        let etc = base + "/etc"
        try makeFolders(etc + "/ssl/certs")
        try Self.write("sbx_user1051:x:993:990:function:/tmp:/bin/sh\n", to: etc + "/passwd")
        try Self.write("sbx_group:x:990:\n", to: etc + "/group")
        try Self.write("passwd: files\ngroup: files\nhosts: files dns\n", to: etc + "/nsswitch.conf")
        try Self.write("127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n", to: etc + "/hosts")
        try Self.write("", to: etc + "/resolv.conf")
        try Self.write("UTC\n", to: etc + "/timezone")
        for file in ["/etc/ld.so.cache", "/etc/services", "/etc/protocols", "/etc/ssl/openssl.cnf"] where fileKind(file) == .file {
            try copyFile(file, to: base + file, mode: 0o644)
        }
        // The bundle alone, under the names that OpenSSL, curl and Go look for.
        let bundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"]
        if let bundle = bundles.first(where: { access($0, R_OK) == 0 }) {
            try copyFile(bundle, to: etc + "/ssl/certs/ca-certificates.crt", mode: 0o644)
            symlink("certs/ca-certificates.crt", etc + "/ssl/cert.pem")
            try makeFolders(etc + "/pki/tls/certs")
            for link in ["cert.pem", "certs/ca-bundle.crt"] { symlink("/etc/ssl/certs/ca-certificates.crt", "\(etc)/pki/tls/\(link)") }
        }
        symlink("/usr/share/zoneinfo/UTC", etc + "/localtime")
    }

    private func makeRoot(_ offer: RuntimeOffer, runtimeFiles: String) throws -> Root {
        let root = "\(base)/roots/\(offer.name)"
        var steps: [Step] = []
        for folder in ["usr/bin", "usr/lib", "usr/share", "var/task/lib", "var/runtime", "tmp", "proc", "dev", "opt/lib"] { try makeFolders("\(root)/\(folder)") }
        symlink("usr/bin", root + "/bin")
        symlink("usr/lib", root + "/lib")
        try Self.hardlink(base + "/tools", to: root + "/usr/bin")
        try Self.hardlink(base + "/etc", to: root + "/etc")

        func bindFolder(_ path: String) throws {
            guard fileKind(path) == .folder else { return }
            try makeFolders(root + path)
            steps.append(.bind(source: path, target: String(path.dropFirst())))
        }
        func bindFile(_ path: String) throws {
            guard let slash = path.lastIndex(of: "/") else { return }
            try makeFolders(root + path[..<slash])
            try Self.write("", to: root + path, mode: 0o755)
            steps.append(.bind(source: path, target: String(path.dropFirst())))
        }
        // The C library: in the multiarch folder with a link for the loader (Debian), else the whole of lib64.
        let multiarch = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"].first { fileKind($0) == .folder }
        if let multiarch {
            try bindFolder(multiarch)
            for (folder, loader) in [("usr/lib64", "ld-linux-x86-64.so.2"), ("usr/lib", "ld-linux-aarch64.so.1")] {
                let name = loader
                guard let real = realPath("/\(folder)/\(name)"), fileKind("/\(folder)/\(name)") == .file else { continue }
                try makeFolders("\(root)/\(folder)")
                symlink(real, "\(root)/\(folder)/\(name)")
            }
        } else {
            try bindFolder("/usr/lib64")
        }
        // Where Debian's OpenSSL looks; its own folder has certificates under hashed names, which are not copied.
        try makeFolders(root + "/usr/lib/ssl")
        for (link, target) in [("cert.pem", "certs/ca-certificates.crt"), ("certs", "certs"), ("openssl.cnf", "openssl.cnf")] {
            symlink("/etc/ssl/" + target, "\(root)/usr/lib/ssl/\(link)")
        }
        if fileKind("/lib64") != nil { symlink("usr/lib64", root + "/lib64") }
        try bindFolder("/usr/share/zoneinfo")

        if offer.name == "provided" {
            try bindFile("/usr/bin/curl")
        } else if offer.name.hasPrefix("nodejs") {
            // One executable, which has its library within.
            try bindFile(offer.interpreter)
        } else if !offer.prefix.isEmpty {
            try bindFolder(offer.prefix)
        } else {
            try bindFile(offer.interpreter)
            let lib = offer.interpreter.replacing("/bin/", with: "/lib/")
            try bindFolder(lib)
            for library in entries(of: "/usr/local/lib") where library.hasPrefix("libpython") { try bindFile("/usr/local/lib/" + library) }
        }
        // What scripts call it; a function's own subprocesses run the same one.
        if offer.name.hasPrefix("python") { symlink(offer.interpreter, root + "/usr/bin/python3") }
        if offer.name.hasPrefix("nodejs") { symlink(offer.interpreter, root + "/usr/bin/node") }
        steps.append(.bind(source: runtimeFiles, target: "var/runtime"))
        return Root(folder: root, steps: steps)
    }

    static func write(_ text: String, to path: String, mode: mode_t = 0o644) throws {
        let fd = try check("creating \(path)") { open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode) }
        defer { close(fd) }
        let bytes = Array(text.utf8)
        try check("writing \(path)") { bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) } }
    }

    private static func hardlink(_ source: String, to target: String) throws {
        try makeFolders(target)
        for name in entries(of: source) {
            let from = "\(source)/\(name)", to = "\(target)/\(name)"
            switch fileKind(from, followLinks: false) {
            case .folder: try hardlink(from, to: to)
            case .link: if let text = readLink(from) { symlink(text, to) }
            default: try check("linking \(to)") { link(from, to) == 0 || errno == EEXIST ? 0 : -1 }
            }
        }
    }

    private static func readLink(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let n = readlink(path, &buffer, buffer.count - 1)
        return n < 0 ? nil : String(decoding: buffer[0..<n].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension String {
    fileprivate func replacing(_ part: String, with other: String) -> String {
        guard let range = utf8Range(of: part) else { return self }
        return String(self[..<range.lowerBound]) + other + String(self[range.upperBound...])
    }

    private func utf8Range(of part: String) -> Range<String.Index>? {
        var at = startIndex
        while at < endIndex {
            if self[at...].hasPrefix(part) { return at..<index(at, offsetBy: part.count) }
            at = index(after: at)
        }
        return nil
    }
}

internal import Glibc

/// Where a verb writes: answers to stdout, everything said about them to stderr.
enum Terminal {
    static let outputIsTerminal = isatty(1) == 1
    static let errorIsTerminal = isatty(2) == 1
    /// Whether a person can be asked.
    static let inputIsTerminal = isatty(0) == 1
    /// Columns of the terminal; 100 where there is none.
    static var width: Int {
        var size = winsize()
        return ioctl(2, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 100
    }

    static func print(_ text: String) { write(Array((text + "\n").utf8), to: 1) }
    static func printBytes(_ bytes: [UInt8]) { write(bytes, to: 1) }
    static func printError(_ text: String) { write(Array((text + "\n").utf8), to: 2) }
    static func printErrorRaw(_ text: String) { write(Array(text.utf8), to: 2) }

    private static func write(_ bytes: [UInt8], to descriptor: CInt) {
        bytes.withUnsafeBytes { all in
            var rest = all[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0 {
                    if errno == EINTR { continue }
                    // The reader has gone (`martlet logs | head`): nobody is left to tell.
                    exit(errno == EPIPE ? 0 : 1)
                }
                rest = rest.dropFirst(count)
            }
        }
    }
}

/// Colour for what is read by a person; plain text when it goes anywhere but to a terminal, or with `NO_COLOR`.
struct Style: Sendable {
    let isOn: Bool

    init(isTerminal: Bool, environment: [String: String]) {
        isOn = isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }

    func bold(_ text: String) -> String { wrap(text, "1") }
    func dim(_ text: String) -> String { wrap(text, "2") }
    func red(_ text: String) -> String { wrap(text, "31") }
    func green(_ text: String) -> String { wrap(text, "32") }
    func yellow(_ text: String) -> String { wrap(text, "33") }
    func cyan(_ text: String) -> String { wrap(text, "36") }

    private func wrap(_ text: String, _ code: String) -> String { isOn && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}

/// What is being done right now: one line that replaces itself, on a terminal only.
struct Progress: Sendable {
    let isOn: Bool

    func show(_ text: String) {
        guard isOn else { return }
        Terminal.printErrorRaw("\r\u{1B}[K\(text.prefix(max(10, Terminal.width - 1)))")
    }

    func clear() { if isOn { Terminal.printErrorRaw("\r\u{1B}[K") } }
}

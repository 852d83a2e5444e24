import Glibc
import LinuxPrimitives

signal(SIGPIPE, SIG_IGN)
// Ctrl-C in the terminal goes to the whole group; the supervisor alone decides when this process ends.
signal(SIGINT, SIG_IGN)
signal(SIGTERM, SIG_IGN)
/// Says what failed and ends: 78 tells the supervisor that it will not be better next time.
func fail(_ error: any Error, status: Int32) -> Never {
    let text = Array("martlet-sandbox: \(error)\n".utf8)
    _ = text.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    exit(status)
}

let helper: Helper
do { helper = try Helper(try Arguments(CommandLine.arguments)) } catch { fail(error, status: 78) }
do {
    try helper.run()
    helper.tearDown()
} catch {
    helper.tearDown()
    // A server that is gone shows in whatever is sent or received next.
    if let error = error as? LinuxError, error.number == EPIPE || error.number == ECONNRESET { exit(0) }
    fail(error, status: 1)
}

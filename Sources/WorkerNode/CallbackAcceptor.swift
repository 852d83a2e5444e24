import CChild
import Glibc
import LinuxPrimitives
import NIOCore

/// Watches the listeners of all sandboxes for connections. There is one for each network namespace, most are never used, and
/// a channel for each would cost the loop more than the copy that it is for: one thread sleeps over all of them.
final class CallbackAcceptor: Sendable {
    private let poller: Int32
    private let loop: any EventLoop

    /// - Parameter called: on the loop, with the tag of a listener that has connections.
    init(loop: any EventLoop, called: @escaping @Sendable (UInt64) -> Void) throws {
        let poller = try check("making an epoll descriptor") { epoll_create1(Int32(EPOLL_CLOEXEC)) }
        self.poller = poller
        self.loop = loop
        let body = ThreadBody {
            var events = [epoll_event](repeating: epoll_event(), count: 64)
            while true {
                let count = epoll_wait(poller, &events, Int32(events.count), -1)
                guard count >= 0 || errno == EINTR else { return }
                let tags = events.prefix(Int(max(0, count))).map(\.data.u64)
                if !tags.isEmpty { loop.execute { for tag in tags { called(tag) } } }
            }
        }
        var thread = pthread_t()
        let result = pthread_create(&thread, nil, runThreadBody, Unmanaged.passRetained(body).toOpaque())
        if result != 0 { throw LinuxError("starting the thread that watches for calls of functions", result) }
        pthread_detach(thread)
    }

    /// Told once for each burst of connections, and no more once the listener is closed.
    func watch(_ listener: Int32, tag: UInt64) -> Bool {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | EPOLLET.rawValue
        event.data.u64 = tag
        return epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) == 0
    }
}

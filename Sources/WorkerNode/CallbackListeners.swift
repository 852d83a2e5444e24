import Glibc

/// The sockets on which the processes of one sandbox find the server: one in each of its network namespaces, and who lives
/// there now. Confined to the loop.
///
/// A namespace in which a connection was made is not used again, so a connection can only be of the one that lives or last
/// lived there.
struct CallbackListeners {
    private var listeners: [UInt32: Int32] = [:]
    /// Slot by number of the namespace.
    private var slots: [UInt32: UInt32] = [:]
    private var namespaces: [UInt32: UInt32] = [:]
    /// Have connections, and nobody has said yet who lives there.
    private var early: Set<UInt32> = []

    mutating func add(_ listener: Int32, of namespace: UInt32) {
        if let other = listeners.updateValue(listener, forKey: namespace) { close(other) }
    }

    mutating func remove(_ namespace: UInt32) {
        early.remove(namespace)
        if let listener = listeners.removeValue(forKey: namespace) { close(listener) }
    }

    /// - Returns: whether connections wait already.
    mutating func began(in namespace: UInt32, slot: UInt32) -> Bool {
        guard namespace != 0 else { return false }
        slots[namespace] = slot
        namespaces[slot] = namespace
        return !early.isEmpty && early.remove(namespace) != nil
    }

    mutating func ended(slot: UInt32) {
        if let namespace = namespaces.removeValue(forKey: slot) { slots[namespace] = nil }
    }

    /// The connections that wait, with the slot of whose they are; they are the receiver's to close.
    mutating func take(from namespace: UInt32) -> (slot: UInt32, sockets: [Int32])? {
        guard let listener = listeners[namespace] else { return nil }
        guard let slot = slots[namespace] else {
            early.insert(namespace)
            return nil
        }
        var sockets: [Int32] = []
        while true {
            let socket = accept(listener, nil, nil)
            if socket >= 0 {
                _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
                sockets.append(socket)
            } else if errno != EINTR && errno != ECONNABORTED {
                return (slot, sockets)
            }
        }
    }

    mutating func closeAll() {
        for listener in listeners.values { close(listener) }
        self = CallbackListeners()
    }
}

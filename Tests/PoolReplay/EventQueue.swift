/// What is to happen, the earliest first; of two at the same moment the one that was added first.
struct EventQueue<Event> {
    private struct Entry {
        let at: UInt64
        let number: UInt64
        let event: Event
    }

    private var heap: [Entry] = []
    private var added: UInt64 = 0

    var first: UInt64? { heap.first?.at }

    mutating func add(_ event: Event, at: UInt64) {
        added += 1
        var child = heap.count
        let entry = Entry(at: at, number: added, event: event)
        heap.append(entry)
        while child > 0 {
            let parent = (child - 1) / 2
            guard Self.precedes(entry, heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    mutating func removeFirst() -> (at: UInt64, event: Event)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            var parent = 0
            while true {
                var child = 2 * parent + 1
                guard child < heap.count else { break }
                if child + 1 < heap.count, Self.precedes(heap[child + 1], heap[child]) { child += 1 }
                guard Self.precedes(heap[child], last) else { break }
                heap[parent] = heap[child]
                parent = child
            }
            heap[parent] = last
        }
        return (first.at, first.event)
    }

    private static func precedes(_ a: Entry, _ b: Entry) -> Bool { a.at < b.at || a.at == b.at && a.number < b.number }
}

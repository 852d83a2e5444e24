/// Slots with stable keys and one doubly linked list through some of them.
///
/// Insert, remove, link and unlink take constant time and, once the slab has reached its peak size, allocate nothing.
/// A key names a slot and its generation, so a key that was removed never finds the slot's next tenant.
struct Slab<Element> {
    private static var none: UInt32 { .max }

    private struct Slot {
        var element: Element?
        /// 1…2³¹−1, so that a key is never 0 and its top bit is free for the owner's use.
        var generation: UInt32
        var previous: UInt32
        /// Also links the free slots.
        var next: UInt32
        var isLinked: Bool
    }

    private var slots: [Slot] = []
    private var firstFree = Self.none
    private var head = Self.none
    private var tail = Self.none
    private(set) var count = 0
    private(set) var linkedCount = 0

    /// One past the highest slot ever used; for the rare walks over everything.
    var slotCount: Int { slots.count }

    mutating func insert(_ element: Element) -> UInt64 {
        count += 1
        guard firstFree != Self.none else {
            slots.append(Slot(element: element, generation: 1, previous: Self.none, next: Self.none, isLinked: false))
            return 1 << 32 | UInt64(slots.count - 1)
        }
        let index = Int(firstFree)
        firstFree = slots[index].next
        slots[index].element = element
        slots[index].next = Self.none
        return key(at: index)
    }

    func index(of key: UInt64) -> Int? {
        let index = Int(key & 0xFFFF_FFFF)
        guard index < slots.count, slots[index].element != nil, UInt64(slots[index].generation) == key >> 32 else { return nil }
        return index
    }

    func key(at index: Int) -> UInt64 { UInt64(slots[index].generation) << 32 | UInt64(index) }

    func isOccupied(_ index: Int) -> Bool { slots[index].element != nil }

    /// The slot must be occupied.
    subscript(index: Int) -> Element {
        get { slots[index].element.unsafelyUnwrapped }
        _modify { yield &slots[index].element! }
    }

    mutating func remove(_ index: Int) {
        unlink(index)
        slots[index].element = nil
        slots[index].generation = slots[index].generation == 0x7FFF_FFFF ? 1 : slots[index].generation + 1
        slots[index].next = firstFree
        firstFree = UInt32(index)
        count -= 1
    }

    var first: Int? { head == Self.none ? nil : Int(head) }
    var last: Int? { tail == Self.none ? nil : Int(tail) }
    func next(after index: Int) -> Int? { slots[index].next == Self.none ? nil : Int(slots[index].next) }

    mutating func linkLast(_ index: Int) {
        guard !slots[index].isLinked else { return }
        slots[index].isLinked = true
        slots[index].previous = tail
        slots[index].next = Self.none
        if tail == Self.none { head = UInt32(index) } else { slots[Int(tail)].next = UInt32(index) }
        tail = UInt32(index)
        linkedCount += 1
    }

    mutating func unlink(_ index: Int) {
        guard slots[index].isLinked else { return }
        let (previous, next) = (slots[index].previous, slots[index].next)
        if previous == Self.none { head = next } else { slots[Int(previous)].next = next }
        if next == Self.none { tail = previous } else { slots[Int(next)].previous = previous }
        slots[index].isLinked = false
        slots[index].previous = Self.none
        slots[index].next = Self.none
        linkedCount -= 1
    }
}

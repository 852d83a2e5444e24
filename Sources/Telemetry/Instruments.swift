import Synchronization

/// A number that only rises. Safe from any thread; an increment costs one atomic addition.
public final class Counter: Sendable {
    private let cell = Atomic<UInt64>(0)

    init() {}

    public func increment(by amount: UInt64 = 1) { cell.wrappingAdd(amount, ordering: .relaxed) }
    public var value: UInt64 { cell.load(ordering: .relaxed) }
    /// For a count that is kept elsewhere; one that is behind changes nothing.
    public func advance(to value: UInt64) { cell.max(value, ordering: .relaxed) }
}

/// A number that rises and falls. Safe from any thread. Where several owners share one series (`other`), `add` is right
/// and `set` shows the last one's.
public final class Gauge: Sendable {
    private let cell = Atomic<Int64>(0)

    init() {}

    public func set(_ value: Int) { cell.store(Int64(value), ordering: .relaxed) }
    public func add(_ amount: Int) { cell.wrappingAdd(Int64(amount), ordering: .relaxed) }
    public var value: Int64 { cell.load(ordering: .relaxed) }
}

/// How often a duration fell below each of some fixed bounds. Safe from any thread; an observation costs two atomic
/// additions. Kept in whole microseconds, so that sums are exact; shown in seconds.
public final class Histogram: Sendable {
    /// Upper bounds in microseconds, rising; the last bucket has none.
    let bounds: [UInt64]
    // SAFETY: allocated once with one cell more than `bounds`, never reassigned, freed with the last reference; the cells
    // are atomics.
    private nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<UInt64>>
    private let sum = Atomic<UInt64>(0)

    init(bounds: [UInt64]) {
        self.bounds = bounds
        cells = .allocate(capacity: bounds.count + 1)
        for index in 0...bounds.count { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit {
        cells.deinitialize(count: bounds.count + 1)
        cells.deallocate()
    }

    public func observe(microseconds: UInt64) {
        var index = 0
        while index < bounds.count, microseconds > bounds[index] { index += 1 }
        cells[index].wrappingAdd(1, ordering: .relaxed)
        sum.wrappingAdd(microseconds, ordering: .relaxed)
    }

    /// One count per bound and one for what is above all; not cumulative.
    var counts: [UInt64] { (0...bounds.count).map { cells[$0].load(ordering: .relaxed) } }
    var sumMicroseconds: UInt64 { sum.load(ordering: .relaxed) }
}

/// Who of a range of addresses is taken. An address that was used is not given again before the connections of its last
/// owner are forgotten; pure, and numbers count from the begin of the range.
public struct AddressRing: Sendable {
    private enum State: UInt8 { case free, taken, retired }

    /// Beside the first, the second (the gateway's) and the last.
    public let count: UInt32
    /// Most that are taken at one time.
    public let limit: Int
    private var states: [State]
    private var next: UInt32
    public private(set) var takenCount = 0
    public private(set) var retiredCount: Int

    /// Nothing is known of an earlier owner, so all count as used.
    /// - Parameter start: where to begin, so that servers beside each other do not meet.
    public init(count: UInt32, limit: Int, start: UInt32) {
        self.count = count
        self.limit = limit
        states = [State](repeating: .retired, count: Int(count))
        retiredCount = Int(count)
        next = count > 3 ? 2 + start % (count - 3) : 0
    }

    /// nil where none is free.
    public mutating func take() -> UInt32? {
        guard count > 3, takenCount < limit else { return nil }
        for _ in 0..<count - 3 {
            let number = next
            next = next + 1 < count - 1 ? next + 1 : 2
            guard states[Int(number)] == .free else { continue }
            states[Int(number)] = .taken
            takenCount += 1
            return number
        }
        return nil
    }

    /// Its owner is gone, or never was.
    public mutating func retire(_ number: UInt32) {
        guard number < count, states[Int(number)] == .taken else { return }
        states[Int(number)] = .retired
        takenCount -= 1
        retiredCount += 1
    }

    /// Retires all that are taken but these.
    public mutating func retire(except living: Set<UInt32>) {
        for number in 0..<count where states[Int(number)] == .taken && !living.contains(number) { retire(number) }
    }

    /// Somebody else of the same range had it until now.
    public mutating func suspect(_ number: UInt32) {
        guard number < count, states[Int(number)] == .free else { return }
        states[Int(number)] = .retired
        retiredCount += 1
    }

    /// It is not known whom somebody else had.
    public mutating func suspectAll() {
        for number in 0..<count { suspect(number) }
    }

    /// Numbers whose connections are to be forgotten, one byte each.
    public var retired: [UInt8] { states.map { $0 == .retired ? 1 : 0 } }

    /// They are forgotten, but for those who live at somebody else's.
    public mutating func release(except living: Set<UInt32> = []) {
        for number in 0..<count where states[Int(number)] == .retired && !living.contains(number) {
            states[Int(number)] = .free
            retiredCount -= 1
        }
    }
}

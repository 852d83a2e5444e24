import Sandbox
import Testing

struct AddressRingTests {
    @Test func givesNoAddressWhoseLastOwnersConnectionsMayLive() throws {
        var ring = AddressRing(count: 16, limit: 100, start: 5)
        #expect(ring.take() == nil, "nothing is known of who had them before")
        ring.release()
        let numbers = (0..<13).compactMap { _ in ring.take() }
        #expect(Set(numbers) == Set(2...14), "neither the network's, the gateway's nor the broadcast address")
        #expect(ring.take() == nil)
        ring.retire(numbers[0])
        ring.retire(numbers[0])
        #expect(ring.take() == nil && ring.retiredCount == 1)
        #expect(ring.retired.enumerated().filter { $0.element == 1 }.map(\.offset) == [Int(numbers[0])])
        ring.release()
        #expect(ring.take() == numbers[0] && ring.takenCount == 13)
    }

    @Test func goesRound() {
        var ring = AddressRing(count: 64, limit: 100, start: 0)
        ring.release()
        var last: UInt32?
        for _ in 0..<50 {
            let number = ring.take()
            #expect(number != nil && number != last)
            number.map { ring.retire($0) }
            ring.release()
            last = number
        }
    }

    @Test func whatAnotherServerHasIsNotGivenBeforeItIsGoneAndForgotten() throws {
        var ring = AddressRing(count: 16, limit: 100, start: 0)
        ring.release(except: [5, 99])
        #expect(ring.retiredCount == 1)
        let numbers = Set((0..<13).compactMap { _ in ring.take() })
        #expect(numbers == Set(2...14).subtracting([5]))
        ring.release()
        #expect(ring.take() == 5)
    }

    @Test func whoWasAnothersUntilNowWaits() {
        var ring = AddressRing(count: 16, limit: 100, start: 0)
        ring.release()
        ring.suspect(3)
        ring.suspect(99)
        #expect(ring.retiredCount == 1 && (0..<13).compactMap { _ in ring.take() }.contains(3) == false)
        ring.suspect(4)
        #expect(ring.retiredCount == 1 && ring.takenCount == 12, "taken stays taken")
        ring.retire(4)
        ring.release()
        ring.suspectAll()
        #expect(ring.take() == nil && ring.takenCount == 11)
    }

    @Test func keepsItsBound() {
        var ring = AddressRing(count: 1_024, limit: 3, start: 7)
        ring.release()
        let numbers = (0..<5).compactMap { _ in ring.take() }
        #expect(numbers.count == 3)
        ring.retire(except: [numbers[1]])
        #expect(ring.takenCount == 1 && ring.retiredCount == 2)
        ring.retire(numbers[1] + 1_000_000)
    }

    @Test(arguments: [0, 1, 2, 3]) func hasNothingToGiveWhereThereIsNoRoom(_ count: UInt32) {
        var ring = AddressRing(count: count, limit: 10, start: 3)
        ring.release()
        #expect(ring.take() == nil)
    }
}

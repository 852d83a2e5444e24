import Sandbox
import Testing

struct AllowanceTests {
    @Test func allowsSomeAtOnceAndThenOneForEachInterval() {
        var allowance = Allowance(burst: 3, interval: 100)
        #expect((0..<5).map { _ in allowance.take(at: 10_000) } == [true, true, true, false, false])
        #expect(allowance.wait(at: 10_000) == 100 && allowance.wait(at: 10_060) == 40)
        #expect(!allowance.take(at: 10_099) && allowance.take(at: 10_100) && !allowance.take(at: 10_100))
    }

    @Test func savesNoMoreThanItsBurst() {
        var allowance = Allowance(burst: 2, interval: 100)
        #expect(allowance.wait(at: 0) == 0)
        #expect((0..<4).map { _ in allowance.take(at: 1_000_000) } == [true, true, false, false])
        #expect((0..<3).map { _ in allowance.take(at: 1_000_250) } == [true, true, false])
    }
}

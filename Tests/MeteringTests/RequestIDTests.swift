import FunctionModel
import Testing

@Suite struct RequestIDTests {
    /// Indexes by ID grow at one end because of it.
    @Test func laterOnesSortBehindEarlierOnes() {
        var generator = SystemRandomNumberGenerator()
        let ids = (0..<2_000).map { RequestID.random(using: &generator, at: 1_795_249_257_123 + $0) }
        #expect(ids.map(\.description) == ids.map(\.description).sorted())
        #expect(ids.map(\.high) == ids.map(\.high).sorted())
    }

    @Test func theFormIsThatOfLambdasAndComesBackFromItsText() throws {
        var generator = SystemRandomNumberGenerator()
        for time: Int64 in [0, 1_795_249_257_123, (1 << 48) - 1, .max] {
            let id = RequestID.random(using: &generator, at: time)
            let text = Array(id.description)
            #expect(text.count == 36 && text[14] == "4" && "89ab".contains(text[19]))
            #expect(RequestID(id.description) == id)
        }
    }

    @Test func thoseOfOneMomentDiffer() {
        var generator = SystemRandomNumberGenerator()
        #expect(Set((0..<10_000).map { _ in RequestID.random(using: &generator, at: 1) }).count == 10_000)
    }
}

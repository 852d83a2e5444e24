import Sandbox
import Testing

struct EgressRecordTests {
    private let record = EgressRecord(instance: "fe00-12", namespace: 4_026_531_840, opened: ["lan0", "up0"])

    @Test func isReadAsItWasWritten() {
        #expect(EgressRecord(record.text) == record)
        let nothing = EgressRecord(instance: "a", namespace: 1, opened: [])
        #expect(EgressRecord(nothing.text) == nothing)
    }

    @Test func whatWasNotWrittenWhollyDoesNotCount() {
        #expect(EgressRecord(String(record.text.dropLast()))?.opened == ["lan0"])
        #expect(EgressRecord(String(record.text.prefix(20))) == nil)
    }

    @Test(arguments: ["", "\n", "eth0\n", "namespace 1\n", "instance a\n", "instance a\nnamespace x\n", "instance a\nnamespace 1\nother b\n"])
    func anythingElseIsNone(_ text: String) { #expect(EgressRecord(text) == nil) }
}

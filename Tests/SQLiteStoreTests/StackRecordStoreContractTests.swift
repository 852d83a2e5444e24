import FunctionModel
import SQLiteStore
import StackRecords
import Testing

/// What every `StackRecordStore` promises, with two instances over one file.
@Suite struct StackRecordStoreContractTests {
    private let temporary: TemporaryFolder
    private let one: any StackRecordStore
    private let other: any StackRecordStore
    private let account = "123456789012"
    private let region = "us-east-1"

    init() async throws {
        temporary = try TemporaryFolder()
        one = try await SQLiteStore.open(path: temporary.database)
        other = try await SQLiteStore.open(path: temporary.database)
    }

    private func record(_ name: String, _ revision: Int, account: String? = nil) -> StackRecord {
        StackRecord(account: account ?? self.account, region: region, name: name, revision: revision, document: #"{"ä":"'x'"}"#, modified: 5)
    }

    @Test func recordsComeBackInTheOrderOfTheirNames() async throws {
        for name in ["b", "a"] { #expect(try await one.save(record(name, 1))) }
        #expect(try await one.save(record("a", 1, account: "999999999999")))
        #expect(try await other.stackRecords(account: account, region: region) == [record("a", 1), record("b", 1)])
        #expect(try await other.stackRecord("a", account: account, region: region) == record("a", 1))
        #expect(try await other.stackRecord("a", account: account, region: "eu-west-1") == nil)
    }

    /// Of two who have seen the same record, one changes it.
    @Test func aRecordIsChangedByWhoHasSeenIt() async throws {
        #expect(try await one.save(record("s", 1)))
        #expect(try await !other.save(record("s", 1)))
        #expect(try await other.save(record("s", 2)))
        #expect(try await !one.save(record("s", 2)))
        #expect(try await !one.save(record("new", 2)))
        #expect(try await !one.deleteStackRecord("s", account: account, region: region, revision: 1))
        #expect(try await one.deleteStackRecord("s", account: account, region: region, revision: 2))
        #expect(try await other.stackRecords(account: account, region: region).isEmpty)
    }

    @Test(arguments: ["", "1a", "-a", "a b", "a/b", "ä", String(repeating: "a", count: 129)])
    func namesAreChecked(_ name: String) { #expect(throws: ServiceError.self) { try StackRecord.check(name: name) } }
}

import Auditing
import FunctionModel
import Glibc
import Testing

@Suite struct AuditLogTests {
    private let folder = "/tmp/martlet-audit-\(UInt64.random(in: 0...UInt64.max))"

    private func entry(_ number: Int, account: String = "111122223333", resource: String = "hello") -> AuditEntry {
        AuditEntry(
            time: Int64(number) * 1_000, requestID: RequestID(high: 1, low: UInt64(number)), account: account, region: "us-east-1",
            accessKeyID: "AKIA", sourceAddress: "127.0.0.1", operation: "CreateFunction", resource: resource, status: 201,
            error: number.isMultiple(of: 2) ? "ResourceConflictException" : nil)
    }

    @Test func whatWasRecordedIsReadByAnotherInOrder() async throws {
        defer { system("rm -rf \(folder)") }
        let log = try AuditLog(folder: folder, maximumBytes: 1 << 20)
        let entries = (1...500).map { entry($0, account: $0.isMultiple(of: 3) ? "3" : "1", resource: "a\n\"\($0)") }
        for entry in entries { try await log.record(entry) }
        let next = try AuditLog(folder: folder, maximumBytes: 1 << 20)
        #expect(try await next.newest(1_000) == entries)
        #expect(try await next.newest(7) == Array(entries.suffix(7)))
        #expect(try await next.newest(1_000, since: 490_000) == Array(entries.suffix(11)))
        #expect(try await next.newest(5, account: "3").map(\.time) == [486_000, 489_000, 492_000, 495_000, 498_000])
    }

    @Test func theOldestGoWhenTheSpaceIsFull() async throws {
        defer { system("rm -rf \(folder)") }
        let log = try AuditLog(folder: folder, maximumBytes: 64 << 10)
        for number in 1...2_000 { try await log.record(entry(number)) }
        let kept = try await log.newest(10_000)
        #expect(kept.last == entry(2_000) && kept.count > 100 && kept.count < 2_000)
        #expect(kept.map(\.time) == kept.map(\.time).sorted() && Set(kept.map(\.time)).count == kept.count)
        var bytes = 0
        for name in ["audit.log", "audit.log.1"] {
            var info = stat()
            #expect(stat("\(folder)/\(name)", &info) == 0 && info.st_mode & 0o077 == 0)
            bytes += Int(info.st_size)
        }
        #expect(bytes <= 64 << 10)
    }

    @Test func aLineThatACrashCutShortIsPassedOver() async throws {
        defer { system("rm -rf \(folder)") }
        let log = try AuditLog(folder: folder, maximumBytes: 1 << 20)
        try await log.record(entry(1))
        try await log.record(entry(2))
        var info = stat()
        #expect(stat("\(folder)/audit.log", &info) == 0)
        #expect(truncate("\(folder)/audit.log", info.st_size - 20) == 0)
        let next = try AuditLog(folder: folder, maximumBytes: 1 << 20)
        try await next.record(entry(3))
        #expect(try await next.newest(10) == [entry(1), entry(3)])
    }

    @Test func onlyWhatChangesSomethingIsCovered() {
        #expect(AuditScope.covers(method: "POST", operation: "CreateFunction"))
        #expect(AuditScope.covers(method: "POST", operation: "CreateQueue"))
        #expect(AuditScope.covers(method: "DELETE", operation: nil))
        #expect(AuditScope.covers(method: "GET", operation: "CreateQueue"))
        #expect(!AuditScope.covers(method: "GET", operation: nil))
        #expect(AuditScope.covers(method: "POST", operation: ""))
        #expect(AuditScope.covers(method: "GET", operation: "Nonsense"))
        #expect(!AuditScope.covers(method: "GET", operation: "ListFunctions"))
        #expect(!AuditScope.covers(method: "POST", operation: "ListQueues"))
        #expect(!AuditScope.covers(method: "POST", operation: "SendMessage"))
        #expect(!AuditScope.covers(method: "POST", operation: "PutEvents"))
    }
}

import DurableQueue
import Foundation
import FunctionModel
import JSONValues
import SQLiteStore
import Synchronization
import Testing

@testable import SQSAPI

/// A service over a store of its own, with a clock that the test moves.
private final class World: Sendable {
    let service: SQSService
    let store: SQLiteQueueStore
    private let clock: Clock
    private let folder: URL

    final class Clock: Sendable {
        let time = Mutex<Int64>(1_795_000_000_000)
    }

    init() async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("sqs-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var limits = QueueLimits()
        limits.messageBytes = 5 << 19
        store = try await SQLiteQueueStore.open(path: folder.appendingPathComponent("queues.db").path, limits: limits)
        let clock = Clock()
        self.clock = clock
        service = SQSService(store: store, configuration: .init(baseURL: "http://h:1"), now: { clock.time.withLock { $0 } })
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func pass(_ seconds: Int64) { clock.time.withLock { $0 += seconds * 1000 } }

    @discardableResult
    func call(_ action: String, _ json: String, account: String = "123456789012") async throws -> JSON {
        try await service.perform(action, Members(JSON(parsing: json)), .init(account: account, region: "us-east-1"))
    }

    /// - Returns: the queue's URL as a JSON member.
    func queue(_ name: String, _ attributes: String = "{}") async throws -> String {
        let url = try await call("CreateQueue", "{\"QueueName\":\"\(name)\",\"Attributes\":\(attributes)}")["QueueUrl"]?.string ?? ""
        return "\"QueueUrl\":\"\(url)\""
    }

    func receive(_ queue: String, _ more: String = "") async throws -> [JSON] {
        try await call("ReceiveMessage", "{\(queue),\"MaxNumberOfMessages\":10,\"MessageSystemAttributeNames\":[\"All\"]\(more)}")["Messages"]?.array ?? []
    }

    func failure(_ action: String, _ json: String, account: String = "123456789012") async -> SQSError.Kind? {
        do {
            try await call(action, json, account: account)
            return nil
        } catch {
            return (error as? SQSError)?.kind
        }
    }
}

@Suite struct ServiceTests {
    private let deadLetters = #""deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:dead""#

    @Test func messageIsHiddenUntilItsTimeoutAndGoneWhenDeleted() async throws {
        let world = try await World()
        let queue = try await world.queue("q", #"{"VisibilityTimeout":"20"}"#)
        try await world.call("SendMessage", "{\(queue),\"MessageBody\":\"one\"}")
        let first = try await world.receive(queue)
        #expect(first.first?["Body"]?.string == "one")
        #expect(try await world.receive(queue).isEmpty)
        world.pass(20)
        let second = try await world.receive(queue)
        #expect(second.first?["Attributes"]?["ApproximateReceiveCount"]?.string == "2")
        #expect(second.first?["MessageId"] == first.first?["MessageId"])
        let handle = second.first?["ReceiptHandle"]?.string ?? ""
        try await world.call("ChangeMessageVisibility", "{\(queue),\"ReceiptHandle\":\"\(handle)\",\"VisibilityTimeout\":100}")
        world.pass(99)
        #expect(try await world.receive(queue).isEmpty)
        try await world.call("DeleteMessage", "{\(queue),\"ReceiptHandle\":\"\(handle)\"}")
        world.pass(1000)
        #expect(try await world.receive(queue).isEmpty)
        #expect(await world.failure("ChangeMessageVisibility", "{\(queue),\"ReceiptHandle\":\"\(handle)\",\"VisibilityTimeout\":1}") == .messageNotInflight)
    }

    @Test func dropsDelaysAndDeadLetters() async throws {
        let world = try await World()
        let dead = try await world.queue("dead")
        let queue = try await world.queue(
            "q", #"{"DelaySeconds":"5","VisibilityTimeout":"1","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":2}"}"#)
        try await world.call("SendMessage", "{\(queue),\"MessageBody\":\"poison\"}")
        #expect(try await world.receive(queue).isEmpty)
        world.pass(5)
        for _ in 0..<2 {
            #expect(try await world.receive(queue).count == 1)
            world.pass(2)
        }
        #expect(try await world.receive(queue).isEmpty)
        let moved = try await world.receive(dead, ",\"VisibilityTimeout\":0")
        #expect(moved.first?["Attributes"]?["DeadLetterQueueSourceArn"]?.string == "arn:aws:sqs:us-east-1:123456789012:q")
        #expect(try await world.call("ListDeadLetterSourceQueues", "{\(dead)}").text() == #"{"queueUrls":["http://h:1/123456789012/q"]}"#)

        let arn = "\"SourceArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\""
        try await world.call("StartMessageMoveTask", "{\(arn)}")
        while try await world.call("ListMessageMoveTasks", "{\(arn)}")["Results"]?.array?.first?["Status"]?.string == "RUNNING" { await Task.yield() }
        let task = try await world.call("ListMessageMoveTasks", "{\(arn)}")["Results"]?.array?.first
        #expect(task?["Status"]?.string == "COMPLETED")
        #expect(task?["ApproximateNumberOfMessagesMoved"]?.integer == 1)
        #expect(try await world.receive(queue).first?["Body"]?.string == "poison")
    }

    @Test func redriveNeedsLeaveAndATarget() async throws {
        let world = try await World()
        let policy = #"{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":2}"}"#
        #expect(await world.failure("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":\(policy)}") == .invalidParameterValue)
        let dead = try await world.queue("dead", #"{"RedriveAllowPolicy":"{\"redrivePermission\":\"denyAll\"}"}"#)
        #expect(await world.failure("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":\(policy)}") == .invalidParameterValue)
        #expect(await world.failure("CreateQueue", "{\"QueueName\":\"dead2.fifo\",\"Attributes\":{\"FifoQueue\":\"true\",\"RedrivePolicy\":\"{\(deadLetters.replacing("\"", with: "\\\""))}\"}}") == .invalidParameterValue)
        try await world.call(
            "SetQueueAttributes",
            #"{\#(dead),"Attributes":{"RedriveAllowPolicy":"{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"arn:aws:sqs:us-east-1:123456789012:q\"]}"}}"#)
        #expect(await world.failure("CreateQueue", "{\"QueueName\":\"other\",\"Attributes\":\(policy)}") == .invalidParameterValue)
        #expect(await world.failure("CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":\(policy)}") == nil)
        #expect(await world.failure("StartMessageMoveTask", #"{"SourceArn":"arn:aws:sqs:us-east-1:123456789012:q"}"#) == .invalidParameterValue)
        #expect(await world.failure("StartMessageMoveTask", #"{"SourceArn":"arn:aws:sqs:us-east-1:123456789012:none"}"#) == .resourceNotFound)
    }

    @Test func fifoKeepsOrderWithinGroupsAndDropsDuplicates() async throws {
        let world = try await World()
        let queue = try await world.queue("q.fifo", #"{"FifoQueue":"true","ContentBasedDeduplication":"true"}"#)
        func send(_ body: String, _ group: String, _ more: String = "") async throws -> String? {
            try await world.call("SendMessage", "{\(queue),\"MessageBody\":\"\(body)\",\"MessageGroupId\":\"\(group)\"\(more)}")["SequenceNumber"]?.string
        }
        let first = try #require(try await send("a1", "a"))
        let second = try #require(try await send("a2", "a"))
        #expect(first < second && first.count == 20)
        #expect(try await send("a1", "a") == first)
        #expect(try await send("b1", "b") != nil)
        #expect(try await send("a1", "a", #","MessageDeduplicationId":"other""#) != first)
        let received = try await world.call("ReceiveMessage", "{\(queue),\"MaxNumberOfMessages\":1}")["Messages"]?.array ?? []
        #expect(received.map { $0["Body"]?.string } == ["a1"])
        // Group a waits for its first message, b does not.
        let others = try await world.receive(queue)
        #expect(others.map { $0["Body"]?.string } == ["b1"])
        #expect(others.first?["Attributes"]?["MessageGroupId"]?.string == "b")
        try await world.call("DeleteMessage", "{\(queue),\"ReceiptHandle\":\"\(received.first?["ReceiptHandle"]?.string ?? "")\"}")
        let rest = try await world.receive(queue)
        #expect(rest.map { $0["Body"]?.string } == ["a2", "a1"])
        #expect(rest.last?["Attributes"]?["MessageDeduplicationId"]?.string == "other")
        world.pass(301)
        #expect(try await send("a1", "a") != first)
        #expect(await world.failure("SendMessage", "{\(queue),\"MessageBody\":\"x\"}") == .missingParameter)
        #expect(await world.failure("SendMessage", "{\(queue),\"MessageBody\":\"x\",\"MessageGroupId\":\"g\",\"DelaySeconds\":1}") == .invalidParameterValue)
    }

    @Test func deduplicationMayBeByGroup() async throws {
        let world = try await World()
        let queue = try await world.queue("q.fifo", #"{"FifoQueue":"true","DeduplicationScope":"messageGroup","FifoThroughputLimit":"perMessageGroupId"}"#)
        for group in ["a", "b", "a"] {
            try await world.call("SendMessage", "{\(queue),\"MessageBody\":\"x\",\"MessageGroupId\":\"\(group)\",\"MessageDeduplicationId\":\"d\"}")
        }
        let received = try await world.receive(queue)
        #expect(received.map { $0["Attributes"]?["MessageGroupId"]?.string } == ["a", "b"])
        #expect(received.first?["Attributes"]?["MessageDeduplicationId"]?.string == "d")
        #expect(await world.failure("SendMessage", "{\(queue),\"MessageBody\":\"x\",\"MessageGroupId\":\"a\"}") == .invalidParameterValue)
    }

    @Test func entriesOfABatchFailByThemselves() async throws {
        let world = try await World()
        let queue = try await world.queue("q")
        let sent = try await world.call(
            "SendMessageBatch",
            "{\(queue),\"Entries\":[{\"Id\":\"1\",\"MessageBody\":\"x\"},{\"Id\":\"2\",\"MessageBody\":\"\"},{\"Id\":\"3\",\"MessageBody\":\"y\",\"DelaySeconds\":901}]}")
        #expect(sent["Successful"]?.array?.map { $0["Id"]?.string } == ["1"])
        #expect(sent["Failed"]?.array?.map { $0["Code"]?.string } == ["MissingParameter", "InvalidParameterValue"])
        #expect(sent["Failed"]?.array?.first?["SenderFault"]?.bool == true)
        let handle = try await world.receive(queue).first?["ReceiptHandle"]?.string ?? ""
        let changed = try await world.call(
            "ChangeMessageVisibilityBatch",
            "{\(queue),\"Entries\":[{\"Id\":\"1\",\"ReceiptHandle\":\"\(handle)\",\"VisibilityTimeout\":5},{\"Id\":\"2\",\"ReceiptHandle\":\"bad\",\"VisibilityTimeout\":5}]}")
        #expect(changed["Successful"]?.array?.count == 1)
        #expect(changed["Failed"]?.array?.first?["Code"]?.string == "ReceiptHandleIsInvalid")
        let deleted = try await world.call("DeleteMessageBatch", "{\(queue),\"Entries\":[{\"Id\":\"1\",\"ReceiptHandle\":\"\(handle)\"}]}")
        #expect(deleted.text() == #"{"Successful":[{"Id":"1"}],"Failed":[]}"#)
        #expect(await world.failure("SendMessageBatch", "{\(queue),\"Entries\":[]}") == .emptyBatchRequest)
        #expect(await world.failure("DeleteMessageBatch", "{\(queue),\"Entries\":[{\"Id\":\"a b\",\"ReceiptHandle\":\"x\"}]}") == .invalidBatchEntryId)
        let twice = #"{"Id":"1","MessageBody":"x"},{"Id":"1","MessageBody":"x"}"#
        #expect(await world.failure("SendMessageBatch", "{\(queue),\"Entries\":[\(twice)]}") == .batchEntryIdsNotDistinct)
        let eleven = (0..<11).map { #"{"Id":"\#($0)","MessageBody":"x"}"# }.joined(separator: ",")
        #expect(await world.failure("SendMessageBatch", "{\(queue),\"Entries\":[\(eleven)]}") == .tooManyEntriesInBatchRequest)
        let half = String(repeating: "x", count: 600_000)
        #expect(
            await world.failure("SendMessageBatch", "{\(queue),\"Entries\":[{\"Id\":\"1\",\"MessageBody\":\"\(half)\"},{\"Id\":\"2\",\"MessageBody\":\"\(half)\"}]}")
                == .batchRequestTooLong)
    }

    @Test func sizeCountsBodyAndAttributes() async throws {
        let world = try await World()
        let queue = try await world.queue("q")
        let body = String(repeating: "\\\"", count: 1_048_576 - 100)
        let attribute = #""MessageAttributes":{"n":{"DataType":"String","StringValue":"\#(String(repeating: "v", count: 93))"}}"#
        #expect(await world.failure("SendMessage", "{\(queue),\"MessageBody\":\"\(body)\",\(attribute)}") == nil)
        #expect(await world.failure("SendMessage", "{\(queue),\"MessageBody\":\"\(body)x\",\(attribute)}") == .invalidParameterValue)
        #expect(await world.failure("SendMessage", "{\(queue),\"MessageBody\":\"a\\u0000\"}") == .invalidMessageContents)
    }

    @Test func queuesOfOthersDoNotExist() async throws {
        let world = try await World()
        let queue = try await world.queue("q")
        for action in ["DeleteQueue", "GetQueueAttributes", "PurgeQueue", "ReceiveMessage", "ListQueueTags"] {
            #expect(await world.failure(action, "{\(queue)}", account: "999999999999") == .queueDoesNotExist)
        }
        #expect(await world.failure("GetQueueUrl", #"{"QueueName":"q"}"#, account: "999999999999") == .queueDoesNotExist)
        #expect(await world.failure("ReceiveMessage", #"{"QueueUrl":"http://h/123456789012/async:hello"}"#) == .invalidAddress)
        #expect(await world.failure("ReceiveMessage", #"{"QueueUrl":"q"}"#) == .invalidAddress)
        #expect(await world.failure("CreateQueue", #"{"QueueName":"a:b"}"#) == .invalidParameterValue)
        #expect(await world.failure("Nothing", "{}") == .invalidAction)
    }

    @Test func listsHavePagesAndLeaveOutThePlatformsQueues() async throws {
        let world = try await World()
        for name in ["b", "a1", "a2", "a3"] { _ = try await world.queue(name) }
        let key = QueueKey(account: "123456789012", region: "us-east-1", name: "a:internal")
        _ = try await world.store.create(QueueRecord(key: key, kind: .internal, created: 0, modified: 0))
        let first = try await world.call("ListQueues", #"{"QueueNamePrefix":"a","MaxResults":2}"#)
        #expect(first["QueueUrls"]?.array?.count == 2)
        let token = try #require(first["NextToken"]?.string)
        let second = try await world.call("ListQueues", #"{"QueueNamePrefix":"a","MaxResults":2,"NextToken":"\#(token)"}"#)
        #expect(second.text() == #"{"QueueUrls":["http://h:1/123456789012/a3"]}"#)
        #expect(try await world.call("ListQueues", "{}")["QueueUrls"]?.array?.count == 4)
    }

    @Test func permissionsAreKeptInThePolicy() async throws {
        let world = try await World()
        let queue = try await world.queue("q")
        try await world.call("AddPermission", "{\(queue),\"Label\":\"l\",\"AWSAccountIds\":[\"111122223333\"],\"Actions\":[\"SendMessage\"]}")
        let policy = try await world.call("GetQueueAttributes", "{\(queue),\"AttributeNames\":[\"Policy\"]}")["Attributes"]?["Policy"]?.string ?? ""
        #expect(try JSON(parsing: policy)["Statement"]?.array?.first?["Action"]?.text() == #"["SQS:SendMessage"]"#)
        #expect(await world.failure("AddPermission", "{\(queue),\"Label\":\"l\",\"AWSAccountIds\":[\"111122223333\"],\"Actions\":[\"*\"]}") == .invalidParameterValue)
        try await world.call("RemovePermission", "{\(queue),\"Label\":\"l\"}")
        #expect(await world.failure("RemovePermission", "{\(queue),\"Label\":\"l\"}") == .invalidParameterValue)
        #expect(try await world.call("GetQueueAttributes", "{\(queue),\"AttributeNames\":[\"Policy\"]}")["Attributes"]?.text() == "{}")
    }

    /// Many wait, few messages come: each goes to one of them, and nobody asks the store without need.
    @Test func waitersAreWokenByMessages() async throws {
        let world = try await World()
        let queue = try await world.queue("q")
        let received = try await withThrowingTaskGroup(of: [String].self) { group in
            for _ in 0..<20 {
                group.addTask {
                    let messages = try await world.call("ReceiveMessage", "{\(queue),\"WaitTimeSeconds\":20}")["Messages"]?.array ?? []
                    return messages.compactMap { $0["Body"]?.string }
                }
            }
            for number in 0..<20 { try await world.call("SendMessage", "{\(queue),\"MessageBody\":\"\(number)\"}") }
            var all: [String] = []
            for try await bodies in group { all += bodies }
            return all
        }
        #expect(Set(received).count == 20)
    }

    @Test func drainEndsEveryWait() async throws {
        let world = try await World()
        let queue = try await world.queue("q")
        async let waiting = world.receive(queue, ",\"WaitTimeSeconds\":20")
        while world.service.waiters.count == 0 { await Task.yield() }
        world.service.beginDrain()
        #expect(try await waiting.isEmpty)
        let begun = ContinuousClock.now
        #expect(try await world.receive(queue, ",\"WaitTimeSeconds\":20").isEmpty)
        // It would wait for longer than that.
        #expect(ContinuousClock.now - begun < .seconds(15))
    }

    @Test func waitEndsWithItsTask() async throws {
        let world = try await World()
        let queue = try await world.queue("q")
        let task = Task { try await world.receive(queue, ",\"WaitTimeSeconds\":20") }
        while world.service.waiters.count == 0 { await Task.yield() }
        task.cancel()
        #expect(try await task.value.isEmpty)
        #expect(world.service.waiters.count == 0)
    }
}

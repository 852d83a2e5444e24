#if Redis
import CHiredis
import ExternalSources
import Glibc

/// One connection with a bound on time and on the size of what the server says.
final class RedisClient {
    /// Milliseconds that a command may take beyond what it waits on purpose.
    private static let patience: Int64 = 10_000
    /// Bytes of one answer: a delivery of records, none of which Redis bounds below 512 MB.
    private static let maximumAnswer = 64 << 20

    private let context: UnsafeMutablePointer<redisContext>
    private let name: String

    init(_ endpoint: SourceEndpoint) throws(SourceFault) {
        name = "Redis at \(endpoint.host):\(endpoint.port)"
        guard let made = redisConnectWithTimeout(endpoint.host, Int32(endpoint.port), timeval(tv_sec: 5, tv_usec: 0)) else {
            throw SourceFault("failed to connect to \(name): no memory")
        }
        guard made.pointee.err == 0 else {
            defer { redisFree(made) }
            throw SourceFault("failed to connect to \(name): \(Self.text(of: made))")
        }
        context = made
        redisSetTimeout(made, timeval(tv_sec: 10, tv_usec: 0))
        SourceSocket.keepAlive(made.pointee.fd)
    }

    func close() { redisFree(context) }

    /// - Parameter wait: milliseconds that the server may wait on purpose.
    /// - Throws: also what the server answers as an error.
    func call(_ arguments: [String], wait: Int64 = 0) throws(SourceFault) -> RedisReply { try calls([arguments], wait: wait)[0] }

    /// All are sent before the first answer is read.
    func calls(_ commands: [[String]], wait: Int64 = 0) throws(SourceFault) -> [RedisReply] {
        for command in commands {
            var pointers = command.map { UnsafePointer(strdup($0)) }
            defer { for pointer in pointers { free(UnsafeMutableRawPointer(mutating: pointer)) } }
            let lengths = command.map(\.utf8.count)
            guard redisAppendCommandArgv(context, Int32(command.count), &pointers, lengths) == REDIS_OK else { throw fault("write to") }
        }
        var isWritten: Int32 = 0
        while isWritten == 0 { guard redisBufferWrite(context, &isWritten) == REDIS_OK else { throw fault("write to") } }
        var replies: [RedisReply] = []
        for command in commands {
            let reply = try read(until: SourceSocket.now() + wait + Self.patience)
            // The command's name alone: its arguments may be a password.
            if let error = reply.error { throw SourceFault("\(name) refused \(command[0]): \(error)") }
            replies.append(reply)
        }
        return replies
    }

    private func read(until deadline: Int64) throws(SourceFault) -> RedisReply {
        let begin = context.pointee.reader.pointee.len
        var answer = begin
        while true {
            var found: UnsafeMutableRawPointer?
            guard redisGetReplyFromReader(context, &found) == REDIS_OK else { throw fault("read from") }
            if let found { return RedisReply(owned: found.assumingMemoryBound(to: redisReply.self)) }
            guard answer <= Self.maximumAnswer else { throw SourceFault("\(name) sent an answer of more than \(Self.maximumAnswer >> 20) MiB") }
            guard SourceSocket.isReadable(context.pointee.fd, until: deadline) else { throw SourceFault("\(name) did not answer in time") }
            let before = context.pointee.reader.pointee.len
            guard redisBufferRead(context) == REDIS_OK else { throw fault("read from") }
            answer += max(0, context.pointee.reader.pointee.len - before)
        }
    }

    private func fault(_ attempt: String) -> SourceFault { SourceFault("failed to \(attempt) \(name): \(Self.text(of: context))") }

    private static func text(of context: UnsafeMutablePointer<redisContext>) -> String {
        withUnsafeBytes(of: context.pointee.errstr) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// An answer of the server, which lives as long as this.
final class RedisReply {
    private let pointer: UnsafeMutablePointer<redisReply>

    init(owned pointer: UnsafeMutablePointer<redisReply>) { self.pointer = pointer }
    deinit { freeReplyObject(pointer) }

    var value: RedisValue { RedisValue(pointer) }
    var error: String? { pointer.pointee.type == REDIS_REPLY_ERROR ? SourceValue.text(value.bytes ?? []) : nil }
}

/// A part of an answer; not to be kept beyond it.
struct RedisValue {
    private let pointer: UnsafeMutablePointer<redisReply>

    fileprivate init(_ pointer: UnsafeMutablePointer<redisReply>) { self.pointer = pointer }

    /// nil for what is no list.
    var list: [RedisValue]? {
        guard pointer.pointee.type == REDIS_REPLY_ARRAY else { return nil }
        return (0..<pointer.pointee.elements).compactMap { pointer.pointee.element[$0].map(RedisValue.init) }
    }

    /// nil for what is no text.
    var bytes: [UInt8]? {
        guard [REDIS_REPLY_STRING, REDIS_REPLY_STATUS, REDIS_REPLY_ERROR].contains(pointer.pointee.type), let text = pointer.pointee.str else { return nil }
        return Array(UnsafeRawBufferPointer(start: text, count: pointer.pointee.len))
    }
}
#endif

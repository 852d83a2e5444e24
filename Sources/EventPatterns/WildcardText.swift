/// A text in which `*` stands for any run of bytes, the empty one included.
///
/// Each piece between two stars is looked for once, at its first place after the piece before: that place leaves the most
/// for the rest, so nothing is ever tried again. With a failure table per piece the whole costs two passes over the string,
/// whatever pattern and string are like.
struct WildcardText: Hashable, Sendable {
    private struct Piece: Hashable, Sendable {
        let bytes: [UInt8]
        /// For each length of a partial match, the longest shorter one that ends with the same bytes (Knuth, Morris, Pratt).
        let failures: [Int]

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            var failures = [Int](repeating: 0, count: bytes.count)
            var matched = 0
            for index in bytes.indices.dropFirst() {
                while matched > 0, bytes[index] != bytes[matched] { matched = failures[matched - 1] }
                if bytes[index] == bytes[matched] { matched += 1 }
                failures[index] = matched
            }
            self.failures = failures
        }

        /// - Returns: where the first occurrence ends.
        func end(in text: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int) -> Int? {
            var matched = 0
            for index in start..<end {
                while matched > 0, text[index] != bytes[matched] { matched = failures[matched - 1] }
                if text[index] == bytes[matched] { matched += 1 }
                if matched == bytes.count { return index + 1 }
            }
            return nil
        }
    }

    enum Fault: Error {
        /// `**`, which means no more than `*`.
        case consecutiveStars
        /// A backslash before anything but `*` or `\`.
        case badEscape
    }

    private let head: [UInt8]
    private let middle: [Piece]
    /// Nil without a star: then the string must be `head`.
    private let tail: [UInt8]?

    init(_ text: String) throws(Fault) {
        var pieces: [[UInt8]] = [[]]
        var isEscaped = false
        var isAfterStar = false
        for byte in text.utf8 {
            if isEscaped {
                guard byte == UInt8(ascii: "*") || byte == UInt8(ascii: "\\") else { throw .badEscape }
                pieces[pieces.count - 1].append(byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "*") {
                if isAfterStar { throw .consecutiveStars }
                pieces.append([])
                isAfterStar = true
                continue
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                pieces[pieces.count - 1].append(byte)
            }
            isAfterStar = false
        }
        if isEscaped { throw .badEscape }
        head = pieces[0]
        tail = pieces.count > 1 ? pieces[pieces.count - 1] : nil
        middle = pieces.dropFirst().dropLast().map(Piece.init)
    }

    func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let tail else { return text.count == head.count && text.starts(with: head) }
        guard text.count >= head.count + tail.count, text.starts(with: head), text.suffix(tail.count).elementsEqual(tail) else {
            return false
        }
        var position = head.count
        let end = text.count - tail.count
        for piece in middle {
            guard let next = piece.end(in: text, from: position, to: end) else { return false }
            position = next
        }
        return true
    }
}

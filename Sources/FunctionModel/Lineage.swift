/// How often a chain of requests has come to each function: the part `Lineage` of an `X-Amzn-Trace-Id` header, which goes
/// wherever the chain goes.
///
/// Lambda appends the same part, for the same purpose; its form is nobody else's business ("should never be directly
/// used"), so this is Martlet's own: `Lineage=TAG:COUNT+TAG:COUNT`, the function that came last at the end. botocore sends it
/// on from within a function, and leaves `+` as it is.
/// Source: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html (tracing header)
public enum Lineage {
    /// Runs of one function in one chain, unless it is allowed more. Lambda stops after approximately as many.
    public static let maximumRounds = 16
    /// Functions of a chain that are counted; who has not been met for longest goes, so a circle of more is not seen.
    public static let maximumFunctions = 32
    /// Bytes of a full one.
    static let maximumBytes = 8 + maximumFunctions * 13

    private static let name = "Lineage="

    /// What stands for a function: eight hexadecimal digits.
    public static func tag(of function: FunctionKey) -> String {
        // FNV-1a, 32 bits: a clash makes two functions share one count, which only matters in one chain.
        var hash: UInt32 = 0x811C_9DC5
        for byte in function.arn.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }

    /// Runs of the function that led here; 0 for a header that says nothing.
    public static func rounds(of tag: @autoclosure () -> String, in trace: String?) -> Int {
        guard let trace, let part = part(of: trace) else { return 0 }
        let tag = tag()
        return entries(part).first { $0.tag == tag }?.count ?? 0
    }

    /// The header that the function's run has, and whatever follows from it.
    /// - Parameter trace: what led to the run.
    public static func adding(_ tag: String, to trace: String) -> String {
        guard let part = part(of: trace) else { return "\(trace);\(name)\(tag):1" }
        var list = entries(part)
        let rounds = list.first { $0.tag == tag }?.count ?? 0
        list.removeAll { $0.tag == tag }
        list.append((Substring(tag), rounds + 1))
        return replacing(part, in: trace, with: list.suffix(maximumFunctions))
    }

    /// One header for a run that several messages lead to: the first one's trace, and of each function the most rounds.
    public static func merged(_ traces: some Sequence<String>) -> String? {
        var result: String?
        for trace in traces {
            guard let known = result else {
                result = trace
                continue
            }
            guard let part = part(of: trace) else { continue }
            guard let own = self.part(of: known) else {
                result = "\(known);\(name)\(part)"
                continue
            }
            var list = entries(own)
            for entry in entries(part) {
                if let index = list.firstIndex(where: { $0.tag == entry.tag }) {
                    list[index].count = max(list[index].count, entry.count)
                } else {
                    list.append(entry)
                }
            }
            result = replacing(own, in: known, with: list.suffix(maximumFunctions))
        }
        return result
    }

    static func bytes(in trace: String) -> Int { part(of: trace).map { $0.utf8.count + name.utf8.count } ?? 0 }

    /// What follows `Lineage=`.
    private static func part(of trace: String) -> Substring? {
        trace.split(separator: ";").first { $0.hasPrefix(name) }?.dropFirst(name.count)
    }

    /// What is none of ours counts for nothing.
    private static func entries(_ part: Substring) -> [(tag: Substring, count: Int)] {
        part.split(separator: "+").suffix(maximumFunctions).compactMap { entry in
            let halves = entry.split(separator: ":", omittingEmptySubsequences: false)
            guard halves.count == 2, halves[0].utf8.count == 8, let count = Int(halves[1]), (1...999).contains(count) else { return nil }
            return (halves[0], count)
        }
    }

    private static func replacing(_ part: Substring, in trace: String, with list: some Sequence<(tag: Substring, count: Int)>) -> String {
        let text = list.map { "\($0.tag):\($0.count)" }.joined(separator: "+")
        return "\(trace[..<part.startIndex])\(text)\(trace[part.endIndex...])"
    }
}

/// What becomes of a chain that comes to a function for more than the sixteenth time (`PutFunctionRecursionConfig`).
public enum RecursiveLoop: String, Sendable, Codable, CaseIterable {
    case allow = "Allow"
    /// The run is refused; an event goes where given up ones go. The default.
    case terminate = "Terminate"
}

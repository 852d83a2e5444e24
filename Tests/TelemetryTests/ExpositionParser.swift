/// A strict reader of Prometheus's text format 0.0.4: what it does not accept, a test reports.
struct Exposition {
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }
    struct Sample: Equatable {
        var name: String
        var labels: [String: String]
        var value: Double
    }
    struct Family {
        var name: String
        var help: String
        var type: String
        var samples: [Sample] = []
    }

    var families: [Family] = []

    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        families.lazy.flatMap(\.samples).first { $0.name == name && $0.labels == labels }?.value
    }

    init(_ bytes: [UInt8]) throws {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Fault(description: "not UTF-8") }
        guard text.isEmpty || text.utf8.last == UInt8(ascii: "\n") else { throw Fault(description: "last line does not end") }
        var help: (name: String, text: String)?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            if line.hasPrefix("# HELP ") {
                let parts = line.dropFirst(7).split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, help == nil else { throw Fault(description: "bad HELP: \(line)") }
                help = (String(parts[0]), try Self.unescape(parts[1], quotes: false))
            } else if line.hasPrefix("# TYPE ") {
                let parts = line.dropFirst(7).split(separator: " ", omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2, ["counter", "gauge", "histogram"].contains(parts[1]), let about = help, about.name == parts[0] else {
                    throw Fault(description: "bad TYPE: \(line)")
                }
                if families.contains(where: { $0.name == parts[0] }) { throw Fault(description: "family twice: \(parts[0])") }
                families.append(Family(name: parts[0], help: about.text, type: parts[1]))
                help = nil
            } else {
                let sample = try Self.sample(line)
                guard help == nil, let family = families.last else { throw Fault(description: "sample without TYPE: \(line)") }
                let allowed =
                    family.type == "histogram" ? ["_bucket", "_sum", "_count"].map { family.name + $0 } : [family.name]
                guard allowed.contains(sample.name) else { throw Fault(description: "\(sample.name) is not of \(family.name)") }
                if family.samples.contains(where: { $0.name == sample.name && $0.labels == sample.labels }) {
                    throw Fault(description: "series twice: \(line)")
                }
                families[families.count - 1].samples.append(sample)
            }
        }
        if let help { throw Fault(description: "HELP without TYPE: \(help.name)") }
        for family in families where family.type == "histogram" { try Self.check(histogram: family) }
        for family in families where family.type == "counter" {
            if family.samples.contains(where: { $0.value < 0 }) { throw Fault(description: "negative counter \(family.name)") }
        }
    }

    private static func check(histogram family: Family) throws {
        var bySeries: [[String: String]: [(bound: Double, count: Double)]] = [:]
        for sample in family.samples where sample.name == family.name + "_bucket" {
            var labels = sample.labels
            guard let le = labels.removeValue(forKey: "le"), let bound = number(le) else {
                throw Fault(description: "bucket of \(family.name) without bound")
            }
            bySeries[labels, default: []].append((bound, sample.value))
        }
        for (labels, buckets) in bySeries {
            for (before, after) in zip(buckets, buckets.dropFirst()) where before.bound >= after.bound || before.count > after.count {
                throw Fault(description: "buckets of \(family.name) \(labels) do not rise")
            }
            guard let last = buckets.last, last.bound == .infinity else { throw Fault(description: "no +Inf in \(family.name)") }
            let count = family.samples.first { $0.name == family.name + "_count" && $0.labels == labels }?.value
            guard count == last.count else { throw Fault(description: "_count of \(family.name) is not its +Inf bucket") }
            guard family.samples.contains(where: { $0.name == family.name + "_sum" && $0.labels == labels }) else {
                throw Fault(description: "no _sum in \(family.name)")
            }
        }
    }

    private static func sample(_ line: Substring) throws -> Sample {
        var rest = line
        let name = take(&rest) { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") }
        guard let first = name.first, !first.isNumber else { throw Fault(description: "bad name: \(line)") }
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest.removeFirst()
            while rest.first != "}" {
                if !labels.isEmpty {
                    guard rest.first == "," else { throw Fault(description: "comma missing: \(line)") }
                    rest.removeFirst()
                }
                let label = take(&rest) { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
                guard let start = label.first, !start.isNumber, rest.hasPrefix("=\"") else { throw Fault(description: "bad label: \(line)") }
                rest.removeFirst(2)
                var raw: Substring = rest[rest.startIndex..<rest.startIndex]
                while let character = rest.first, character != "\"" {
                    rest.removeFirst(character == "\\" ? 2 : 1)
                    raw = raw.base[raw.startIndex..<rest.startIndex]
                }
                guard rest.first == "\"" else { throw Fault(description: "value does not end: \(line)") }
                rest.removeFirst()
                guard labels.updateValue(try unescape(raw, quotes: true), forKey: label) == nil else {
                    throw Fault(description: "label twice: \(line)")
                }
            }
            rest.removeFirst()
        }
        guard rest.first == " ", let value = number(String(rest.dropFirst())) else { throw Fault(description: "bad value: \(line)") }
        return Sample(name: name, labels: labels, value: value)
    }

    private static func take(_ rest: inout Substring, while accepts: (Character) -> Bool) -> String {
        let taken = rest.prefix(while: accepts)
        rest = rest.dropFirst(taken.count)
        return String(taken)
    }

    private static func number(_ text: String) -> Double? {
        switch text {
        case "+Inf": .infinity
        case "-Inf", "NaN": nil
        default: text.allSatisfy { $0.isNumber || "-.e+".contains($0) } ? Double(text) : nil
        }
    }

    private static func unescape(_ text: Substring, quotes: Bool) throws -> String {
        var result = ""
        var rest = text
        while let character = rest.popFirst() {
            guard character == "\\" else {
                result.append(character)
                continue
            }
            switch rest.popFirst() {
            case "\\": result.append("\\")
            case "n": result.append("\n")
            case "\"" where quotes: result.append("\"")
            default: throw Fault(description: "bad escape in \(text)")
            }
        }
        return result
    }
}

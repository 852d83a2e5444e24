import JSONValues

/// The older protocol: parameters as a form with numbered names, answers in XML.
///
/// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html; the
/// names are the `locationName`s of the operations' flattened lists and maps.
enum QueryProtocol {
    static let namespace = "http://queue.amazonaws.com/doc/2012-11-05/"
    static let maximumParameters = 5_000
    private static let maximumDepth = 8

    private static let lists = [
        "AttributeName": "AttributeNames", "MessageAttributeName": "MessageAttributeNames",
        "MessageSystemAttributeName": "MessageSystemAttributeNames", "TagKey": "TagKeys", "AWSAccountId": "AWSAccountIds",
        "ActionName": "Actions", "SendMessageBatchRequestEntry": "Entries", "DeleteMessageBatchRequestEntry": "Entries",
        "ChangeMessageVisibilityBatchRequestEntry": "Entries",
    ]
    private static let maps = [
        "Attribute": ("Attributes", "Name"), "MessageAttribute": ("MessageAttributes", "Name"),
        "MessageSystemAttribute": ("MessageSystemAttributes", "Name"), "Tag": ("Tags", "Key"),
    ]

    /// A tree of the dots in the parameters' names.
    private final class Node {
        var value: String?
        var children: [(name: String, node: Node)] = []
        private var indices: [String: Int] = [:]

        func child(_ name: String) -> Node {
            if let index = indices[name] { return children[index].node }
            let node = Node()
            indices[name] = children.count
            children.append((name, node))
            return node
        }
    }

    /// What a request asks for: of several the last, as of any other parameter.
    static func action(_ parameters: [(name: String, value: String)]) -> String? { parameters.last { $0.name == "Action" }?.value }

    /// - Returns: the action and its parameters in the shape of the JSON protocol.
    static func request(_ parameters: [(name: String, value: String)]) throws(SQSError) -> (action: String, members: JSON) {
        guard parameters.count <= maximumParameters else { throw SQSError(.malformedInput, "the request has too many parameters") }
        let root = Node()
        for parameter in parameters {
            let steps = parameter.name.split(separator: ".", maxSplits: maximumDepth, omittingEmptySubsequences: false)
            guard steps.count <= maximumDepth else { throw SQSError(.malformedInput, "a parameter's name has too many parts") }
            var node = root
            for step in steps { node = node.child(String(step)) }
            node.value = parameter.value
        }
        guard let action = action(parameters) else {
            throw SQSError(.invalidAction, "The request must contain the parameter Action.")
        }
        return (action, members(root))
    }

    private static func members(_ node: Node) -> JSON {
        var members: [JSON.Member] = []
        for (name, child) in node.children {
            if let list = lists[name], !child.children.isEmpty {
                members.append(.init(list, .array(numbered(child).map(content))))
            } else if let (map, key) = maps[name], !child.children.isEmpty {
                let entries = numbered(child).compactMap { entry -> JSON.Member? in
                    guard let name = entry.children.first(where: { $0.name == key })?.node.value else { return nil }
                    return JSON.Member(name, entry.children.first { $0.name == "Value" }.map { content($0.node) } ?? .string(""))
                }
                members.append(.init(map, .object(entries)))
            } else {
                members.append(.init(name, content(child)))
            }
        }
        return .object(members)
    }

    private static func content(_ node: Node) -> JSON { node.children.isEmpty ? .string(node.value ?? "") : members(node) }

    private static func numbered(_ node: Node) -> [Node] {
        node.children.compactMap { child in Int(child.name).map { ($0, child.node) } }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    // MARK: Answers

    private static let elements = [
        "QueueUrls": "QueueUrl", "queueUrls": "QueueUrl", "Messages": "Message", "Failed": "BatchResultErrorEntry",
        "Results": "ListMessageMoveTasksResultEntry",
    ]
    private static let entries = [
        "Attributes": ("Attribute", "Name"), "MessageAttributes": ("MessageAttribute", "Name"), "Tags": ("Tag", "Key"),
    ]

    static func answer(_ result: JSON, action: String, requestID: String) -> String {
        var xml = XMLText()
        xml.element("\(action)Response xmlns=\"\(namespace)\"", closing: "\(action)Response") { xml in
            if !result.members.isEmpty { xml.element("\(action)Result") { write(result, action, to: &$0) } }
            xml.element("ResponseMetadata") { $0.leaf("RequestId", requestID) }
        }
        return xml.text
    }

    static func answer(_ error: SQSError, requestID: String) -> String {
        answer(code: error.kind.queryCode, message: error.message, isSenderFault: error.kind.isSenderFault, requestID: requestID)
    }

    static func answer(code: String, message: String, isSenderFault: Bool, requestID: String) -> String {
        var xml = XMLText()
        xml.element("ErrorResponse xmlns=\"\(namespace)\"", closing: "ErrorResponse") { xml in
            xml.element("Error") { xml in
                xml.leaf("Type", isSenderFault ? "Sender" : "Receiver")
                xml.leaf("Code", code)
                xml.leaf("Message", message)
                xml.leaf("Detail", "")
            }
            xml.leaf("RequestId", requestID)
        }
        return xml.text
    }

    private static func write(_ object: JSON, _ action: String, to xml: inout XMLText) {
        for member in object.members {
            switch member.value {
            case .array(let values):
                let name = member.name == "Successful" ? "\(action)ResultEntry" : elements[member.name] ?? member.name
                for value in values { write(value, as: name, action, to: &xml) }
            case .object(let members):
                guard let (name, key) = entries[member.name] else { break }
                for entry in members {
                    xml.element(name) { xml in
                        xml.leaf(key, entry.name)
                        write(entry.value, as: "Value", action, to: &xml)
                    }
                }
            default: write(member.value, as: member.name, action, to: &xml)
            }
        }
    }

    private static func write(_ value: JSON, as name: String, _ action: String, to xml: inout XMLText) {
        switch value {
        case .object: xml.element(name) { write(value, action, to: &$0) }
        case .bool(let value): xml.leaf(name, value ? "true" : "false")
        case .string(let text), .number(let text): xml.leaf(name, text)
        default: break
        }
    }
}

/// XML that is written once, from front to back.
struct XMLText {
    private(set) var text = "<?xml version=\"1.0\"?>"

    mutating func element(_ opening: String, closing: String? = nil, _ body: (inout XMLText) -> Void) {
        text += "<\(opening)>"
        body(&self)
        text += "</\(closing ?? opening)>"
    }

    mutating func leaf(_ name: String, _ content: String) {
        text += "<\(name)>"
        for scalar in content.unicodeScalars {
            switch scalar {
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "&": text += "&amp;"
            case "\"": text += "&quot;"
            // A reader would make a line feed of it.
            case "\r": text += "&#xD;"
            // XML 1.0 has no way to write them.
            case _ where scalar.value < 0x20 && scalar != "\n" && scalar != "\t": text += "?"
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "</\(name)>"
    }
}

internal import JSONValues
internal import SAMTemplates

/// A plan as people and programs read it.
struct StackView {
    let name: String
    let plan: StackPlan
    let notes: [String]
    let style: Style

    private static let longest = 60

    func lines(isDryRun: Bool) -> [String] {
        let count = Dictionary(grouping: plan.changes, by: \.action).mapValues(\.count)
        let sums = [(StackPlan.Action.create, "create"), (.change, "change"), (.delete, "delete")].compactMap { action, word in
            count[action].map { "\($0) to \(word)" }
        }
        var lines = [style.bold("stack \(name)") + ": " + (sums.isEmpty ? "nothing differs" : sums.joined(separator: ", "))]
        for step in plan.changes {
            let title = "\(step.identity.kind.rawValue) \(step.identity.name)  \(style.dim(step.logicalID))"
            switch step.action {
            case .create: lines.append("\(style.green("+")) \(title)")
            case .delete: lines.append("\(style.red("-")) \(title)")
            case .change:
                lines.append("\(style.yellow("~")) \(title)")
                lines += step.differences.map { "    \($0.property): \(Self.short($0.present ?? .null)) → \(Self.short($0.wanted))" }
            case .keep: break
            }
        }
        return lines + notes.map { style.dim("note: \($0)") }
    }

    private static func short(_ json: JSON) -> String {
        let text = json == .null ? "(none)" : json.plain.isEmpty ? "(empty)" : json.plain
        return text.count > longest ? text.prefix(longest - 1) + "…" : text
    }

    /// What there is to say where nothing is done.
    func show(isDryRun: Bool, outputs: [JSON.Member], asJSON output: OutputOptions) {
        if output.json { return output.print(json: json(isApplied: false, outputs)) }
        lines(isDryRun: isDryRun).forEach(Terminal.print)
        if plan.changes.isEmpty { outputLines(outputs).forEach(Terminal.print) }
    }

    /// What came of it.
    func finish(outputs: [JSON.Member], asJSON output: OutputOptions) {
        if output.json { return output.print(json: json(isApplied: true, outputs)) }
        Terminal.print(style.green(style.bold("stack \(name) is as it should be")))
        outputLines(outputs).forEach(Terminal.print)
    }

    private func outputLines(_ outputs: [JSON.Member]) -> [String] {
        guard !outputs.isEmpty else { return [] }
        var table = TextTable([.init("output"), .init("value")])
        for output in outputs { table.add([output.name, output.value.plain]) }
        return table.lines(style)
    }

    private func json(isApplied: Bool, _ outputs: [JSON.Member]) -> JSON {
        let changes = plan.changes.map { step -> JSON in
            let differences = step.action == .change ? step.differences : []
            return .object([
                .init("action", .string(step.action.rawValue)), .init("kind", .string(step.identity.kind.rawValue)), .init("name", .string(step.identity.name)),
                .init("resource", .string(step.logicalID)),
                .init(
                    "differences",
                    .array(
                        differences.map {
                            .object([.init("property", .string($0.property)), .init("present", $0.present ?? .null), .init("wanted", $0.wanted)])
                        })),
            ])
        }
        return .object([
            .init("stack", .string(name)), .init("applied", .bool(isApplied)), .init("changes", .array(changes)), .init("outputs", .object(outputs)),
            .init("notes", .array(notes.map { .string($0) })),
        ])
    }
}

/// Columns of text under each other, two spaces between them.
struct TextTable {
    enum Alignment { case left, right }
    struct Column {
        let title: String
        let alignment: Alignment
        init(_ title: String, _ alignment: Alignment = .left) { (self.title, self.alignment) = (title, alignment) }
    }

    let columns: [Column]
    private(set) var rows: [[String]] = []
    /// Set apart from the rows by a rule.
    var total: [String]?

    init(_ columns: [Column]) { self.columns = columns }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// - Parameter width: of the terminal: texts of the widest columns are cut until a line fits. Numbers never are.
    func lines(_ style: Style, fitting width: Int? = nil) -> [String] {
        let all = [columns.map(\.title)] + rows + (total.map { [$0] } ?? [])
        var widths = columns.indices.map { column in all.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        if let width { cut(&widths, to: width) }
        func line(_ cells: [String]) -> String {
            var text = ""
            for (index, column) in columns.enumerated() {
                let cell = Self.cut(index < cells.count ? cells[index] : "", to: widths[index])
                let space = String(repeating: " ", count: widths[index] - cell.count)
                text += column.alignment == .left ? cell + space : space + cell
                if index < columns.count - 1 { text += "  " }
            }
            while text.last == " " { text.removeLast() }
            return text
        }
        var lines = [style.bold(line(columns.map(\.title)))] + rows.map(line)
        if let total {
            lines.append(style.dim(String(repeating: "─", count: widths.reduce(0, +) + 2 * max(0, columns.count - 1))))
            lines.append(style.bold(line(total)))
        }
        return lines
    }

    /// The widest column of texts gives way first, and none below what makes it readable.
    private func cut(_ widths: inout [Int], to width: Int) {
        let narrowest = 8
        while widths.reduce(2 * max(0, columns.count - 1), +) > width {
            let candidates = columns.indices.filter { columns[$0].alignment == .left && widths[$0] > narrowest }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { return }
            widths[widest] -= 1
        }
    }

    private static func cut(_ text: String, to width: Int) -> String { text.count > width ? text.prefix(max(0, width - 1)) + "…" : text }
}

/// One row of comma-separated values (RFC 4180).
func csvLine(_ cells: [String]) -> String {
    cells.map { cell in
        guard cell.utf8.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 == 0x0A || $0 == 0x0D }) else { return cell }
        return "\"" + cell.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }.joined(separator: ",")
}

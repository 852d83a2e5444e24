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

    func lines(_ style: Style) -> [String] {
        let all = [columns.map(\.title)] + rows + (total.map { [$0] } ?? [])
        let widths = columns.indices.map { column in all.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            var text = ""
            for (index, column) in columns.enumerated() {
                let cell = index < cells.count ? cells[index] : ""
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
}

/// One row of comma-separated values (RFC 4180).
func csvLine(_ cells: [String]) -> String {
    cells.map { cell in
        guard cell.utf8.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 == 0x0A || $0 == 0x0D }) else { return cell }
        return "\"" + cell.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }.joined(separator: ",")
}

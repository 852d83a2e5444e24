internal import JSONValues

/// What makes a package a Node function, and which of its functions is the handler.
extension PackageSource {
    private static let nodeModules = ["index", "handler", "app", "main"]
    private static let nodeExtensions = ["js", "mjs", "cjs"]
    private static let nodeFunctions = ["handler", "main"]

    /// The file that a handler `folder/file.export` names.
    func nodeFile(handler: String) -> String? {
        let slash = handler.lastIndex(of: "/").map { handler.index(after: $0) } ?? handler.startIndex
        guard let dot = handler[slash...].firstIndex(of: ".") else { return nil }
        return Self.nodeExtensions.map { "\(handler[..<dot]).\($0)" }.first(where: contains)
    }

    /// Modules at the top of the package, without their extension.
    var topNodeModules: [String] {
        Set(topNames.compactMap { name in
            Self.nodeExtensions.first { name.hasSuffix("." + $0) }.map { String(name.dropLast($0.utf8.count + 1)) }
        }).sorted()
    }

    /// The handler, where the files make it plain; nil where they do not.
    ///
    /// - Throws: `CommandFailure`.
    func nodeHandler() throws -> String? {
        let present = topNodeModules
        var candidates = Self.nodeModules.filter(present.contains)
        if let main = try packageMain() { candidates.insert(main, at: 0) }
        // With one module there is nothing to choose.
        if candidates.isEmpty, present.count == 1 { candidates = present }
        for module in candidates {
            guard let file = nodeFile(handler: module + ".x"), let source = try content(of: file),
                let function = Self.exportedFunction(source)
            else { continue }
            return "\(module).\(function)"
        }
        return nil
    }

    /// What package.json calls `main`, if it is a file of the package: without its extension.
    private func packageMain() throws -> String? {
        guard let text = try content(of: "package.json"), let main = try? JSON(parsing: text)["main"]?.string else { return nil }
        var name = main.hasPrefix("./") ? String(main.dropFirst(2)) : main
        for suffix in Self.nodeExtensions where name.hasSuffix("." + suffix) { name = String(name.dropLast(suffix.utf8.count + 1)) }
        return nodeFile(handler: name + ".x") == nil ? nil : name
    }

    /// The best-known name that the module exports, in any of the ways that put the name after the word for it.
    static func exportedFunction(_ source: [UInt8]) -> String? {
        let text = source.map { $0 == 0x09 || $0 == 0x0D || $0 == 0x0A ? 0x20 : $0 }
        let words = text.split(whereSeparator: { !isWordByte($0) && $0 != UInt8(ascii: ".") }).map { String(decoding: $0, as: UTF8.self) }
        let exporting: Set<String> = ["export", "exports", "module.exports"]
        return nodeFunctions.first { name in
            words.enumerated().contains { index, word in
                if word == "exports.\(name)" || word == "module.exports.\(name)" { return true }
                guard word == name else { return false }
                // `export const handler`, `export async function handler`, `export { handler }`, `module.exports = { handler }`.
                let before = words[max(0, index - 8)..<index]
                guard let start = before.lastIndex(where: exporting.contains) else { return false }
                return words[words.index(after: start)..<index].allSatisfy { !["return", "require", "import", "from"].contains($0) }
            }
        }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F || byte == 0x24 || byte >= 0x80
    }
}

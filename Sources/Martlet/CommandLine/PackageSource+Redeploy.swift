extension PackageSource {
    /// How the package is to be run. Of a function that is there, runtime and handler stay each by itself where nothing else is
    /// wished, as long as the package fits them.
    ///
    /// - Throws: as `guess`.
    func choice(runtime: String?, handler: String?, existing: DeployedFunction?) throws -> RuntimeChoice {
        if let existing, runtime == nil || handler == nil {
            let kept = RuntimeChoice(runtime: runtime ?? existing.runtime, handler: handler ?? existing.handler)
            // Another language has no use for the handler.
            if Self.family(kept.runtime) == Self.family(existing.runtime), fits(kept) { return kept }
        }
        return try guess(runtime: runtime, handler: handler)
    }

    private static func family(_ runtime: String) -> String? { ["python", "node", "provided"].first(where: runtime.hasPrefix) }

    private func fits(_ choice: RuntimeChoice) -> Bool {
        switch Self.family(choice.runtime) {
        case "python":
            let module = choice.handler.split(separator: ".").dropLast().joined(separator: "/")
            return contains("\(module).py") || contains("\(module)/__init__.py")
        case "node": return nodeFile(handler: choice.handler) != nil
        case "provided": return contains("bootstrap")
        default: return false
        }
    }
}

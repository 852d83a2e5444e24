extension FunctionRecord {
    /// - Parameter trace: what led to the run that is asked for.
    /// - Throws: `.recursiveInvocation` for one round more than the function takes.
    public func checkRecursion(trace: String?) throws(ServiceError) {
        guard recursiveLoop == .terminate, Lineage.rounds(of: Lineage.tag(of: key), in: trace) >= Lineage.maximumRounds else { return }
        throw ServiceError(
            .recursiveInvocation,
            "Lambda has detected that \(key.name) is invoked in a recursive loop, and has stopped it: one chain of requests came to it \(Lineage.maximumRounds) times. PutFunctionRecursionConfig can allow that.")
    }
}

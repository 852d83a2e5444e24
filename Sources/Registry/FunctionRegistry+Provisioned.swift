public import FunctionModel

extension FunctionRegistry {
    /// - Parameter requested: at least 1.
    /// - Throws: `.invalidParameterValue` for `$LATEST`, for an alias of two versions and for more than there is,
    ///   `.resourceConflict` where alias and version would both have some.
    public func setProvisionedConcurrency(_ key: FunctionKey, qualifier: String, requested: Int) async throws -> ProvisionedConcurrency {
        try await exclusively {
            var record = try self.snapshot.record(key)
            try record.checkProvisionable(qualifier)
            try record.refuseTenancy(for: "Provisioned concurrency")
            let others = record.totalProvisionedConcurrency - (record.provisioned[qualifier]?.requested ?? 0)
            if let reserved = record.reservedConcurrency {
                guard others + requested <= reserved else {
                    throw ServiceError(
                        .invalidParameterValue,
                        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
                }
            } else {
                try self.checkAccount(key, total: others + requested, requested: requested)
            }
            let config = ProvisionedConcurrency(requested: requested, modified: self.now())
            record.provisioned[qualifier] = config
            try await self.commit(record)
            return config
        }
    }

    /// Nothing happens where there is none, as on Lambda.
    public func deleteProvisionedConcurrency(_ key: FunctionKey, qualifier: String) async throws {
        try await exclusively {
            var record = try self.snapshot.record(key)
            try record.checkProvisionable(qualifier, isNew: false)
            record.provisioned[qualifier] = nil
            try await self.commitIfChanged(record)
        }
    }

    private func checkAccount(_ key: FunctionKey, total: Int, requested: Int) throws(ServiceError) {
        let unreserved = configuration.accountConcurrency - snapshot.claimedConcurrency(account: key.account, without: key)
        let minimum = configuration.minimumUnreservedConcurrency
        guard total <= unreserved else {
            throw ServiceError(
                .invalidParameterValue, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [\(unreserved)].")
        }
        guard total <= unreserved - minimum else {
            throw ServiceError(
                .invalidParameterValue,
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [\(minimum)].")
        }
    }
}

extension RegistrySnapshot {
    /// What functions of the account have for themselves alone: reserved, or provisioned without a reservation.
    public func claimedConcurrency(account: String, without key: FunctionKey? = nil) -> Int {
        functions.values.reduce(0) { sum, record in
            guard record.key.account == account, record.key != key else { return sum }
            return sum + (record.reservedConcurrency ?? record.totalProvisionedConcurrency)
        }
    }
}

extension FunctionRecord {
    /// - Parameter isNew: then what else has some is looked at, too.
    public func checkProvisionable(_ qualifier: String, isNew: Bool = true) throws(ServiceError) {
        if qualifier == FunctionVersion.latest {
            throw ServiceError(
                .invalidParameterValue,
                isNew
                    ? "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
                    : "The function resource provided must be an alias or a published version.")
        }
        if version(number: qualifier) == nil {
            guard let alias = aliases[qualifier] else {
                if FunctionAlias.isName(qualifier) { throw ServiceError(.resourceNotFound, "Cannot find alias arn: \(key.arn):\(qualifier)") }
                throw unknown(qualifier: qualifier)
            }
            if isNew { try checkTarget(of: alias) }
        } else if isNew, aliases.values.contains(where: { $0.version == qualifier && provisioned[$0.name] != nil }) {
            throw ServiceError(.resourceConflict, "Version is pointed by a Provisioned Concurrency alias")
        }
    }

    /// Of an alias that has some already and is changed.
    func checkProvisioning(of alias: FunctionAlias) throws(ServiceError) {
        if provisioned[alias.name] != nil { try checkTarget(of: alias) }
    }

    private func checkTarget(of alias: FunctionAlias) throws(ServiceError) {
        if alias.version == FunctionVersion.latest {
            throw ServiceError(.invalidParameterValue, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        }
        if alias.additional != nil {
            throw ServiceError(.invalidParameterValue, "Alias with weights can not be used with Provisioned Concurrency")
        }
        if provisioned[alias.version] != nil {
            throw ServiceError(
                .resourceConflict, "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
        }
    }
}

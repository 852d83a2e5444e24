extension FunctionVersion {
    /// A function with `TenancyConfig` runs for one of its own customers at a time, and is told for whom; any other for nobody in
    /// particular.
    /// - Parameter tenantID: `X-Amz-Tenant-Id`, 1 to 256 characters.
    /// - Throws: `.invalidParameterValue`.
    public func check(tenantID: String?) throws(ServiceError) {
        guard configuration.kept.tenantIsolation != nil else {
            guard tenantID == nil else {
                throw ServiceError(
                    .invalidParameterValue,
                    "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again.")
            }
            return
        }
        guard let tenantID, Self.isTenantID(tenantID) else {
            throw ServiceError(
                .invalidParameterValue,
                "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again.")
        }
        // A version may be older than the check of its settings.
        try configuration.checkTenancy()
    }

    /// The service model's pattern: `[a-zA-Z0-9\._:\/=+\-@ ]+`.
    private static func isTenantID(_ text: String) -> Bool {
        (1...256).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                default: " ._:/=+-@".utf8.contains(byte)
                }
            }
    }
}

extension FunctionConfiguration {
    /// - Throws: `.invalidParameterValue` where tenants would share execution environments.
    public func checkTenancy() throws(ServiceError) {
        guard kept.tenantIsolation != nil, isolation == .environment else { return }
        throw ServiceError(
            .invalidParameterValue, "TenancyConfig and the isolation 'environment' exclude each other: tenants would share execution environments")
    }
}

extension FunctionRecord {
    /// - Throws: `.invalidParameterValue` for what cannot name a tenant.
    public func refuseTenancy(for feature: String) throws(ServiceError) {
        guard latest.configuration.kept.tenantIsolation != nil else { return }
        throw ServiceError(.invalidParameterValue, "\(feature) is not supported for functions with TenancyConfig: it cannot tell whose request it is")
    }
}

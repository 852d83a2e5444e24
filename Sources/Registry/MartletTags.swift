import FunctionModel

/// The tags of a function that are settings, because Lambda's API has no field for them.
struct MartletTags {
    private static let isolationName = "martlet:isolation"
    private static let networkName = "martlet:network"

    /// nil where there is no such tag.
    let isolation: Isolation?
    let network: NetworkAccess?

    /// - Throws: `.invalidParameterValue` for a value that is none of theirs.
    init(_ tags: [String: String]) throws(ServiceError) {
        isolation = try Self.value(tags, Self.isolationName)
        network = try Self.value(tags, Self.networkName)
    }

    func apply(to configuration: inout FunctionConfiguration) {
        if let isolation { configuration.isolation = isolation }
        if let network { configuration.network = network }
    }

    /// What the setting is without its tag.
    static func reset(_ name: String, in configuration: inout FunctionConfiguration) {
        switch name {
        case isolationName: configuration.isolation = .invocation
        case networkName: configuration.network = nil
        default: break
        }
    }

    private static func value<Value: RawRepresentable & CaseIterable>(_ tags: [String: String], _ name: String) throws(ServiceError) -> Value?
    where Value.RawValue == String {
        guard let text = tags[name] else { return nil }
        guard let value = Value(rawValue: text) else {
            throw ServiceError(
                .invalidParameterValue,
                "the tag \(name) is a setting and must be \(Value.allCases.map(\.rawValue).joined(separator: " or ")), not '\(text.prefix(64))'")
        }
        return value
    }
}

public import JSONValues

/// Something that happened to an object in a bucket, or to a file in a folder that stands for one.
public struct ObjectChange: Hashable, Sendable {
    /// As S3 names it in an event, without `s3:`: `ObjectCreated:Put`, `ObjectRemoved:Delete`.
    public var name: String
    /// ISO 8601.
    public var time: String
    public var region: String
    public var bucket: String
    /// As the object is called, not encoded; at most 1,024 bytes.
    public var key: String
    /// Bytes; nil for an object that is gone.
    public var size: Int64?
    public var eTag: String?
    public var versionID: String?
    /// Hexadecimal; rises with the changes of one key.
    public var sequencer: String
    /// Who did it, as far as the sender says.
    public var principal: String
    public var sourceAddress: String
    /// Of the notification's configuration.
    public var configurationID: String
    /// What the sender called the request that led to it.
    public var requestID: String
    /// The object's content; only of small ones, and only where it was asked for.
    public var content: [UInt8]?

    public init(
        name: String, time: String, region: String, bucket: String, key: String, size: Int64?, eTag: String? = nil, versionID: String? = nil,
        sequencer: String, principal: String = "", sourceAddress: String = "", configurationID: String = "", requestID: String = "",
        content: [UInt8]? = nil
    ) {
        self.name = name
        self.time = time
        self.region = region
        self.bucket = bucket
        self.key = key
        self.size = size
        self.eTag = eTag
        self.versionID = versionID
        self.sequencer = sequencer
        self.principal = principal
        self.sourceAddress = sourceAddress
        self.configurationID = configurationID
        self.requestID = requestID
        self.content = content
    }

    /// The same for a notification that is sent again.
    public var identity: String { "\(name) \(bucket)/\(key) \(versionID ?? "") \(sequencer)" }

    /// The event that a Lambda function gets for these changes.
    ///
    /// Source: S3 user guide, "Event message structure", version 2.1. `contentBase64` is Martlet's own.
    public static func event(_ changes: [ObjectChange]) -> JSON { .object([.init("Records", .array(changes.map(\.record)))]) }

    private var record: JSON {
        var object: [JSON.Member] = [.init("key", .string(ObjectKey.encoded(key)))]
        if let size { object.append(.init("size", .integer(Int(size)))) }
        if let eTag { object.append(.init("eTag", .string(eTag))) }
        if let versionID { object.append(.init("versionId", .string(versionID))) }
        object.append(.init("sequencer", .string(sequencer)))
        if let content { object.append(.init("contentBase64", .string(Base64Text.encoded(content)))) }
        return .object([
            .init("eventVersion", .string("2.1")), .init("eventSource", .string("aws:s3")), .init("awsRegion", .string(region)),
            .init("eventTime", .string(time)), .init("eventName", .string(name)),
            .init("userIdentity", .object([.init("principalId", .string(principal))])),
            .init("requestParameters", .object([.init("sourceIPAddress", .string(sourceAddress))])),
            .init("responseElements", .object([.init("x-amz-request-id", .string(requestID)), .init("x-amz-id-2", .string(""))])),
            .init("s3", .object([
                .init("s3SchemaVersion", .string("1.0")), .init("configurationId", .string(configurationID)),
                .init("bucket", .object([
                    .init("name", .string(bucket)), .init("ownerIdentity", .object([.init("principalId", .string(principal))])),
                    .init("arn", .string("arn:aws:s3:::\(bucket)")),
                ])),
                .init("object", .object(object)),
            ])),
        ])
    }
}

public import FunctionModel
public import JSONValues

/// A notification as MinIO's webhook target sends it: `{"EventName", "Key", "Records": […]}`, the records in S3's form but
/// for three things: the source is `minio:s3`, the event's name begins with `s3:`, and a key's `/` is encoded.
///
/// Source: MinIO's documentation, "Publish Events to Webhook", and its bucket notification guide.
public enum MinIONotification {
    /// Changes in one notification. MinIO sends one.
    public static let maximumChanges = 100

    /// - Parameter region: where the sender names none.
    /// - Throws: `.invalidParameterValue`, naming the member that is missing or wrong.
    public static func changes(_ json: JSON, region: String) throws(ServiceError) -> [ObjectChange] {
        guard let records = json["Records"]?.array, !records.isEmpty else {
            throw ServiceError(.invalidParameterValue, "the notification has no Records: it must have the form of S3's events, as MinIO sends them")
        }
        guard records.count <= maximumChanges else {
            throw ServiceError(.invalidParameterValue, "the notification has \(records.count) Records; at most \(maximumChanges) are taken")
        }
        var changes: [ObjectChange] = []
        for record in records { changes.append(try change(record, region: region)) }
        return changes
    }

    private static func change(_ record: JSON, region: String) throws(ServiceError) -> ObjectChange {
        func text(_ value: JSON?, _ name: String) throws(ServiceError) -> String {
            guard let text = value?.string, !text.isEmpty else { throw ServiceError(.invalidParameterValue, "a record has no \(name)") }
            return text
        }
        let event = try text(record["eventName"], "eventName")
        let object = record["s3"]?["object"]
        let encoded = try text(object?["key"], "s3.object.key")
        guard let key = ObjectKey.decoded(encoded), key.utf8.count <= ObjectKey.maximumLength else {
            throw ServiceError(.invalidParameterValue, "s3.object.key '\(encoded.prefix(64))' is not percent-encoded UTF-8 of at most \(ObjectKey.maximumLength) bytes")
        }
        return ObjectChange(
            name: event.hasPrefix("s3:") ? String(event.dropFirst(3)) : event, time: try text(record["eventTime"], "eventTime"),
            region: record["awsRegion"]?.string.flatMap { $0.isEmpty ? nil : $0 } ?? region,
            bucket: try text(record["s3"]?["bucket"]?["name"], "s3.bucket.name"), key: key,
            size: object?["size"]?.integer.map(Int64.init), eTag: object?["eTag"]?.string, versionID: object?["versionId"]?.string,
            sequencer: object?["sequencer"]?.string ?? "", principal: record["userIdentity"]?["principalId"]?.string ?? "",
            sourceAddress: record["requestParameters"]?["sourceIPAddress"]?.string ?? "",
            configurationID: record["s3"]?["configurationId"]?.string ?? "",
            requestID: record["responseElements"]?["x-amz-request-id"]?.string ?? "")
    }
}

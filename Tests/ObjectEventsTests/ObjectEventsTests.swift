import FunctionModel
import JSONValues
import ObjectEvents
import Testing

@Suite struct ObjectEventsTests {
    private let notification = """
        {"EventName":"s3:ObjectCreated:Put","Key":"photos/2026/a b+ü.jpg","Records":[{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"",
        "eventTime":"2026-11-21T10:00:00.000Z","eventName":"s3:ObjectCreated:Put","userIdentity":{"principalId":"minioadmin"},
        "requestParameters":{"principalId":"minioadmin","region":"","sourceIPAddress":"127.0.0.1"},
        "responseElements":{"x-amz-id-2":"d","x-amz-request-id":"17E7","x-minio-deployment-id":"b","x-minio-origin-endpoint":"http://127.0.0.1:9000"},
        "s3":{"s3SchemaVersion":"1.0","configurationId":"Config","bucket":{"name":"photos","ownerIdentity":{"principalId":"minioadmin"},"arn":"arn:aws:s3:::photos"},
        "object":{"key":"2026%2Fa+b%2B%C3%BC.jpg","size":5,"eTag":"5d41","contentType":"image/jpeg","userMetadata":{"content-type":"image/jpeg"},"sequencer":"17E7A0"}},
        "source":{"host":"127.0.0.1","port":"","userAgent":"MinIO"}}]}
        """

    @Test func notificationOfMinIOBecomesTheEventOfS3() throws {
        let changes = try MinIONotification.changes(JSON(parsing: notification), region: "us-east-1")
        #expect(changes.first?.key == "2026/a b+ü.jpg")
        let record = try #require(ObjectChange.event(changes)["Records"]?.array?.first)
        #expect(record["eventSource"]?.string == "aws:s3" && record["eventName"]?.string == "ObjectCreated:Put")
        #expect(record["eventVersion"]?.string == "2.1" && record["awsRegion"]?.string == "us-east-1")
        #expect(record["s3"]?["object"]?["key"]?.string == "2026/a+b%2B%C3%BC.jpg")
        #expect(record["s3"]?["object"]?["size"]?.integer == 5 && record["s3"]?["object"]?["sequencer"]?.string == "17E7A0")
        #expect(record["s3"]?["bucket"]?["arn"]?.string == "arn:aws:s3:::photos")
    }

    @Test(arguments: [
        ("{}", "no Records"), (#"{"Records":[]}"#, "no Records"), (#"{"Records":[{}]}"#, "eventName"),
        (#"{"Records":[{"eventName":"s3:ObjectCreated:Put"}]}"#, "s3.object.key"),
        (#"{"Records":[{"eventName":"e","s3":{"object":{"key":"%zz"}}}]}"#, "percent-encoded"),
        (#"{"Records":[{"eventName":"e","s3":{"object":{"key":"%FF"}}}]}"#, "percent-encoded"),
        (#"{"Records":[{"eventName":"e","s3":{"object":{"key":"k"}}}]}"#, "eventTime"),
        (#"{"Records":[{"eventName":"e","eventTime":"t","s3":{"object":{"key":"k"}}}]}"#, "s3.bucket.name"),
    ])
    func faultyNotificationIsExplained(_ text: String, _ named: String) {
        #expect { try MinIONotification.changes(JSON(parsing: text), region: "r") } throws: { ($0 as? ServiceError)?.message.contains(named) == true }
    }

    @Test(arguments: ["plain.txt", "a/b/c", "mit Leerzeichen", "100%+ü/日本.txt", "a~b(c)'d\"e", ""])
    func keysComeBack(_ key: String) {
        #expect(ObjectKey.decoded(ObjectKey.encoded(key)) == key)
    }

    @Test func filterAsksForEventPrefixAndSuffix() throws {
        let filter = try ObjectFilter(events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"], prefix: "in/", suffix: ".csv")
        #expect(filter.passes(event: "ObjectCreated:Put", key: "in/a.csv"))
        #expect(filter.passes(event: "ObjectRemoved:Delete", key: "in/a.csv"))
        #expect(!filter.passes(event: "ObjectRemoved:DeleteMarkerCreated", key: "in/a.csv"))
        #expect(!filter.passes(event: "ObjectCreated:Put", key: "out/a.csv"))
        #expect(!filter.passes(event: "ObjectCreated:Put", key: "in/a.txt"))
        #expect(try ObjectFilter().passes(event: "ObjectAccessed:Get", key: ""))
    }

    @Test(arguments: ["ObjectCreated:*", "s3:", "s3:Object Created", "s3:*:Put", "s3:" + String(repeating: "x", count: 70)])
    func filterForNoEventIsRefused(_ event: String) {
        #expect(throws: ServiceError.self) { try ObjectFilter(events: [event]) }
    }
}

import FunctionModel
import Registry

/// What the service answered instead of an object, in Lambda's words.
struct S3Answer {
    /// Bytes that are read of an error.
    static let maximumBytes = 65_536

    let status: Int
    let body: [UInt8]
    /// `x-amz-bucket-region`
    let region: String?

    /// Lambda's own sentences, as its users quote them.
    func error(_ object: ObjectReference) -> ServiceError {
        let text = String(decoding: body, as: UTF8.self)
        let code = Self.element("Code", in: text) ?? Self.code(status)
        let message = Self.element("Message", in: text) ?? "the service answered \(status)"
        switch status {
        case 403:
            return ServiceError(
                .accessDenied,
                "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for \(object.bucket)/\(object.key). S3 Error Code: \(code). S3 Error Message: \(message)")
        case 301, 302, 307, 308:
            let place = region.map { "The bucket is in this region: \($0). Please use this region to retry the request" } ?? message
            return ServiceError(.invalidParameterValue, "Error occurred while GetObject. S3 Error Code: PermanentRedirect. S3 Error Message: \(place)")
        case 500...: return ServiceError(.unavailable, "Error occurred while GetObject. S3 Error Code: \(code). S3 Error Message: \(message)", retryAfter: 5)
        default: return ServiceError(.invalidParameterValue, "Error occurred while GetObject. S3 Error Code: \(code). S3 Error Message: \(message)")
        }
    }

    /// Where the body says nothing, as some proxies' do not.
    private static func code(_ status: Int) -> String {
        switch status {
        case 403: "AccessDenied"
        case 404: "NoSuchKey"
        default: "\(status)"
        }
    }

    /// The first one's text, shortened to 500 characters.
    private static func element(_ name: String, in text: String) -> String? {
        guard let start = text.firstRange(of: "<\(name)>"), let end = text[start.upperBound...].firstRange(of: "</\(name)>") else { return nil }
        var content = String(text[start.upperBound..<end.lowerBound].prefix(500))
        for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")] {
            content = content.replacing(entity, with: character)
        }
        return content
    }
}

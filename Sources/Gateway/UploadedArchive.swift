import FunctionModel
import JSONValues
import LambdaAPI
import NIOCore

/// Takes the archive out of a CreateFunction, UpdateFunctionCode or PublishLayerVersion body before the rest is decoded.
///
/// A full-size archive is 70 MB of base64; a general decoder would hold it four times.
struct UploadedArchive {
    /// The body with `null` in the archive's place.
    let json: [UInt8]
    /// nil where the body has none, or one that needs the general decoder.
    let archive: [UInt8]?

    /// - Throws: `.invalidRequestContent` for a body that is not JSON, or an archive that is not base64.
    init(body: ByteBuffer) throws(ServiceError) {
        guard body.readableBytes > 0 else {
            (json, archive) = (Array("{}".utf8), nil)
            return
        }
        let found: Range<Int>?
        do throws(JSONFault) { found = try Self.find(body) } catch {
            throw ServiceError(.invalidRequestContent, "Could not parse request body into json: \(error.description)")
        }
        guard let range = found else {
            (json, archive) = (Array(body.readableBytesView), nil)
            return
        }
        let decoded = body.withUnsafeReadableBytes { Base64.decode(UnsafeRawBufferPointer(rebasing: $0[range])) }
        guard let decoded else {
            throw ServiceError(.invalidRequestContent, "Could not parse request body into json: 'ZipFile' is not valid base64")
        }
        let view = body.readableBytesView
        // The range lies between the quotes, which go too.
        json = Array(view.prefix(range.lowerBound - 1)) + Array("null".utf8) + Array(view.dropFirst(range.upperBound + 1))
        archive = decoded
    }

    /// The body with an empty text in the archive's place; an empty body stays empty.
    static func withoutArchive(_ body: ByteBuffer) throws(JSONFault) -> [UInt8] {
        let view = body.readableBytesView
        guard body.readableBytes > 0, let range = try find(body) else { return Array(view) }
        return Array(view.prefix(range.lowerBound)) + Array(view.dropFirst(range.upperBound))
    }

    private static func find(_ body: ByteBuffer) throws(JSONFault) -> Range<Int>? {
        try body.withUnsafeReadableBytes { bytes throws(JSONFault) in try find(bytes) }
    }

    /// Where the text of `ZipFile`, `Code.ZipFile` or `Content.ZipFile` is; nil also if it has escapes.
    private static func find(_ bytes: UnsafeRawBufferPointer) throws(JSONFault) -> Range<Int>? {
        try JSONScanner.validate(bytes, maximumDepth: 64)
        var scanner = JSONScanner(bytes, maximumDepth: 64)
        return try find(&scanner, bytes, isInner: false)
    }

    private static func find(
        _ scanner: inout JSONScanner, _ bytes: UnsafeRawBufferPointer, isInner: Bool
    ) throws(JSONFault) -> Range<Int>? {
        guard scanner.takeIf(UInt8(ascii: "{")), scanner.peek() == UInt8(ascii: "\"") else { return nil }
        var result: Range<Int>?
        repeat {
            let name = bytes[try scanner.takeString().range]
            try scanner.take(UInt8(ascii: ":"))
            if name.elementsEqual("ZipFile".utf8), scanner.peek() == UInt8(ascii: "\"") {
                let text = try scanner.takeString()
                if result != nil { return nil }
                if !text.isEscaped { result = text.range }
            } else if !isInner, name.elementsEqual("Code".utf8) || name.elementsEqual("Content".utf8), scanner.peek() == UInt8(ascii: "{") {
                var inner = scanner
                if let range = try find(&inner, bytes, isInner: true) {
                    if result != nil { return nil }
                    result = range
                }
                try scanner.skipValue()
            } else {
                try scanner.skipValue()
            }
        } while scanner.takeIf(UInt8(ascii: ","))
        return result
    }
}

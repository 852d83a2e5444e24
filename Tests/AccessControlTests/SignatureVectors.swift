// Made by make-vectors.py with botocore; do not edit.

struct SignatureVector: Sendable, CustomStringConvertible {
    let name: String
    let method: String
    let target: String
    let headers: [(name: String, value: String)]
    let body: [UInt8]
    let region: String
    let signature: String
    var description: String { name }

    static let accessKeyID = "AKIAMARTLETEXAMPLE01"
    static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    static let time: Int64 = 1795249257

    static let all: [SignatureVector] = [
        SignatureVector(
            name: "get", method: "GET", target: "/2015-03-31/functions",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=2d49d26a5478960cbe8cee68cc75ab580f301bce0d7dbe14555d0a1d36a9b961")],
            body: [], region: "us-east-1", signature: "2d49d26a5478960cbe8cee68cc75ab580f301bce0d7dbe14555d0a1d36a9b961"),
        SignatureVector(
            name: "trailing slash", method: "GET", target: "/2015-03-31/functions/",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=e43b28833e81ab274381bff25aaba72677de67cb906ba5e4a9662e12dc58afa5")],
            body: [], region: "eu-central-1", signature: "e43b28833e81ab274381bff25aaba72677de67cb906ba5e4a9662e12dc58afa5"),
        SignatureVector(
            name: "root", method: "GET", target: "/",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=a65c321e1adaef0ca6d1214acaee0e26fbfc14d0059fb19c5ee4d06c70276250")],
            body: [], region: "us-east-1", signature: "a65c321e1adaef0ca6d1214acaee0e26fbfc14d0059fb19c5ee4d06c70276250"),
        SignatureVector(
            name: "post with body", method: "POST", target: "/2015-03-31/functions/hello/invocations",
            headers: [("Host", "127.0.0.1:9000"), ("Content-Type", "application/json"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=1ee6e5fbc07f13da3c57294e4593508462494f821d969a8d9d83a7f7413fe338")],
            body: [123, 34, 110, 97, 109, 101, 34, 58, 34, 65, 100, 97, 34, 125], region: "eu-central-1", signature: "1ee6e5fbc07f13da3c57294e4593508462494f821d969a8d9d83a7f7413fe338"),
        SignatureVector(
            name: "encoded arn in the path", method: "GET", target: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ahello",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=c5816b553b9d4edae3cf9352f703bd56f5ca217039450161b644603fed9b9d40")],
            body: [], region: "us-east-1", signature: "c5816b553b9d4edae3cf9352f703bd56f5ca217039450161b644603fed9b9d40"),
        SignatureVector(
            name: "unencoded arn in the path", method: "GET", target: "/2017-03-31/tags/arn:aws:lambda:us-east-1:123456789012:function:hello",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=52153cbea2b82fb9dcfae30ceca3afa7095dd3abc4b5c61e874d391b77830787")],
            body: [], region: "eu-central-1", signature: "52153cbea2b82fb9dcfae30ceca3afa7095dd3abc4b5c61e874d391b77830787"),
        SignatureVector(
            name: "space in the path", method: "GET", target: "/fn/hello/a%20b",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=3abe33a32f2de7bf13d02647afc7b47ed2b83cfe9f7b44db13d54431a496024b")],
            body: [], region: "us-east-1", signature: "3abe33a32f2de7bf13d02647afc7b47ed2b83cfe9f7b44db13d54431a496024b"),
        SignatureVector(
            name: "unreserved in the path", method: "GET", target: "/fn/hello/a-b_c.d~e",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=d89c3d12d5bf43f93c9095f7d669457b757c50816fc36f7f146cae7c16800d21")],
            body: [], region: "eu-central-1", signature: "d89c3d12d5bf43f93c9095f7d669457b757c50816fc36f7f146cae7c16800d21"),
        SignatureVector(
            name: "sub-delimiters in the path", method: "GET", target: "/fn/hello/a!b$c&d'e(f)g*h+i,j;k=l@m",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=1fd294227b0a32004f3ceeead7dc4da814d53a3b2600400f26dd080e94608972")],
            body: [], region: "us-east-1", signature: "1fd294227b0a32004f3ceeead7dc4da814d53a3b2600400f26dd080e94608972"),
        SignatureVector(
            name: "utf-8 in the path", method: "GET", target: "/fn/hello/%E1%88%B4",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=1e2adb3154c71a5383087860b5bd6d86cfa2815acdff6c0f3a1444b28db4e15a")],
            body: [], region: "eu-central-1", signature: "1e2adb3154c71a5383087860b5bd6d86cfa2815acdff6c0f3a1444b28db4e15a"),
        SignatureVector(
            name: "dot segments", method: "GET", target: "/fn/hello/./a/../b",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=0b46994db035d46100c31345359c662968c6a0a553612d971978acd850f3cd02")],
            body: [], region: "us-east-1", signature: "0b46994db035d46100c31345359c662968c6a0a553612d971978acd850f3cd02"),
        SignatureVector(
            name: "double slashes", method: "GET", target: "/fn//hello///b",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=fa307dbc62fc89779da28586285fc5aea61e3e54952dd1abd5c579a678e69b6f")],
            body: [], region: "eu-central-1", signature: "fa307dbc62fc89779da28586285fc5aea61e3e54952dd1abd5c579a678e69b6f"),
        SignatureVector(
            name: "query out of order", method: "GET", target: "/2015-03-31/functions?Marker=b&MaxItems=5&FunctionVersion=ALL",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=42a8187ed89c2ad1be016f8bb364a1b710683991540c7d26f384905708d668d5")],
            body: [], region: "us-east-1", signature: "42a8187ed89c2ad1be016f8bb364a1b710683991540c7d26f384905708d668d5"),
        SignatureVector(
            name: "query values out of order", method: "GET", target: "/2017-03-31/tags/x?tagKeys=b&tagKeys=a&tagKeys=C",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=8cc68093250fd1fb6c9a84e8c61cd89cd89a9a4d63aa83e6cb1756113921d727")],
            body: [], region: "eu-central-1", signature: "8cc68093250fd1fb6c9a84e8c61cd89cd89a9a4d63aa83e6cb1756113921d727"),
        SignatureVector(
            name: "encoded query", method: "GET", target: "/2015-03-31/functions/hello?Qualifier=%24LATEST",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=4833ce2efd6f540efca24dee44f1ab3820aac331d13e0c21d2fb112fb217679f")],
            body: [], region: "us-east-1", signature: "4833ce2efd6f540efca24dee44f1ab3820aac331d13e0c21d2fb112fb217679f"),
        SignatureVector(
            name: "empty query value", method: "GET", target: "/fn/hello?a=&b=",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=cc783c2d74b41759602a203331a072728711f89642ce4619891a30a1f43cfb37")],
            body: [], region: "eu-central-1", signature: "cc783c2d74b41759602a203331a072728711f89642ce4619891a30a1f43cfb37"),
        SignatureVector(
            name: "space and slash in the query", method: "GET", target: "/fn/hello?path=a%2Fb&text=c%20d",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=32cd9e281e62b816304b09bb45a7aaf46a41ae66abbdbf61ef63838f5a036719")],
            body: [], region: "us-east-1", signature: "32cd9e281e62b816304b09bb45a7aaf46a41ae66abbdbf61ef63838f5a036719"),
        SignatureVector(
            name: "utf-8 in the query", method: "GET", target: "/fn/hello?%E1%88%B4=bar",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=fed89318e6e6edc673b1b523ac3cfe77a9f61a899d563f1580504fe44ea4b46a")],
            body: [], region: "eu-central-1", signature: "fed89318e6e6edc673b1b523ac3cfe77a9f61a899d563f1580504fe44ea4b46a"),
        SignatureVector(
            name: "case in the query", method: "GET", target: "/fn/hello?a=1&B=2&A=3&b=4",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=6b5e98ddb3c1bf50d212ae7d405b7ecb3cec0761c28ffa743680beb5a7f892af")],
            body: [], region: "us-east-1", signature: "6b5e98ddb3c1bf50d212ae7d405b7ecb3cec0761c28ffa743680beb5a7f892af"),
        SignatureVector(
            name: "header with inner spaces", method: "GET", target: "/fn/hello",
            headers: [("Host", "127.0.0.1:9000"), ("My-Header1", " a   b   c  "), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;my-header1;x-amz-date, Signature=bef60c4da5c0e2fb279d78cdaac919831de82c10edaa84bdeb7876615d91c303")],
            body: [], region: "eu-central-1", signature: "bef60c4da5c0e2fb279d78cdaac919831de82c10edaa84bdeb7876615d91c303"),
        SignatureVector(
            name: "x-amz headers", method: "POST", target: "/2015-03-31/functions/hello/invocations",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Invocation-Type", "DryRun"), ("X-Amz-Log-Type", "Tail"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date;x-amz-invocation-type;x-amz-log-type, Signature=733178ba434f8b3ddb99beb5171c5337a2e39d5d009442a478140add94e3eb12")],
            body: [123, 125], region: "us-east-1", signature: "733178ba434f8b3ddb99beb5171c5337a2e39d5d009442a478140add94e3eb12"),
        SignatureVector(
            name: "declared digest", method: "POST", target: "/fn/hello",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Content-SHA256", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=e8d99e7ee1e7c004eb5e74442f4def58ede707e7e16cc3db3c58aec843f7a659")],
            body: [123, 125], region: "eu-central-1", signature: "e8d99e7ee1e7c004eb5e74442f4def58ede707e7e16cc3db3c58aec843f7a659"),
        SignatureVector(
            name: "binary body", method: "PUT", target: "/fn/hello",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=acf74dc7650a04b4588f4045bc3f3ebbd5dedafa33be360e3ff225d9c0fb1dbe")],
            body: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255], region: "us-east-1", signature: "acf74dc7650a04b4588f4045bc3f3ebbd5dedafa33be360e3ff225d9c0fb1dbe"),
        SignatureVector(
            name: "random 0", method: "POST", target: "/%2CXY/%2BX/cZ%25%3F",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=88d74ce75b27a8f20c8a6503ae68a83ca57b8af0a3fc2854d882065bf38bb820")],
            body: [206, 110, 17, 141, 108], region: "eu-central-1", signature: "88d74ce75b27a8f20c8a6503ae68a83ca57b8af0a3fc2854d882065bf38bb820"),
        SignatureVector(
            name: "random 1", method: "PUT", target: "/%2AX?%2CX%2Ac9=%2F-&1%3A.0~=0Y&X%21%5D%3F%40=%23%2B%3A&.%27=",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=398d0c609ac03ffc6b55fada7f7e9b6e175e33b325462560221bf3db2445586a")],
            body: [6, 242, 191, 126, 199, 2, 9, 224, 205, 5, 238, 87, 32, 237, 188, 186, 58, 204, 230, 114, 8, 74, 182, 73, 252, 188, 228, 155, 56, 189, 236, 250, 18], region: "us-east-1", signature: "398d0c609ac03ffc6b55fada7f7e9b6e175e33b325462560221bf3db2445586a"),
        SignatureVector(
            name: "random 2", method: "POST", target: "/_%26-%20%3FcY?%40%26%3D%5D%23=&%29=YX%3A&%25%3B%24%3Db=%3D_1&X%21%3B9=%27%2C%2C%5DZ",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=d9f777b3f719ac5e21e74e37c22ded91fb10a359659fe94ecdaf7637d99da8d3")],
            body: [118, 40, 210, 102, 17, 24, 168, 140, 31, 119, 32, 71, 89, 113, 37, 226, 126, 151, 13, 35, 217, 82, 188, 209, 176, 170, 54, 110], region: "eu-central-1", signature: "d9f777b3f719ac5e21e74e37c22ded91fb10a359659fe94ecdaf7637d99da8d3"),
        SignatureVector(
            name: "random 3", method: "GET", target: "/%3F%3D%24%2A-/.-/%2Aa%20./%3Ba-%3F%2B/9%C3%A9X%5B%2C%2C?0%5B%2CX=Y&%25_=&X0a=-0%2Bb",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=49b99f09d3200ef4508e98e06a140e27bae0bb7b939147fa667fb19cc80f302a")],
            body: [28, 160, 51, 157, 74, 145, 80, 96, 157, 103, 7, 38, 162], region: "us-east-1", signature: "49b99f09d3200ef4508e98e06a140e27bae0bb7b939147fa667fb19cc80f302a"),
        SignatureVector(
            name: "random 4", method: "PUT", target: "/%2B%5D11%20%5B/%5D%3AZ-0%26%28%5D/b%21%2B?b%C3%A9%3AZ%28=%2B_%3D%2A",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=3d44688dd58a843de023f09e573ce944f00de2c5740b5fff768d73eb34c62eca")],
            body: [66, 66, 25, 57, 82, 134, 252, 156, 96, 51, 191, 207, 177, 136, 212, 201, 11, 29, 36, 252, 2, 107, 33, 194, 138, 225, 69, 218, 7, 23, 245, 49, 146, 42, 91, 206, 165, 130, 72, 61], region: "eu-central-1", signature: "3d44688dd58a843de023f09e573ce944f00de2c5740b5fff768d73eb34c62eca"),
        SignatureVector(
            name: "random 5", method: "DELETE", target: "/~%20%3Db/%29/%28~%3D%23%3D%2BZ%2A/%2A%5D?%21%5Ba=%3DZ1",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=593d65d9215bdb7747f5ca6c3b6bf5ea4b911c0dbb9c3202e6acf179136e7bd4")],
            body: [145, 90, 96, 122, 190, 57, 150, 227, 127, 153, 179, 45], region: "us-east-1", signature: "593d65d9215bdb7747f5ca6c3b6bf5ea4b911c0dbb9c3202e6acf179136e7bd4"),
        SignatureVector(
            name: "random 6", method: "PUT", target: "/Z%2C%5B%2CZ_/9b-/-%5D%3D-9ba0/%25~%21",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=ea2efc7919ae5ad651b6a1b34fb46f43b16d8eea0498cc1f3d37dae3f2853f1d")],
            body: [209, 220, 255, 74, 214, 37, 76, 128, 76, 253, 147, 61, 195], region: "eu-central-1", signature: "ea2efc7919ae5ad651b6a1b34fb46f43b16d8eea0498cc1f3d37dae3f2853f1d"),
        SignatureVector(
            name: "random 7", method: "DELETE", target: "/%28%3F9X%3D%5B/%C3%A99-%C3%A9b%23./-/-%5D1/%40?%C3%A9%5B0X%27=%29&0=%25bY%25&%20%20~=%29%25%20%5B%20&%C3%A9%28=~%259%2F&%2C=%40Y%27",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=86cd31c991db90e3367d444deea1859201c5af6e0812a512ce63cb3786109fb4")],
            body: [174, 214, 114, 54], region: "us-east-1", signature: "86cd31c991db90e3367d444deea1859201c5af6e0812a512ce63cb3786109fb4"),
        SignatureVector(
            name: "random 8", method: "PUT", target: "/-%2B/%289%5B/0%2C%20_?_%3F=%2C%26%2F~&%40Z%2B=&%23%25b=%26%C3%A9%3B&Y1%2A0Z=%29c&%299=%3F%28%2C-%20%5D",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=31aa9f740fee90f151465101dfbabb92d12f4ff83756adae884087ab4b0d6f2d")],
            body: [135, 160, 112, 71, 14], region: "eu-central-1", signature: "31aa9f740fee90f151465101dfbabb92d12f4ff83756adae884087ab4b0d6f2d"),
        SignatureVector(
            name: "random 9", method: "POST", target: "/Y%29bZ%28Z%2A/%281?%26=%2F%299c&%271_%28X=~&%3A%C3%A9%21=%25%20",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=f51375d9a96c078d0063728df90622840c6bfef9c06373a5c27950839bbb0cce")],
            body: [27, 15, 213, 88, 71, 231, 189, 205, 81, 86, 166, 4, 86, 124, 151, 254, 64], region: "us-east-1", signature: "f51375d9a96c078d0063728df90622840c6bfef9c06373a5c27950839bbb0cce"),
        SignatureVector(
            name: "random 10", method: "DELETE", target: "/b?~%20%5B%27%25=&%5D%2C%20%3A=%21%2A%26~9&%3DX9a=&%3F_X=&%20%3B%27%3B=",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=1b6f31b3ecf2c2c0c1e72e90a14585f3a4e587d3a98d63b2304ac65aafe70d2c")],
            body: [36, 20, 84, 40, 255, 150, 223, 68, 143, 33, 114], region: "eu-central-1", signature: "1b6f31b3ecf2c2c0c1e72e90a14585f3a4e587d3a98d63b2304ac65aafe70d2c"),
        SignatureVector(
            name: "random 11", method: "POST", target: "/%2B%26%40%27c?%3D.=&%24Z%5B=%20~",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=2278611fa367710e0d594cc7247ddcbfde966c7b19908f1427a57a63717e4648")],
            body: [239, 137, 183, 198, 43, 112, 68, 1, 148, 14, 66, 23, 6, 143, 160, 67, 103, 208, 41, 209, 33, 20, 250, 22, 156, 88, 212, 36, 40, 93, 70, 102], region: "us-east-1", signature: "2278611fa367710e0d594cc7247ddcbfde966c7b19908f1427a57a63717e4648"),
        SignatureVector(
            name: "random 12", method: "GET", target: "/%2C/%3A/%2AZ-%24%40/-%3B-c%C3%A9%25%C3%A99/%2A",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=3a316c34bcf2376a2d8abcd782cfe86e8cb699025f5ca2ac99488465d38f0629")],
            body: [18, 34], region: "eu-central-1", signature: "3a316c34bcf2376a2d8abcd782cfe86e8cb699025f5ca2ac99488465d38f0629"),
        SignatureVector(
            name: "random 13", method: "GET", target: "/%24%23/b/%20%28a%5B",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=c726ba6b5c88e386ccef1df44843802d9cfad8913bc560e051dd9a7e08e91077")],
            body: [1, 173, 232, 16, 38, 6, 232, 190, 234, 40, 158, 188, 38, 201, 78, 121, 70, 193, 143, 64, 94, 246, 40, 207, 178, 39, 15, 19, 178, 54, 156, 216, 67], region: "us-east-1", signature: "c726ba6b5c88e386ccef1df44843802d9cfad8913bc560e051dd9a7e08e91077"),
        SignatureVector(
            name: "random 14", method: "POST", target: "/%2A%5B%20%24/%5D%3B",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=5d807e37524ddeef8c7ba2c54be5b7bd762555932a786d7738a7e32f48b6d87f")],
            body: [224, 72, 134, 153], region: "eu-central-1", signature: "5d807e37524ddeef8c7ba2c54be5b7bd762555932a786d7738a7e32f48b6d87f"),
        SignatureVector(
            name: "random 15", method: "GET", target: "/%28%3A9a%5DX/%290%21%20%3B%3B%5B%5B?~=Z%5B&%3B=Y%20%25&%24%21%21=",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=5bc62bb47dd805d90d933b91ea227ab25377d63a2c7b8dce55be49d13bb6da77")],
            body: [27, 65, 91, 191, 181, 43, 41, 134, 67], region: "us-east-1", signature: "5bc62bb47dd805d90d933b91ea227ab25377d63a2c7b8dce55be49d13bb6da77"),
        SignatureVector(
            name: "random 16", method: "PUT", target: "/%C3%A9%291/%2A%20%20%2Cb_/%20?%2C%3A-%2F=%24%40&%26=&%26%2C1=a&%28%2BY=%24Y%2B&%29X%290=",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=7e62b69ca899822b3f1429c5b0e676343a8c72ac39336f9cd9dc07d9268e872b")],
            body: [163, 209, 130, 239, 223, 64, 31, 38, 152, 190, 211, 63, 85, 252, 149, 248, 83, 192, 6, 68, 54, 121, 173, 111, 111, 120, 206, 130, 122, 64, 203, 80, 113, 242, 153, 48, 251, 92, 239, 197], region: "eu-central-1", signature: "7e62b69ca899822b3f1429c5b0e676343a8c72ac39336f9cd9dc07d9268e872b"),
        SignatureVector(
            name: "random 17", method: "DELETE", target: "/b%2C%21ZX%3F%23/%3B%20X/_%5D%3F?%3A%28%28=%27%3A%5B&%2C1__Y=%20",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=86a668f0a87bb74dfc51a670f71306540870e05583277101a3a22fd82df67ff2")],
            body: [61, 147, 83, 56, 61, 229, 246, 115, 144, 157, 0, 232, 52, 160, 52, 85, 51, 254, 24, 255, 79, 17, 94, 194, 149, 155, 48, 115, 122, 152, 107, 109, 145, 188, 35], region: "us-east-1", signature: "86a668f0a87bb74dfc51a670f71306540870e05583277101a3a22fd82df67ff2"),
        SignatureVector(
            name: "random 18", method: "GET", target: "/%27Z.%26/%40%27/%28~b%3F%24%3F/%24%29%26X/%29%2B9%C3%A9%21Z%29%27?%25%3F%3Ab=c&%5B%5DaY=%C3%A9%23%25&0%2A=-",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=688568c822a7ff35f0270b5ff9150f6f90c7166af5080222c92cd7c2d816982f")],
            body: [26, 200, 194, 21, 231, 41, 47, 141, 58, 103, 224, 198, 59, 180, 31, 10, 90, 134, 89, 0, 253, 184, 68, 200, 250, 182, 42, 32, 59], region: "eu-central-1", signature: "688568c822a7ff35f0270b5ff9150f6f90c7166af5080222c92cd7c2d816982f"),
        SignatureVector(
            name: "random 19", method: "GET", target: "/%3A/%28%251/Y%3A/%24%28%2Aa/%3A?%40%27%5B=%27%27b%2F&Xb~=%2FZ%28&%3F%2B=%5D",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=0ca71a93658784ebcc89934385ee9a10f5163381401d5c3b6eb10d8f2a9d8e29")],
            body: [54, 159, 228, 183, 1, 157, 169, 107, 6, 255, 192, 92, 170, 176, 188, 174, 84, 187, 119, 101, 50], region: "us-east-1", signature: "0ca71a93658784ebcc89934385ee9a10f5163381401d5c3b6eb10d8f2a9d8e29"),
        SignatureVector(
            name: "random 20", method: "DELETE", target: "/%C3%A9Y%21%20~?%2A%23=%28&0%5D.=%5D",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=3852dc431c9bc95fa6d9e3919d8886d0f9c4f95d155d246c10fbb8748e49cf1e")],
            body: [5, 226, 242], region: "eu-central-1", signature: "3852dc431c9bc95fa6d9e3919d8886d0f9c4f95d155d246c10fbb8748e49cf1e"),
        SignatureVector(
            name: "random 21", method: "DELETE", target: "/%2CX%21/-/XX.%2C%23%401/_%26/.%5Bc%3A?%2B%26%25_=&Z=Z%3D&1%21%24%3D=%3A%3FZX%5B~&%25~%40=%5Bb&%27%2Cc%24=",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=bcd2ed209815c9885157253984fcc0753ce7b604eedbd00aa59b30c4a178eda4")],
            body: [119, 144, 167, 205], region: "us-east-1", signature: "bcd2ed209815c9885157253984fcc0753ce7b604eedbd00aa59b30c4a178eda4"),
        SignatureVector(
            name: "random 22", method: "POST", target: "/~Y%26%2B%29?c%28%40%29%3A=&Yb%2A0%5B=%23%24%28%3F%5D",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=c96804e88496cd181b29eca6ff21dc9259a403996f751b019dae5d1f23b8f034")],
            body: [18, 27, 213, 46, 162, 128, 58, 2, 8, 30, 117, 205, 151, 179, 89, 238, 254, 140, 13, 189, 144, 9, 166, 77, 157, 22, 160, 210, 29, 46, 177], region: "eu-central-1", signature: "c96804e88496cd181b29eca6ff21dc9259a403996f751b019dae5d1f23b8f034"),
        SignatureVector(
            name: "random 23", method: "DELETE", target: "/%40%40%5B%2B/%C3%A9~?%27%2F=&%5B=%40_%3F0&%28=Z%210%2F",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=9aaf406f85196db42197a5e95e5102362947dbaefbbd27a4f4510f1daa02cbfc")],
            body: [86, 77, 86, 44, 253, 73, 244, 59, 192, 198, 7, 34, 79, 17, 182, 106, 157, 25, 255, 117, 95, 123, 204, 158, 124, 200, 41, 228], region: "us-east-1", signature: "9aaf406f85196db42197a5e95e5102362947dbaefbbd27a4f4510f1daa02cbfc"),
        SignatureVector(
            name: "random 24", method: "DELETE", target: "/%3B%3B/%29%2B%28%28~?.%27=-&~%40Y=%28%27%20&%2A0%23c0=",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=c1efb1120c1dada8bfde67824bf68a8c8970ee3e93f017c60deb1be71bcdb89b")],
            body: [161, 179, 46, 215, 40, 154, 195, 114, 58, 132, 20, 234, 182, 95], region: "eu-central-1", signature: "c1efb1120c1dada8bfde67824bf68a8c8970ee3e93f017c60deb1be71bcdb89b"),
        SignatureVector(
            name: "random 25", method: "PUT", target: "/%2A1X~~",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=eb42c98a9e9ca61673951c1bff80e3c17bc86521ef704c51a42213550e70f825")],
            body: [71, 133, 186, 221, 56, 157, 129, 45, 38, 32, 249, 114, 25, 249, 96, 154, 115, 247, 139, 66, 67, 72, 102, 198, 140, 88, 28, 199, 56, 108, 45, 170], region: "us-east-1", signature: "eb42c98a9e9ca61673951c1bff80e3c17bc86521ef704c51a42213550e70f825"),
        SignatureVector(
            name: "random 26", method: "PUT", target: "/%3D%21",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=dc0fc7a96c8b771f92adb2d829ac30f9723ed5a47bcf47515299cdc234f60c0f")],
            body: [109, 202, 48, 36, 124, 127, 78, 11, 170, 204, 55, 52, 13, 186, 247, 255, 198, 5, 66, 65, 9], region: "eu-central-1", signature: "dc0fc7a96c8b771f92adb2d829ac30f9723ed5a47bcf47515299cdc234f60c0f"),
        SignatureVector(
            name: "random 27", method: "POST", target: "/a%40%3F%2B/%3AY%21/%20/Y%3F0%2C-Z_%2C/%3F%3B%3A%3FX?%3D%2F%2Fb%2B=~%2C%2C%21a&_%3F1Z=%2B%23_",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=6c9bbf4db310805d655efa12f3869bf587c6b07dbcad781b057dd6780874310d")],
            body: [], region: "us-east-1", signature: "6c9bbf4db310805d655efa12f3869bf587c6b07dbcad781b057dd6780874310d"),
        SignatureVector(
            name: "random 28", method: "DELETE", target: "/%2CZ%2B?_-%3D%3B_=_Y0%24&~%3A9c=%40X%24&_=%2A%2C~%5B.&%21c%2C%C3%A9_=%3D1-&~c=c%401%24",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=f95b8204f9613c400005e555da3457e412647532757e090318f96be47dd2b677")],
            body: [230, 177, 88, 217, 31, 218, 133, 160, 203, 167, 48, 199, 212, 12, 100, 78, 151, 176, 38, 166, 99, 212, 137, 107, 255, 244, 230, 78, 208, 227, 38, 149, 109, 207, 63], region: "eu-central-1", signature: "f95b8204f9613c400005e555da3457e412647532757e090318f96be47dd2b677"),
        SignatureVector(
            name: "random 29", method: "POST", target: "/%2B%23%C3%A9%23.ba/%5B%27%23%5B.%5D%2C0/9%3D/%2BZ%23%C3%A9%C3%A9cc?Z%40=%20ZX%20%249&Y=1~9%5D&_%2AY=%3D%28_%40%29%23&%28%20=%21%28%20&%40%2B=",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=fca17d4c897e86977fed6424c4b407a179cb47c57c95961123afe7d3b6ba2509")],
            body: [20, 131, 73, 103, 136, 83, 70, 41, 94, 246, 162], region: "us-east-1", signature: "fca17d4c897e86977fed6424c4b407a179cb47c57c95961123afe7d3b6ba2509"),
        SignatureVector(
            name: "random 30", method: "DELETE", target: "/%24_%281X%2B/0%28%2C%2B%28%24%2B-/%26Z%23%2A.X?%28%3A%40ac=-&%3F%2F%20=X9",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=6f835ac02c7559f5f4042fd7312ac5a8ee7f53a209f3628f835448216e749b51")],
            body: [213, 18, 206, 156, 49, 29, 50, 167, 159, 95, 171, 11, 180, 5], region: "eu-central-1", signature: "6f835ac02c7559f5f4042fd7312ac5a8ee7f53a209f3628f835448216e749b51"),
        SignatureVector(
            name: "random 31", method: "GET", target: "/%3D?%C3%A9=%2A%2F&%3A9%21%2B%5B=9",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=c5fdeee257e3408053b6f2ed2fb5b2afdfd69210f2503aee21bd18e412055575")],
            body: [239, 236, 28, 181, 209, 97, 57, 38, 226, 27, 107, 115, 167, 134, 24], region: "us-east-1", signature: "c5fdeee257e3408053b6f2ed2fb5b2afdfd69210f2503aee21bd18e412055575"),
        SignatureVector(
            name: "random 32", method: "GET", target: "/%29%2C%28",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=1833029940ab48e2e39f4cb27b2681ce33e904c9d34eef27b74c94bd02047ec9")],
            body: [125, 115, 134, 228, 105, 103, 175, 89, 115, 217, 63, 152, 109, 79, 70, 165, 16, 198, 22, 148, 179, 224, 153, 113, 90, 231, 20, 154, 114, 135, 233, 239, 73, 128, 132], region: "eu-central-1", signature: "1833029940ab48e2e39f4cb27b2681ce33e904c9d34eef27b74c94bd02047ec9"),
        SignatureVector(
            name: "random 33", method: "DELETE", target: "/_acX/%2C/%27_X/a~?~%C3%A9%20%2F=.%20%3AY%3AX",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=2f68a5f5b7de6eb0b6fbbdeccffde851c4360898bb24f2bb09a233a8fa58a2e7")],
            body: [66, 29, 160, 1, 50, 103, 10, 96, 1, 186, 44, 216, 210, 32, 200, 111, 180, 154, 196, 190, 81, 218, 137, 233, 186, 164, 27, 119, 23, 62, 154, 20, 227, 189], region: "us-east-1", signature: "2f68a5f5b7de6eb0b6fbbdeccffde851c4360898bb24f2bb09a233a8fa58a2e7"),
        SignatureVector(
            name: "random 34", method: "GET", target: "/%2A0%28/c1%26%28/%29/%28%3B%21Z%C3%A9a_?~_=%40~%24%26%27&%5B%5B%C3%A9a=b%3F%2A%3A%21%2C",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=de960d5b89473e377ea0249b0a01763238ac75dc56b7d0a53528ea78f737c34f")],
            body: [0, 132, 41, 233, 77, 113, 234, 43, 61, 44, 4, 37, 216, 6, 109, 8, 227, 21, 227, 6, 193, 5, 165, 28, 63, 70, 79, 27, 241, 94, 57, 159, 92, 151, 207, 237], region: "eu-central-1", signature: "de960d5b89473e377ea0249b0a01763238ac75dc56b7d0a53528ea78f737c34f"),
        SignatureVector(
            name: "random 35", method: "GET", target: "/-bbc9c/cY?~Y%24=&%21%21=&c=Z%3B%5B090&%3B%40=%3F%28",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=b3042ac25cbdf23d5f1032f4b7fc05cb7d7537d2c46571b8bebca41c14c565a3")],
            body: [84, 61, 183, 65, 200, 221, 26, 238, 158, 7, 88, 72, 1, 120, 100, 12, 200, 48, 60, 183, 133, 194], region: "us-east-1", signature: "b3042ac25cbdf23d5f1032f4b7fc05cb7d7537d2c46571b8bebca41c14c565a3"),
        SignatureVector(
            name: "random 36", method: "POST", target: "/%C3%A9%5D%3Bb%3Fb/0%3D%5DX%21Z%3B/%25a~?a=%5D0&.%5D%3D%20=_%3B",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=9bec79cd067b10f9ca8c169807961ebddd18121790a99951f4fcf71510e2dddd")],
            body: [137, 156, 145, 127, 234, 71, 113, 42, 238, 237, 35, 28, 79, 240], region: "eu-central-1", signature: "9bec79cd067b10f9ca8c169807961ebddd18121790a99951f4fcf71510e2dddd"),
        SignatureVector(
            name: "random 37", method: "PUT", target: "/0%40%3D0%2C%2CZ%25?%2B=%3A&%3F%20_=%2A%239&c%3D%40%C3%A9-=%25%40_%23%25%28&%2A9%26%23%27=~%29%3A-&%27%40=%C3%A9%3D_%27",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=28fdec4102b355edb1339388fbf592a2fdbb2768ee4ffd0398308d9db46c4fde")],
            body: [35, 99, 57, 66, 11, 80, 163, 249, 144, 208, 120, 244], region: "us-east-1", signature: "28fdec4102b355edb1339388fbf592a2fdbb2768ee4ffd0398308d9db46c4fde"),
        SignatureVector(
            name: "random 38", method: "GET", target: "/0~%24?%3A%3A=%29~0",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/eu-central-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=9c2bc1ac8aca52059d71666ecba3e577072bca5a221fdd08d61b7ebc82eabe64")],
            body: [251, 130, 217, 52, 203, 158, 159, 226, 121, 84, 106, 99, 250, 56, 195, 118, 8], region: "eu-central-1", signature: "9c2bc1ac8aca52059d71666ecba3e577072bca5a221fdd08d61b7ebc82eabe64"),
        SignatureVector(
            name: "random 39", method: "POST", target: "/%25%2A%C3%A9%3B%5Bb-?%2Ca%27%3F%2F=%2A%2A.1%23%3F&%280%2F=%2C",
            headers: [("Host", "127.0.0.1:9000"), ("X-Amz-Date", "20261121T082057Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAMARTLETEXAMPLE01/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=5bbf6028cc229cba64988ba6c7cfcc96a7acfcc57242904e7d6a3aef87eb4e7c")],
            body: [197, 254, 116, 217, 150, 186, 111, 108, 147, 21, 149, 123, 12, 160, 135, 116], region: "us-east-1", signature: "5bbf6028cc229cba64988ba6c7cfcc96a7acfcc57242904e7d6a3aef87eb4e7c"),
    ]
}

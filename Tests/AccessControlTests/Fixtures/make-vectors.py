#!/usr/bin/env python3
"""Writes SignatureVectors.swift: requests as botocore signs them, so that our verifier is held against AWS's own signer.

Run with botocore installed; the output is committed, the tests need neither Python nor botocore."""
import datetime
import os
import random

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 11, 21, 8, 20, 57)
KEY, SECRET = "AKIAMARTLETEXAMPLE01", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Clock(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return NOW

    @classmethod
    def now(cls, tz=None):
        return NOW.replace(tzinfo=tz)


botocore.auth.datetime.datetime = Clock
if hasattr(botocore.auth, "get_current_datetime"):
    botocore.auth.get_current_datetime = lambda *a, **k: NOW

BASE = "http://127.0.0.1:9000"
ARN = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ahello"
cases = [
    ("get", "GET", "/2015-03-31/functions", [], b""),
    ("trailing slash", "GET", "/2015-03-31/functions/", [], b""),
    ("root", "GET", "/", [], b""),
    ("post with body", "POST", "/2015-03-31/functions/hello/invocations", [("Content-Type", "application/json")], b'{"name":"Ada"}'),
    ("encoded arn in the path", "GET", f"/2015-03-31/functions/{ARN}", [], b""),
    ("unencoded arn in the path", "GET", "/2017-03-31/tags/arn:aws:lambda:us-east-1:123456789012:function:hello", [], b""),
    ("space in the path", "GET", "/fn/hello/a%20b", [], b""),
    ("unreserved in the path", "GET", "/fn/hello/a-b_c.d~e", [], b""),
    ("sub-delimiters in the path", "GET", "/fn/hello/a!b$c&d'e(f)g*h+i,j;k=l@m", [], b""),
    ("utf-8 in the path", "GET", "/fn/hello/%E1%88%B4", [], b""),
    ("dot segments", "GET", "/fn/hello/./a/../b", [], b""),
    ("double slashes", "GET", "/fn//hello///b", [], b""),
    ("query out of order", "GET", "/2015-03-31/functions?Marker=b&MaxItems=5&FunctionVersion=ALL", [], b""),
    ("query values out of order", "GET", "/2017-03-31/tags/x?tagKeys=b&tagKeys=a&tagKeys=C", [], b""),
    ("encoded query", "GET", "/2015-03-31/functions/hello?Qualifier=%24LATEST", [], b""),
    ("empty query value", "GET", "/fn/hello?a=&b=", [], b""),
    ("space and slash in the query", "GET", "/fn/hello?path=a%2Fb&text=c%20d", [], b""),
    ("utf-8 in the query", "GET", "/fn/hello?%E1%88%B4=bar", [], b""),
    ("case in the query", "GET", "/fn/hello?a=1&B=2&A=3&b=4", [], b""),
    ("header with inner spaces", "GET", "/fn/hello", [("My-Header1", " a   b   c  ")], b""),
    ("x-amz headers", "POST", "/2015-03-31/functions/hello/invocations", [("X-Amz-Invocation-Type", "DryRun"), ("X-Amz-Log-Type", "Tail")], b"{}"),
    ("declared digest", "POST", "/fn/hello", [("X-Amz-Content-SHA256", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")], b"{}"),
    ("binary body", "PUT", "/fn/hello", [], bytes(range(256))),
]
generator = random.Random(7)
alphabet = "abcXYZ019-_.~!*'();:@&=+$,/?%#[] é"
from urllib.parse import quote
for index in range(40):
    segments = ["".join(generator.choice(alphabet.replace("/", "")) for _ in range(generator.randint(1, 8))) for _ in range(generator.randint(1, 5))]
    path = "/" + "/".join(quote(s, safe="") for s in segments)
    pairs = ["%s=%s" % (quote("".join(generator.choice(alphabet) for _ in range(generator.randint(1, 5))), safe="-_.~"), quote("".join(generator.choice(alphabet) for _ in range(generator.randint(0, 6))), safe="-_.~")) for _ in range(generator.randint(0, 5))]
    cases.append((f"random {index}", generator.choice(["GET", "POST", "PUT", "DELETE"]), path + ("?" + "&".join(pairs) if pairs else ""), [], generator.randbytes(generator.randint(0, 40))))


def text(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


lines = ["// Made by make-vectors.py with botocore; do not edit.", "", "struct SignatureVector: Sendable, CustomStringConvertible {",
         "    let name: String", "    let method: String", "    let target: String", "    let headers: [(name: String, value: String)]",
         "    let body: [UInt8]", "    let region: String", "    let signature: String", "    var description: String { name }", "",
         f"    static let accessKeyID = {text(KEY)}", f"    static let secret = {text(SECRET)}",
         f"    static let time: Int64 = {int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp())}", "",
         "    static let all: [SignatureVector] = ["]
for index, (name, method, target, headers, body) in enumerate(cases):
    region = ["us-east-1", "eu-central-1"][index % 2]
    request = AWSRequest(method=method, url=BASE + target, data=body, headers=dict(headers))
    botocore.auth.SigV4Auth(Credentials(KEY, SECRET), "lambda", region).add_auth(request)
    prepared = request.prepare()
    fields = [("Host", "127.0.0.1:9000")] + [(k, v.decode() if isinstance(v, bytes) else v) for k, v in prepared.headers.items() if k.lower() not in ("host", "content-length")]
    assert prepared.url == BASE + target, (prepared.url, target)
    signature = dict(fields)["Authorization"].rsplit("Signature=", 1)[1]
    rendered = ", ".join(f"({text(k)}, {text(v)})" for k, v in fields)
    lines += [f"        SignatureVector(", f"            name: {text(name)}, method: {text(method)}, target: {text(target)},",
              f"            headers: [{rendered}],", f"            body: [{', '.join(map(str, body))}], region: {text(region)}, signature: {text(signature)}),"]
lines += ["    ]", "}", ""]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "SignatureVectors.swift"), "w") as out:
    out.write("\n".join(lines))

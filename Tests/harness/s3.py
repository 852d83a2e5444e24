"""A small S3: objects in memory, GetObject with the checks that clients must pass, and keys that misbehave."""

import contextlib
import http.server
import re
import threading
import time
import urllib.parse

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class S3:
    def __init__(self, keys, region="us-east-1"):
        """`keys`: secret by access key ID."""
        self.keys, self.region = keys, region
        # (bucket, key) to the versions' contents; the last one is the newest.
        self.objects = {}
        # Key to what is answered instead of an object: a function of the handler.
        self.faults = {}
        # Who may read a bucket; who is not named here may read all.
        self.readers = {}
        self.requests = []
        self.ended = threading.Event()

    def put(self, bucket, key, content):
        versions = self.objects.setdefault((bucket, key), [])
        versions.append(content)
        return str(len(versions))

    @contextlib.contextmanager
    def serve(self, tls=None):
        """Gives the endpoint. `tls`: a server's SSLContext."""
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                store.answer(self)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            self.ended.set()
            server.shutdown()
            thread.join()
            server.server_close()

    # -- one request

    def answer(self, request):
        parts = urllib.parse.urlsplit(request.path)
        bucket, _, key = urllib.parse.unquote(parts.path.lstrip("/")).partition("/")
        version = urllib.parse.parse_qs(parts.query).get("versionId", [None])[0]
        self.requests.append((bucket, key, version))
        key_id, fault = self.check(request)
        if fault:
            return self.error(request, 403, *fault)
        if key in self.faults:
            return self.faults[key](request)
        if key_id not in self.readers.get(bucket, [key_id]):
            return self.error(request, 403, "AccessDenied", "Access Denied")
        if bucket not in {known for known, _ in self.objects}:
            return self.error(request, 404, "NoSuchBucket", "The specified bucket does not exist")
        versions = self.objects.get((bucket, key))
        if versions is None:
            return self.error(request, 404, "NoSuchKey", "The specified key does not exist.")
        if version is not None and not (version.isdigit() and 0 < int(version) <= len(versions)):
            return self.error(request, 404, "NoSuchVersion", "The specified version does not exist.")
        content = versions[int(version) - 1 if version else -1]
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    @staticmethod
    def error(request, status, code, message, headers=()):
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()
        request.send_response(status)
        for name, value in [("Content-Type", "application/xml"), ("Content-Length", str(len(body))), *headers]:
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def check(self, request):
        """The key's ID, and what is wrong with the signature, which botocore makes again of the same request."""
        given = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
            request.headers.get("Authorization", ""))
        if not given:
            return None, ("AccessDenied", "Access Denied")
        key_id, day, region, names, signature = given.groups()
        secret = self.keys.get(key_id)
        if secret is None:
            return key_id, ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        stamp = request.headers["X-Amz-Date"]
        seconds = time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.timezone
        if region != self.region or not stamp.startswith(day) or abs(seconds - time.time()) > 900:
            return key_id, ("AuthorizationHeaderMalformed", "The authorization header is malformed")
        assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names.split(";")), names
        headers = {name: request.headers[name] for name in names.split(";")}
        again = AWSRequest("GET", f"http://{request.headers['Host']}{request.path}", headers=headers)
        again.context["timestamp"] = stamp
        auth = S3SigV4Auth(Credentials(key_id, secret), "s3", region)
        expected = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
        if expected != signature:
            return key_id, ("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
        return key_id, None

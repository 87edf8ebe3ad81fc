"""A store with the S3 protocol as far as backups use it: path-style PUT, GET, DELETE and ListObjectsV2,
each signed with AWS Signature Version 4, which is computed here anew. In memory. Standard library only."""

import hashlib
import hmac
import http.server
import threading
import urllib.parse
from xml.sax.saxutils import escape

REGION, KEY_ID, KEY = "eu-test-1", "AKIDTEST", "secret/with+signs"
PAGE = 3  # objects of one page of a listing, so that there are several


def signature(method, path, query, headers, names, body_hash):
    """That of a request, from the description of the algorithm; `names` are the headers that are signed."""
    parameters = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    def quote(text):
        return urllib.parse.quote(text, safe="")
    canonical = "\n".join([
        method, urllib.parse.quote(urllib.parse.unquote(path), safe="/"),
        "&".join(f"{quote(name)}={quote(value)}" for name, value in parameters),
        *[f"{name}:{' '.join(headers[name].split())}" for name in names], "", ";".join(names), body_hash])
    time = headers["x-amz-date"]
    scope = f"{time[:8]}/{REGION}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, to_sign.encode(), "sha256").hexdigest(), scope


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code><Message>as the test says</Message></Error>".encode())

    def is_signed(self, path, query, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        kind, _, rest = headers.get("authorization", "").partition(" ")
        fields = dict(each.strip().split("=", 1) for each in rest.split(",") if "=" in each)
        names = fields.get("SignedHeaders", "").split(";")
        body_hash = hashlib.sha256(body).hexdigest()
        if kind != "AWS4-HMAC-SHA256" or not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            return False
        wanted, scope = signature(self.command, path, query, headers, names, body_hash)
        return (headers["x-amz-content-sha256"] == body_hash and fields["Credential"] == f"{KEY_ID}/{scope}"
                and hmac.compare_digest(fields["Signature"], wanted))

    def handle_one(self):
        store = self.server.store
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, query = self.path.partition("?")
        if not self.is_signed(path, query, body):
            return self.refuse(403, "SignatureDoesNotMatch")
        _, bucket, name = (urllib.parse.unquote(path) + "/").split("/", 2)
        name = name.rstrip("/")
        if bucket != store.bucket:
            return self.refuse(404, "NoSuchBucket")
        with store.lock:
            failure = store.fail(self.command, name)
            if failure:
                return self.refuse(failure, "InternalError" if failure >= 500 else "AccessDenied")
            if self.command == "PUT":
                store.objects[name] = body
                return self.answer(200)
            if self.command == "DELETE":
                store.objects.pop(name, None)
                return self.answer(204)
            if name:
                found = store.objects.get(name)
                return self.refuse(404, "NoSuchKey") if found is None else self.answer(200, found)
            return self.answer(200, store.page(dict(urllib.parse.parse_qsl(query))))

    do_GET = do_PUT = do_DELETE = handle_one

    def log_message(self, *_):
        pass


class S3Server:
    """`fail(verb, name)` may give a status to answer with instead of doing what is asked."""

    def __init__(self, bucket="backups"):
        self.bucket, self.objects, self.lock = bucket, {}, threading.Lock()
        self.fail = lambda verb, name: None
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.store = self
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def env(self):
        return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.http.server_port}", "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY}

    def page(self, query):
        assert query["list-type"] == "2", query
        names = sorted(each for each in self.objects
                       if each.startswith(query.get("prefix", "")) and each > query.get("continuation-token", ""))
        more = len(names) > PAGE
        entries = "".join(f"<Contents><Key>{escape(each)}</Key><Size>{len(self.objects[each])}</Size></Contents>"
                          for each in names[:PAGE])
        following = f"<NextContinuationToken>{escape(names[PAGE - 1])}</NextContinuationToken>" if more else ""
        return (f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<IsTruncated>{str(more).lower()}</IsTruncated>{following}{entries}</ListBucketResult>").encode()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

"""An OTLP/HTTP collector on loopback that is strict about the JSON encoding. Standard library only."""

import http.server
import json
import re
import threading

WAIT_SECONDS_MAX = 120  # ends only what would never end
KINDS = {1, 2, 3, 4, 5}
VALUES = {"stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": (int, float, str)}


def check(condition, what):
    if not condition:
        raise ValueError(what)


def attributes(listed):
    """As a dict; every mistake in them raises."""
    found = {}
    for each in listed:
        check(set(each) == {"key", "value"} and each["key"] not in found, f"attribute {each}")
        (kind, value), = each["value"].items()
        check(isinstance(value, VALUES[kind]), f"{kind} {value!r}")
        found[each["key"]] = int(value) if kind == "intValue" else value
    return found


class Span:
    """One span as it came, of one process."""

    def __init__(self, span, resource):
        check(re.fullmatch(r"[0-9a-f]{32}", span["traceId"]) and int(span["traceId"], 16), "traceId")
        check(re.fullmatch(r"[0-9a-f]{16}", span["spanId"]) and int(span["spanId"], 16), "spanId")
        parent = span.get("parentSpanId", "")
        check(re.fullmatch(r"([0-9a-f]{16})?", parent), "parentSpanId")
        check(span["kind"] in KINDS and isinstance(span["name"], str) and span["name"], "kind, name")
        for name in ("startTimeUnixNano", "endTimeUnixNano"):
            check(isinstance(span[name], str) and span[name].isdecimal(), name)
        check(set(span["status"]) <= {"code", "message"}, "status")
        known = {"traceId", "spanId", "parentSpanId", "flags", "name", "kind", "startTimeUnixNano",
                 "endTimeUnixNano", "attributes", "status"}
        check(set(span) <= known, f"members {set(span) - known}")
        self.trace, self.id, self.parent = span["traceId"], span["spanId"], parent
        self.name, self.kind = span["name"], span["kind"]
        self.start, self.end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        check(self.start <= self.end, "it ends before it starts")
        self.failed = span["status"].get("code") == 2
        self.attributes = attributes(span.get("attributes", []))
        self.resource = resource

    def __repr__(self):
        return f"{self.name} {self.id} below {self.parent or 'nothing'}"


class Collector(http.server.ThreadingHTTPServer):
    """Takes spans; `mistakes` says what was wrong with requests that it refused."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.changed = threading.Condition()
        self.spans, self.mistakes, self.bodies, self.headers = [], [], [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def take(self, headers, body):
        check(headers["Content-Type"] == "application/json", "content type")
        spans = []
        for group in json.loads(body)["resourceSpans"]:
            resource = attributes(group["resource"]["attributes"])
            check("service.name" in resource, "no service.name")
            for scope in group["scopeSpans"]:
                spans += [Span(each, resource) for each in scope["spans"]]
        check(spans, "no spans")
        with self.changed:
            self.bodies.append(body)
            self.headers.append(dict(headers))
            self.spans += spans
            self.changed.notify_all()

    def trace(self, trace_id):
        return [each for each in self.spans if each.trace == trace_id]

    def wait_for(self, trace_id, names, root=""):
        """The spans of a trace, once those with these names are here, and those that they are below,
        which other processes may send later; `root` is the client's own."""
        def missing():
            spans = self.trace(trace_id)
            return (set(names) - {each.name for each in spans} |
                    {each.parent for each in spans} - {each.id for each in spans} - {root, ""})
        with self.changed:
            arrived = self.changed.wait_for(lambda: self.mistakes or not missing(), WAIT_SECONDS_MAX)
            assert not self.mistakes, self.mistakes
            assert arrived, f"missing {missing()}, there are {self.trace(trace_id)}"
            return self.trace(trace_id)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status = 200
        try:
            check(self.path == "/v1/traces", f"path {self.path}")
            self.server.take(self.headers, body)
        except (ValueError, KeyError, TypeError) as error:
            status = 400
            with self.server.changed:
                self.server.mistakes.append(f"{type(error).__name__} {error}")
                self.server.changed.notify_all()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass

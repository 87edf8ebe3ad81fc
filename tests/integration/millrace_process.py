"""Starts `millrace serve` and talks to it as any client would. Standard library only."""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.parse

FINAL = ("indexed", "deleted", "failed", "erased")
IDLE_SECONDS_MAX = 30  # half of idle_timeout_ms
MILLRACE = os.environ.get("MILLRACE", "build/millrace")


def metrics_of(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


class Server:
    """One `millrace serve` on a free loopback port. start() returns when it says that it is ready."""

    def __init__(self, data_dir, *flags, env=None):
        self.data_dir = pathlib.Path(data_dir)
        self.flags = list(flags)
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.port = 0
        self.output = []

    def start(self):
        command = [MILLRACE, "serve", "--data-dir", str(self.data_dir),
                   "--listen", f"127.0.0.1:{self.port}", *self.flags]
        self.log = open(self.data_dir.parent / (self.data_dir.name + ".log"), "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log,
                                        env=self.env, text=True)
        for line in self.process.stdout:
            self.output.append(line)
            ready = re.search(r"ready at http://127\.0\.0\.1:(\d+)", line)
            if ready:
                self.port = int(ready.group(1))
                # The pipe must be drained, or a full one would block the server.
                threading.Thread(target=self._drain, args=(self.process,), daemon=True).start()
                return self
        raise AssertionError(f"not ready, exit {self.process.wait()}; see {self.log.name}")

    def _drain(self, process):
        for line in process.stdout:
            self.output.append(line)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def kill_all(self):
        if self.process.poll() is None:
            self.kill()

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait()
        self.log.close()
        return code

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def metrics(self):
        """The text of /metrics, of every process there is."""
        return "".join(metrics_of(port) for port in self.ports)

    @property
    def ports(self):
        return [self.port]

    def connection(self, timeout=120):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


class Client:
    """Keep-alive requests on one connection; JSON in and out."""

    def __init__(self, server, collection="default", headers=None):
        self.server = server
        self.headers = headers or {}
        self.base = f"/v1/collections/{collection}"
        self.connection = server.connection()
        self.used = time.monotonic()

    def request(self, method, path, body=None, headers=None):
        """(status, headers, body bytes) of one exchange."""
        if time.monotonic() - self.used > IDLE_SECONDS_MAX:
            self.connection.close()  # the server may have; the next request connects again
        self.connection.request(method, path, body=body, headers={**self.headers, **(headers or {})})
        response = self.connection.getresponse()
        content = response.read()
        self.used = time.monotonic()
        return response.status, response.headers, content

    def json(self, method, path, body=None, expect=None):
        """The JSON body; asserts the status when `expect` is given."""
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        status, _, content = self.request(method, path, data, headers)
        assert expect is None or status == expect, f"{method} {path}: {status} {content[:500]!r}"
        return json.loads(content) if content else None

    def add(self, documents):
        """Accepts documents; what the server says of each."""
        answer = self.json("POST", f"{self.base}/documents", {"documents": documents}, expect=202)
        return answer["documents"]

    def status(self, document_id):
        path = f"{self.base}/documents/{urllib.parse.quote(document_id, safe='')}"
        return self.json("GET", path, expect=200)

    def search(self, query, top_k=10, **options):
        return self.json("POST", f"{self.base}/search",
                         {"query": query, "top_k": top_k, **options}, expect=200)

    def wait_settled(self, document_ids, limit=300):
        """Waits until each document's newest revision is indexed, deleted or failed; the states.

        A stream tells of each change, so `limit` (seconds) ends only what would never end. Streams
        may know of an end before the table of documents does, which counts and statuses come from.
        """
        states = {}
        deadline = time.monotonic() + limit
        for document_id in document_ids:
            state = self.status(document_id)["state"]
            if state not in FINAL:
                path = f"{self.base}/documents/{urllib.parse.quote(document_id, safe='')}/events"
                for event, _, data in self.events(path, deadline=deadline):
                    state = event
                    if event in FINAL:
                        break
                while self.status(document_id)["state"] not in FINAL:
                    assert time.monotonic() < deadline, (document_id, self.status(document_id))
            states[document_id] = state
        return states

    def events(self, path, method="GET", body=None, last_event_id=None, deadline=None):
        """Yields (event, id, data) of a stream, on a connection of its own."""
        connection = self.server.connection()
        headers = {"Accept": "text/event-stream", **self.headers}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        assert response.status == 200, (response.status, response.read()[:500])
        event, identifier, data = "message", "", []
        try:
            while line := response.readline():
                assert deadline is None or time.monotonic() < deadline, f"{path}: still {event}"
                line = line.decode().rstrip("\r\n")
                if not line:
                    if data:
                        yield event, identifier, json.loads("\n".join(data))
                    event, data = "message", []
                elif line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("id:"):
                    identifier = line[3:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].removeprefix(" "))
        finally:
            connection.close()

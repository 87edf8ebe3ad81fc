#!/usr/bin/env python3
"""One trace of an upload and one of a question, over every process and topic, at a real collector.

Of one process, or of many over Kafka, where ctest has started a broker.
"""

import http.server
import json
import os
import pathlib
import re
import secrets
import tempfile
import threading
import unittest

from kafka_system import KafkaSystem
from millrace_process import Client, Server
from otlp_collector import Collector

DOCUMENT = "Glaciers are rivers of ice. The word hapaxlegomenon stands in no other text."
QUESTION = "What are quizzicalglaciers made of?"
UPLOAD = ["POST /v1/collections/{c}/documents", "extractor documents", "chunker texts",
          "embedder chunks.g1", "indexer embeddings.g1"]
ASKED = ["POST /v1/collections/{c}/queries", "query-embedder queries", "searcher searches.g1",
         "answerer passages", "answer", "chat tiny-model"]
SERVER, CLIENT, CONSUMER = 2, 3, 5
CLOCKS_APART_NS_MAX = 10**7  # each process has a clock of its own, which counts milliseconds
ROOT = "00f067aa0ba902b7"  # the client's span


class ChatHandler(http.server.BaseHTTPRequestHandler):
    """Answers every question with one sentence; keeps the heads of the requests."""
    heads = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        ChatHandler.heads.append(dict(self.headers))
        chunks = [{"model": "tiny-model-1", "choices": [{"delta": {"content": "They are of ice [1]."}}]},
                  {"choices": [{"delta": {}, "finish_reason": "stop"}]},
                  {"choices": [], "usage": {"prompt_tokens": 17, "completion_tokens": 6}}]
        body = "".join(f"data: {json.dumps(each)}\n\n" for each in chunks) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def chat_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ChatHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def over_kafka():
    return "TEST_KAFKA_BOOTSTRAP" in os.environ


class TraceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.data_dir = pathlib.Path(cls.temporary.name) / "data"
        cls.collector = Collector()
        cls.chat = chat_server()
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": cls.collector.url,
               "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20c2VjcmV0a2V5",
               "OPENAI_BASE_URL": f"http://127.0.0.1:{cls.chat.server_port}/v1",
               "MILLRACE_ANSWER_MODEL": "tiny-model"}
        system = KafkaSystem if over_kafka() else Server
        cls.server = system(cls.data_dir, env=env).start()
        cls.upload = secrets.token_hex(16)
        cls.question = secrets.token_hex(16)
        client = Client(cls.server, headers={"traceparent": f"00-{cls.upload}-{ROOT}-01"})
        client.add([{"id": "a", "text": DOCUMENT}])
        client.wait_settled(["a"])
        client = Client(cls.server, headers={"traceparent": f"00-{cls.question}-{ROOT}-01"})
        cls.answer = client.json("POST", f"{client.base}/queries?wait=true", {"question": QUESTION}, 200)

    @classmethod
    def tearDownClass(cls):
        cls.server.kill_all()
        cls.chat.shutdown()
        cls.chat.server_close()
        cls.collector.__exit__()
        cls.temporary.cleanup()

    def check_chain(self, trace_id, chain):
        """Each begins below the one before it, and none of the trace hangs in the air."""
        spans = self.collector.wait_for(trace_id, chain, ROOT)
        by_id = {each.id: each for each in spans}
        self.assertEqual(len(by_id), len(spans))
        for each in spans:
            if each.parent == ROOT:
                self.assertEqual(each.kind, SERVER, each)
            else:
                self.assertIn(each.parent, by_id, f"{each} of {spans}")
                self.assertGreaterEqual(each.start + CLOCKS_APART_NS_MAX, by_id[each.parent].start, each)
            self.assertFalse(each.failed, each)
        for parent, name in zip(chain, chain[1:]):
            for each in spans:
                if each.name == name:
                    self.assertEqual(by_id[each.parent].name, parent)
        return {each.name: each for each in spans}

    def test_an_upload_is_one_trace_down_to_the_index(self):
        spans = self.check_chain(self.upload, UPLOAD)
        self.assertEqual(spans[UPLOAD[0]].attributes["http.response.status_code"], 202)
        for name in UPLOAD[1:]:
            stage, topic = name.split()
            self.assertEqual(spans[name].kind, CONSUMER)
            self.assertEqual(spans[name].attributes["messaging.consumer.group.name"], stage)
            self.assertEqual(spans[name].attributes["messaging.destination.name"], topic)

    def test_a_question_is_one_trace_down_to_the_last_token(self):
        spans = self.check_chain(self.question, ASKED[:4])
        self.check_chain(self.question, [ASKED[2], "answer", "chat tiny-model"])
        request, answer, chat = spans[ASKED[0]], spans["answer"], spans["chat tiny-model"]
        self.assertLessEqual(chat.end, answer.end)
        self.assertGreaterEqual(request.end + CLOCKS_APART_NS_MAX, chat.end)
        self.assertEqual(answer.attributes["millrace.query_id"], self.answer["id"])
        self.assertEqual(chat.kind, CLIENT)
        expected = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "tiny-model", "gen_ai.response.model": "tiny-model-1",
                    "gen_ai.usage.input_tokens": 17, "gen_ai.usage.output_tokens": 6,
                    "server.port": self.chat.server_port}
        self.assertEqual({**chat.attributes, **expected}, chat.attributes)
        self.assertGreater(chat.attributes["gen_ai.response.time_to_first_chunk"], 0)
        told = [each["traceparent"] for each in ChatHandler.heads]
        self.assertEqual(told, [f"00-{self.question}-{chat.id}-01"])

    def test_every_process_has_a_name_and_the_collector_gets_its_key(self):
        self.collector.wait_for(self.upload, UPLOAD, ROOT)
        self.collector.wait_for(self.question, ASKED, ROOT)
        names = {each.resource["service.name"] for each in self.collector.spans}
        expected = {"millrace-gateway", "millrace-worker"} if over_kafka() else {"millrace"}
        self.assertEqual(names, expected)
        for headers in self.collector.headers:
            self.assertEqual(headers["Authorization"], "Basic c2VjcmV0a2V5")

    def test_spans_and_logs_tell_neither_texts_nor_secrets(self):
        self.collector.wait_for(self.upload, UPLOAD, ROOT)
        self.collector.wait_for(self.question, ASKED, ROOT)
        logs = "".join(each.read_text(errors="replace") for folder in (self.data_dir.parent, self.data_dir)
                       for each in folder.glob("*.log"))
        self.assertTrue(logs or not over_kafka())
        for text in ("hapaxlegomenon", "quizzicalglaciers", "rivers of ice", "of ice [1]", "c2VjcmV0"):
            self.assertNotIn(text, "".join(self.collector.bodies))
            self.assertNotIn(text, logs)

    def test_probes_are_no_traces(self):
        self.server.metrics()
        self.collector.wait_for(self.question, ASKED, ROOT)
        routes = {each.attributes.get("http.route") for each in self.collector.spans}
        self.assertFalse(routes & {"/metrics", "/livez", "/readyz"})

    def test_what_was_exported_is_counted(self):
        self.collector.wait_for(self.question, ASKED, ROOT)
        exported = sum(float(value) for value in
                       re.findall(r"^trace_spans_exported_total (\S+)$", self.server.metrics(), re.M))
        self.assertGreaterEqual(len(self.collector.spans), exported)
        self.assertGreater(exported, 0)
        dropped = re.findall(r"^trace_spans_dropped_total\{.*\} (\S+)$", self.server.metrics(), re.M)
        self.assertEqual({float(each) for each in dropped}, {0})


@unittest.skipIf(over_kafka(), "the same code in every process")
class NobodyCollectsTest(unittest.TestCase):
    def test_a_collector_that_is_away_costs_spans_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as folder:
            data_dir = pathlib.Path(folder) / "data"
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
            with Server(data_dir, env=env) as server:
                client = Client(server)
                client.add([{"id": "a", "text": DOCUMENT}])
                self.assertEqual(client.wait_settled(["a"]), {"a": "indexed"})
                self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")

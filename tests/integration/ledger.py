"""What a client knows of the documents it sent, and what it must therefore find. Standard library only."""

import json
import threading
import time

WHOLE_SECONDS_MAX = 60
SUBJECTS = ["glacier", "violin", "harbour", "enzyme", "satellite", "orchard", "turbine", "manuscript"]


def text_of(number, version):
    """A short text that no other document or version has."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    code = f"{number * 7919 + version * 104729:07d}"
    return f"Entry {code} of the {subject} register, version {version}. The {subject} number {code} " \
           f"was inspected and found in order by team {number % 17}."


def whole_search(case, client, text):
    """Asks again where the index, or a part of it, did not answer in time, as a busy machine's may not:
    that says nothing of what is stored."""
    deadline = time.monotonic() + WHOLE_SECONDS_MAX
    while True:
        status, _, body = client.request("POST", f"{client.base}/search",
                                         json.dumps({"query": text, "top_k": 5}),
                                         {"Content-Type": "application/json"})
        if status == 200 and not (found := json.loads(body))["partial"]:
            return found["passages"]
        case.assertIn(status, (200, 503, 504), body)
        case.assertLess(time.monotonic(), deadline, f"the index does not answer: {body} to {text}")
        print(f"asked again, {status}: {text}")


class Ledger:
    """For each document doc-N, what may and must be found. Thread-safe."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted = {}   # number -> version whose 202 came last; None once a delete was accepted
        self.uncertain = {}  # number -> versions (None: delete) sent without an answer since then

    def sending(self, number, version):
        with self.lock:
            self.uncertain.setdefault(number, []).append(version)

    def answered(self, number, version):
        with self.lock:
            self.accepted[number] = version
            self.uncertain[number] = []

    def possible(self, number):
        """The versions that may be there; None: nothing may."""
        certain = [self.accepted[number]] if number in self.accepted else [None]
        return set(certain + self.uncertain.get(number, []))

    def versions(self, number):
        """Every version that anybody ever sent, so that none but the last is found."""
        known = self.possible(number) - {None}
        return range(1, max(known, default=self.accepted.get(number) or 0) + 1)

    def check(self, case, client):
        """Asserts, through `case`, that each document is there exactly once as it should be."""
        numbers = sorted(self.uncertain)
        states = client.wait_settled([f"doc-{n}" for n in numbers if n in self.accepted])
        chunks_seen = set()
        for number in numbers:
            document_id, possible, found = f"doc-{number}", self.possible(number), {}
            for version in self.versions(number) or (1, 2):
                for passage in whole_search(case, client, text_of(number, version)):
                    if passage["document_id"] == document_id:
                        found.setdefault(passage["chunk_id"], passage)
            case.assertLessEqual(len(found), 1, f"{document_id} is there {len(found)} times")
            texts = [passage["text"] for passage in found.values()]
            expected = [text_of(number, v) if v else None for v in possible]
            case.assertIn(texts[0] if texts else None, expected, document_id)
            if document_id in states and len(possible) == 1:
                wanted = "deleted" if possible == {None} else "indexed"
                case.assertEqual(states[document_id], wanted, document_id)
            case.assertFalse(chunks_seen & set(found), "a chunk id belongs to one document")
            chunks_seen |= set(found)
        return chunks_seen

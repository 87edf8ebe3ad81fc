#!/usr/bin/env python3
"""`.ci/data-sync` between a repository and a server, over several commits."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from parts import ROOT

sys.path.insert(0, str(ROOT / "tests/integration"))
from millrace_process import Client, Server  # noqa: E402

QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


class DataSyncTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = pathlib.Path(place.name) / "repository"
        (self.folder / "papers/old").mkdir(parents=True)
        self.git("init", "--quiet", ".")
        self.server = Server(pathlib.Path(place.name) / "data").start()
        self.addCleanup(self.server.kill_all)
        self.client = Client(self.server)

    def git(self, *arguments):
        done = subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
                              cwd=self.folder, env={**os.environ, **QUIET}, text=True, check=True, capture_output=True)
        return done.stdout.strip()

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def sync(self, *flags, code=0, **env):
        done = subprocess.run([ROOT / ".ci/data-sync", "papers", *flags], cwd=self.folder, text=True, check=False,
                              capture_output=True, env={**os.environ, **QUIET, "MILLRACE_SERVER": self.server.url, **env})
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def documents(self):
        listed = self.client.json("GET", f"{self.client.base}/documents", expect=200)["documents"]
        self.client.wait_settled([each["id"] for each in listed])
        return {each["id"]: self.client.status(each["id"])["revision"] for each in listed
                if self.client.status(each["id"])["state"] != "deleted"}

    def write(self, name, text):
        (self.folder / "papers" / name).write_text(text)

    def test_keeps_a_server_in_step(self):
        self.write("ice.md", "# Ice\n\nGlaciers are rivers of ice.")
        self.write("old/sea & salt.txt", "The sea is salt.")
        self.write(".hidden", "not for anybody")
        self.client.add([{"id": "elsewhere", "text": "Added by hand."}])
        first = self.commit()
        self.assertIn("2 of 2 files put, 0 documents deleted", self.sync())
        before = self.documents()
        self.assertEqual(set(before), {"papers/ice.md", "papers/old/sea & salt.txt", "elsewhere"})

        self.write("ice.md", "# Ice\n\nGlaciers are slow.")
        self.write("fire.md", "Fire is hot.")
        (self.folder / "papers/old/sea & salt.txt").unlink()
        second = self.commit()
        self.assertIn("2 of 2 files put, 1 documents deleted", self.sync("--since", first))
        after = self.documents()
        self.assertEqual(set(after), {"papers/ice.md", "papers/fire.md", "elsewhere"})
        self.assertNotEqual(after["papers/ice.md"], before["papers/ice.md"])

        self.write("fire.md", "Fire is very hot.")
        self.commit()
        self.assertIn("1 of 2 files put, 0 documents deleted", self.sync("--since", second))
        last = self.documents()
        self.assertEqual(last["papers/ice.md"], after["papers/ice.md"], "it had not changed")
        self.assertNotEqual(last["papers/fire.md"], after["papers/fire.md"])

        self.assertIn("2 of 2 files put", self.sync("--since", "0" * 40), "a commit that nobody knows")
        self.assertIn("0 of 2 files put", self.sync("--since", "HEAD"))

    def test_says_what_is_wrong(self):
        self.assertIn("would be right", self.sync(code=1, MILLRACE_SERVER="localhost:8000"))
        self.write("a.txt", "x")
        self.assertIn("400", self.sync("--collection", "no/such name", code=1))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")

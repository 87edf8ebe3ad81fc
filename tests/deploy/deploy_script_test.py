#!/usr/bin/env python3
"""`.ci/deploy` with a kubectl that notes what it is asked: what it applies, and that it goes back."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from parts import ROOT

DIGEST = "sha256:" + "a" * 64
KUBECTL = """#!/usr/bin/env python3
import json, os, pathlib, sys
place = pathlib.Path(os.environ["PLACE"])
arguments = sys.argv[1:]
with open(place / "calls", "a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
if arguments[0] == "kustomize":
    print((pathlib.Path(arguments[1]) / "kustomization.yaml").read_text())
    print("image: registry.example.org/millrace@" + os.environ["RENDERED"])
if arguments[0] == "get":
    print(json.dumps({"items": [
        {"kind": kind, "metadata": {"namespace": "millrace-dev", "name": name}}
        for kind, name in (("Deployment", "gateway"), ("StatefulSet", "indexer"), ("Service", "gateway"))]}))
sys.exit(1 if os.environ.get("STUCK") and os.environ["STUCK"] in arguments and "status" in arguments
         and not (place / "undone").exists() else (place / "undone").touch() or 0 if "undo" in arguments else 0)
"""


class DeployScriptTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        (self.place / "bin").mkdir()
        (self.place / "bin/kubectl").write_text(KUBECTL)
        (self.place / "bin/kubectl").chmod(0o755)
        shutil.copytree(ROOT / ".ci", self.place / "repository/.ci")
        (self.place / "repository/k8s/overlays/dev").mkdir(parents=True)
        (self.place / "repository/k8s/overlays/dev/kustomization.yaml").write_text("resources: []\n")

    def deploy(self, *arguments, rendered=DIGEST, stuck=""):
        env = {**os.environ, "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}", "PLACE": str(self.place),
               "RENDERED": rendered, "STUCK": stuck, "KUBECONFIG_CONTENT": "not to be seen"}
        done = subprocess.run([self.place / "repository/.ci/deploy", *arguments], env=env, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertNotIn("not to be seen", done.stdout)
        self.assertEqual([each.name for each in (self.place / "repository/k8s/overlays").iterdir()], ["dev"],
                         "nothing stays behind, the kubeconfig least of all")
        return done

    def calls(self):
        noted = self.place / "calls"
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    def test_applies_the_image_and_waits_for_every_workload(self):
        done = self.deploy("dev", "registry.example.org/millrace", DIGEST)
        self.assertEqual(done.returncode, 0, done.stdout)
        verbs = [call[0] if call[0] != "-n" else call[2:5] for call in self.calls()]
        self.assertEqual(verbs, ["kustomize", "apply", "get", ["rollout", "status", "deployment/gateway"],
                                 ["rollout", "status", "statefulset/indexer"]])
        self.assertIn("--server-side", self.calls()[1])

    def test_goes_back_where_one_does_not_get_ready(self):
        done = self.deploy("dev", "registry.example.org/millrace", DIGEST, stuck="statefulset/indexer")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("not ready: millrace-dev/statefulset/indexer; going back", done.stdout)
        undone = [call[4] for call in self.calls() if "undo" in call]
        self.assertEqual(undone, ["deployment/gateway", "statefulset/indexer"])

    def test_refuses_what_it_cannot_mean(self):
        for arguments, why in ((("../dev", "r", DIGEST), "there is no overlay"), (("prod", "r", DIGEST), "there is no overlay"),
                               (("dev", "r", "latest"), "is no digest"), (("dev", "r"), "usage")):
            done = self.deploy(*arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(why, done.stdout)
        self.assertEqual(self.calls(), [])
        done = self.deploy("dev", "registry.example.org/millrace", DIGEST, rendered="sha256:" + "b" * 64)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no workload of dev uses the image", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)

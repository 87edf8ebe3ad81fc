#!/usr/bin/env python3
"""What is in the image, and that it is enough: the root file system that compose/Dockerfile copies, made of
the programs of this build. `.ci/image check` runs the image itself, where there is a container engine."""

import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import unittest

import yaml
from parts import ROOT

BYTES_MAX = 300_000_000
USER = "65532:65532"
READY_SECONDS_MAX = 120


def chroot(root, *command):
    unprivileged = [] if os.geteuid() == 0 else ["/usr/bin/unshare", "--map-root-user"]
    user = [f"--userspec={USER}"] if os.geteuid() == 0 else []
    program = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin")
    return subprocess.Popen([*unprivileged, program, *user, str(root), *command], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={})


class RootTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix="millrace-image-", dir=ROOT / "build")
        cls.addClassCleanup(shutil.rmtree, cls.place)
        cls.root = pathlib.Path(cls.place) / "root"
        made = subprocess.run([ROOT / "compose/rootfs", cls.root], text=True, check=False, capture_output=True)
        assert made.returncode == 0, made.stderr
        cls.files = [path for path in cls.root.rglob("*") if path.is_file() and not path.is_symlink()]

    def test_is_small(self):
        self.assertLess(sum(path.stat().st_size for path in self.files), BYTES_MAX)

    def test_has_no_shell_and_nothing_that_gives_rights(self):
        programs = {path.name for path in (self.root / "usr/bin").iterdir()}
        self.assertEqual(programs, {"millrace", "millrace-gateway", "millrace-worker"})
        for path in self.root.rglob("*"):
            mode = path.lstat().st_mode
            self.assertFalse(mode & (stat.S_ISUID | stat.S_ISGID), path)
            if mode & stat.S_IWOTH and not path.is_symlink():
                self.assertEqual(path, self.root / "tmp", "everybody may write there")

    def test_every_library_of_a_program_is_there(self):
        libraries = {path.name for path in self.files if ".so" in path.name}
        for path in self.files:
            with open(path, "rb") as opened:
                if opened.read(4) != b"\x7fELF":
                    continue
            read = subprocess.run(["readelf", "--dynamic", path], text=True, check=True, capture_output=True).stdout
            needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", read))
            self.assertLessEqual(needed, libraries, path)

    def test_lists_what_is_in_it(self):
        document = json.loads((self.root / "usr/share/millrace/sbom.spdx.json").read_text())
        self.assertEqual(document["spdxVersion"], "SPDX-2.3")
        listed = {each["name"]: each["versionInfo"] for each in document["packages"]}
        self.assertEqual(len(listed), len(document["packages"]), "each once")
        for each in ("millrace", "openvino", "all-MiniLM-L6-v2", "libc6", "libssl3", "librdkafka1", "ca-certificates"):
            self.assertIn(each, listed)
        noted = dict(re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)", (self.root / "var/lib/dpkg/status").read_text(), re.M))
        self.assertEqual(noted, {name: version for name, version in listed.items() if name in noted})
        for each in noted:
            self.assertTrue((self.root / f"usr/share/doc/{each}/copyright").is_file(), each)
            self.assertFalse(each.startswith("lib32"), each)
        ids = {each["SPDXID"] for each in document["packages"]}
        self.assertEqual({each["relatedSpdxElement"] for each in document["relationships"]}, ids)

    def test_every_program_starts_in_it(self):
        for program in ("millrace", "millrace-gateway", "millrace-worker"):
            process = chroot(self.root, f"/usr/bin/{program}", "--version")
            said, _ = process.communicate(timeout=60)
            self.assertEqual((process.returncode, said.split()[0]), (0, program), said)

    def test_gets_ready_with_its_own_libraries_and_model_and_ends_well(self):
        # Not in a root of its own: OpenVINO looks at /proc and /sys, which only who may mount can bring there.
        libraries = self.root / "usr/lib/x86_64-linux-gnu"
        loader = [self.root / "usr/lib64/ld-linux-x86-64.so.2", "--inhibit-cache", "--library-path", libraries]
        command = [*loader, self.root / "usr/bin/millrace"]
        process = subprocess.Popen(
            [*command, "serve", "--listen", "127.0.0.1:0", "--data-dir", pathlib.Path(self.place) / "data",
             "--model-dir", self.root / "usr/share/millrace/all-MiniLM-L6-v2"],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        watchdog = threading.Timer(READY_SECONDS_MAX, process.kill)
        watchdog.start()
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                ready = re.search(r"ready at (http://127\.0\.0\.1:\d+)", line)
                if ready:
                    break
            self.assertTrue(said and ready, "".join(said))
            mapped = pathlib.Path(f"/proc/{process.pid}/maps").read_text()
            for path in set(re.findall(r"(/\S+\.so[.\d]*)$", mapped, re.M)):
                self.assertTrue(path.startswith(str(self.root)), f"{path} is not the image's")
            asked = subprocess.run([*command, "health", "--server", ready[1]], text=True, timeout=60, check=False,
                                   capture_output=True)
            self.assertIn('"ready":true', asked.stdout)
            self.assertEqual(asked.returncode, 0)
        finally:
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=60)
            watchdog.cancel()
        self.assertEqual(process.returncode, 0, rest)


class DockerfileTest(unittest.TestCase):
    TEXT = (ROOT / "compose/Dockerfile").read_text()

    def test_copies_only_what_is_there_and_what_the_context_has(self):
        ignore = (ROOT / "compose/Dockerfile.dockerignore").read_text().split("\n")
        allowed = {line[1:] for line in ignore if line.startswith("!")}
        copied = set()
        for line in re.findall(r"^COPY (?!--from)(.+)$", self.TEXT, re.M):
            copied |= set(line.split()[:-1])
        self.assertEqual(copied, allowed)
        for name in copied:
            self.assertTrue((ROOT / name).exists(), name)

    def test_runs_as_nobody_and_says_how_it_is(self):
        last = self.TEXT[self.TEXT.rindex("\nFROM "):]
        self.assertIn(f"\nUSER {USER}\n", last)
        for label in ("title", "description", "licenses", "version", "revision", "created"):
            self.assertIn(f"org.opencontainers.image.{label}=", last)
        health = yaml.safe_load(re.search(r"HEALTHCHECK .*\\\n +CMD (\[.+\])", last)[1])
        self.assertEqual(health, ["/usr/bin/millrace", "health"])
        for command in re.findall(r"^(?:ENTRYPOINT|CMD) (.+)$", last, re.M):
            self.assertIsInstance(json.loads(command), list, "there is no shell to read anything else")


if __name__ == "__main__":
    unittest.main(verbosity=2)

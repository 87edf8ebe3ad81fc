#!/usr/bin/env python3
"""Workflows and scripts: what actionlint and ShellCheck find, and the rules of this repository for
what runs with somebody's rights: pinned by hash, least permissions, a time limit, no expression in a
script."""

import re
import unittest

import yaml
from parts import ROOT, run, tool, tracked

WORKFLOWS = tracked(".github/workflows/*.yml")
PIN = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
WRITES = {  # what a job may write, and nothing else may
    "contents": {"release.yml"}, "packages": {"release.yml"}, "id-token": {"release.yml"},
    "attestations": {"release.yml"}, "security-events": {"codeql.yml"},
}


def scripts():
    for file in tracked():
        with open(file, "rb") as opened:
            if re.match(rb"#!.*\b(ba)?sh\b", opened.readline(80)):
                yield file


def jobs():
    for file in WORKFLOWS:
        workflow = yaml.safe_load(file.read_text())
        for name, job in workflow["jobs"].items():
            yield file.name, name, workflow, job


class ToolsTest(unittest.TestCase):
    def test_shellcheck_finds_nothing(self):
        files = list(scripts())
        self.assertIn(ROOT / ".ci/setup", files)
        passed, said = run("shellcheck", "--norc", "--external-sources", *files)
        self.assertTrue(passed, said)

    def test_actionlint_finds_nothing(self):
        self.assertTrue(WORKFLOWS)
        passed, said = run("actionlint", "-no-color", f"-shellcheck={tool('shellcheck')}", "-pyflakes=",
                           *WORKFLOWS)
        self.assertTrue(passed, said)


class RulesTest(unittest.TestCase):
    def steps(self):
        for file, name, _, job in jobs():
            for step in job.get("steps", []):
                yield f"{file}, {name}, {step.get('name') or step.get('uses') or step.get('run')}", step

    def test_actions_are_pinned_by_hash_with_their_version(self):
        for file in WORKFLOWS:
            for line in re.findall(r"^.*\buses: .*$", file.read_text(), re.M):
                used = line.split("uses:", 1)[1].strip()
                if used.startswith("./"):
                    continue
                action, _, version = used.partition(" # ")
                self.assertRegex(action, PIN, f"{file.name}: {line.strip()}")
                self.assertRegex(version, r"^v\d+(\.\d+)*$", f"{file.name}: {line.strip()}")

    def test_images_are_pinned(self):
        for file, name, _, job in jobs():
            container = job.get("container")
            if container:
                self.assertRegex(container, r"^debian:12$|@sha256:[0-9a-f]{64}$", f"{file}, {name}")

    def test_a_workflow_may_read_and_a_job_that_needs_more_says_so(self):
        for file, name, workflow, job in jobs():
            self.assertIn(workflow.get("permissions"), ({}, {"contents": "read"}), file)
            for scope, right in (job.get("permissions") or {}).items():
                self.assertIn(right, {"read", "write", "none"}, f"{file}, {name}")
                if right == "write":
                    self.assertIn(file, WRITES.get(scope, set()), f"{file}, {name} writes {scope}")

    def test_every_job_has_a_time_limit(self):
        for file, name, _, job in jobs():
            if "uses" not in job:
                self.assertIsInstance(job.get("timeout-minutes"), int, f"{file}, {name}")

    def test_a_checkout_leaves_no_credentials_behind(self):
        for where, step in self.steps():
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                self.assertIs(step.get("with", {}).get("persist-credentials"), False, where)

    def test_no_expression_is_pasted_into_a_script(self):
        for where, step in self.steps():
            self.assertNotIn("${{", step.get("run", ""), f"{where}: give it by env")


if __name__ == "__main__":
    unittest.main(verbosity=2)

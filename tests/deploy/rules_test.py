#!/usr/bin/env python3
"""Alerts as Prometheus takes them: each has a case that fires, one that does not, and a place in the
runbook. Whom Alertmanager tells, and what Grafana brings in. Whether the programs export what they
speak of is for tests/integration/monitoring_test.py."""

import json
import re
import unittest

import yaml
from parts import ROOT, run

COMPOSE = ROOT / "compose"
RULES = COMPOSE / "prometheus/alerts.yml"
CASES = sorted((ROOT / "tests/deploy/alerts").glob("*.yml"))


def alerts():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def anchor(heading):
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


class PrometheusTest(unittest.TestCase):
    def assert_passes(self, *command):
        passed, said = run(*command)
        self.assertTrue(passed, said)

    def test_takes_the_rules_and_the_scrape_file(self):
        self.assert_passes("promtool", "check", "rules", RULES)
        for config in sorted((COMPOSE / "prometheus").glob("prometheus*.yml")):
            # What runs in containers names secrets that are made there.
            syntax = ["--syntax-only"] if "compose" in config.name else []
            self.assert_passes("promtool", "check", "config", *syntax, config)

    def test_fires_as_the_cases_say(self):
        self.assertTrue(CASES)
        self.assert_passes("promtool", "test", "rules", *CASES)

    def test_every_alert_has_a_case_that_fires_and_one_that_does_not(self):
        kinds = {}
        for file in CASES:
            for case in yaml.safe_load(file.read_text())["tests"]:
                named = re.fullmatch(r"(\w+) (fires|is quiet): .+", case["name"])
                self.assertTrue(named, case["name"])
                self.assertTrue(case["alert_rule_test"], case["name"])
                for expected in case["alert_rule_test"]:
                    self.assertEqual(expected["alertname"], named[1], case["name"])
                    self.assertEqual(bool(expected["exp_alerts"]), named[2] == "fires", case["name"])
                kinds.setdefault(named[1], set()).add(named[2])
        self.assertEqual(kinds, {rule["alert"]: {"fires", "is quiet"} for rule in alerts()})

    def test_every_alert_has_its_severity_and_a_place_in_the_runbook_in_its_order(self):
        headings = re.findall(r"^## (.+)$", (COMPOSE / "RUNBOOK.md").read_text(), re.M)
        self.assertEqual(headings, [rule["alert"] for rule in alerts()])
        for rule in alerts():
            self.assertIn(rule["labels"]["severity"], {"critical", "warning"}, rule["alert"])
            self.assertEqual(rule["annotations"]["runbook_url"],
                             f"compose/RUNBOOK.md#{anchor(rule['alert'])}")
            self.assertTrue(rule["annotations"]["summary"], rule["alert"])


class AlertmanagerTest(unittest.TestCase):
    CONFIG = COMPOSE / "alertmanager/alertmanager.yml"

    def test_takes_its_configuration(self):
        passed, said = run("amtool", "check-config", self.CONFIG)
        self.assertTrue(passed, said)

    def test_tells_the_right_ones(self):
        for rule in alerts():
            severity = rule["labels"]["severity"]
            receiver = "critical" if severity == "critical" else "warnings"
            passed, said = run("amtool", "config", "routes", "test", f"--config.file={self.CONFIG}",
                               f"--verify.receivers={receiver}", f"alertname={rule['alert']}",
                               f"severity={severity}")
            self.assertTrue(passed, f"{rule['alert']}: {said}")

    def test_silences_by_alerts_that_there_are(self):
        known = {rule["alert"] for rule in alerts()}
        named = re.findall(r"alertname =~? \"?([\w|]+)", self.CONFIG.read_text())
        self.assertTrue(named)
        for names in named:
            self.assertLessEqual(set(names.split("|")), known)


class GrafanaTest(unittest.TestCase):
    def test_dashboards_are_whole_and_apart(self):
        seen = set()
        for file in sorted((COMPOSE / "grafana/dashboards").glob("*.json")):
            dashboard = json.loads(file.read_text())
            self.assertNotIn(dashboard["uid"], seen)
            seen.add(dashboard["uid"])
            panels = dashboard["panels"]
            self.assertEqual(len({panel["id"] for panel in panels}), len(panels), file.name)
            self.check_places(panels)
            for panel in panels:
                with self.subTest(dashboard=dashboard["title"], panel=panel["title"]):
                    if panel["type"] != "row":
                        self.assertEqual(panel["datasource"]["uid"], "${datasource}")
                        refs = [target["refId"] for target in panel["targets"]]
                        self.assertTrue(refs)
                        self.assertEqual(len(set(refs)), len(refs))
        self.assertEqual(seen, {"millrace-pipeline", "millrace-answers", "millrace-system"})

    def check_places(self, panels):
        taken = set()
        for panel in panels:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24)
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, f"{panel['title']} lies over another")
            taken |= cells

    def test_what_is_brought_in_is_there(self):
        sources = yaml.safe_load(
            (COMPOSE / "grafana/provisioning/datasources/datasources.yaml").read_text())["datasources"]
        by_uid = {source["uid"]: source for source in sources}
        self.assertEqual(len(by_uid), len(sources))
        self.assertEqual([source["uid"] for source in sources if source.get("isDefault")], ["prometheus"])
        for source in sources:
            for field in source.get("jsonData", {}).get("derivedFields", []):
                self.assertIn(field["datasourceUid"], by_uid)
        providers = yaml.safe_load(
            (COMPOSE / "grafana/provisioning/dashboards/dashboards.yaml").read_text())["providers"]
        self.assertEqual([each["type"] for each in providers], ["file"])


if __name__ == "__main__":
    unittest.main(verbosity=2)

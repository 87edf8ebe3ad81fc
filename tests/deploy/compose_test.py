#!/usr/bin/env python3
"""compose.yaml: every setting is one of the program that gets it, every address is one of a service that can be
reached, and every container is held as tightly as it can be."""

import hashlib
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

import yaml
from parts import ROOT

COMPOSE = ROOT / "compose"
BUILD = pathlib.Path(os.environ.get("MILLRACE", ROOT / "build/millrace")).resolve().parent
WRITABLE = {"kafka"}            # its start script writes settings
ROOT_USER = {"logs"}            # reads the container engine's files
UNASKED = {"topics", "logs"}    # one ends, the other has nothing to be asked with
PUBLIC = {"nginx"}
ADMIN_PORT = 9100


def filled(text, env):
    """${NAME:-default} and ${NAME}, as compose fills them."""
    def value(found):
        return env.get(found[1]) or (found[2] or "")
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, text)


def env_file():
    lines = (COMPOSE / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


PROJECT = yaml.safe_load(filled((COMPOSE / "compose.yaml").read_text(), env_file()))
for each in PROJECT["services"].values():  # compose fills in strings after it has read YAML
    each["environment"] = {key: str(value) for key, value in each.get("environment", {}).items()}
SERVICES = PROJECT["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"] == env_file()["MILLRACE_IMAGE"]}


def program(service):
    return pathlib.Path(service.get("entrypoint", ["/usr/bin/millrace"])[0]).name


def with_secrets(test):
    """A copy of compose/ with secrets made in it."""
    place = tempfile.TemporaryDirectory()
    test.addCleanup(place.cleanup)
    folder = pathlib.Path(place.name) / "compose"
    shutil.copytree(COMPOSE, folder, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run([folder / "make-secrets"], check=True, capture_output=True)
    return folder


class SettingsTest(unittest.TestCase):
    def shown(self, name, secrets):
        """What the service's program makes of its settings, by the program itself."""
        service = OURS[name]
        env = {key: value.replace("/run/secrets/gateway_settings", str(secrets / "gateway.yaml"))
                         .replace("/run/secrets/answerer_settings", str(secrets / "answerer.yaml"))
               for key, value in service["environment"].items()}
        done = subprocess.run([BUILD / program(service), *service.get("command", []), "--show-settings"],
                              env=env, text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")
        return done.stdout

    def test_every_service_takes_its_settings(self):
        secrets = with_secrets(self) / "secrets"
        for name in OURS.keys() - {"topics"}:
            shown = self.shown(name, secrets)
            for key, value in OURS[name]["environment"].items():
                setting = key.removeprefix("MILLRACE_").lower()
                if not key.startswith("MILLRACE_") or setting in ("server", "config_file"):
                    continue
                self.assertRegex(shown, rf"(?m)^{setting} = {re.escape(value)} \(from {key}\)", f"{name}: {key}")

    def test_every_name_in_an_environment_is_a_setting_of_who_gets_it(self):
        known = set(re.findall(r'^    \{"(\w+)", Type::', (ROOT / "common/settings_table.cc").read_text(), re.M))
        self.assertIn("brokers", known)
        for name, service in OURS.items():
            for key in service["environment"]:
                if key.startswith("OTEL_"):
                    continue
                setting = key.removeprefix("MILLRACE_").lower()
                self.assertIn(setting, known, f"{name}: {key}")

    def test_every_stage_has_a_worker(self):
        refused = subprocess.run([BUILD / "millrace-worker", "--stage=nosuch"], text=True, capture_output=True,
                                 timeout=60, check=False)
        stages = set(re.search(r"there are ([\w, -]+), and all", refused.stderr)[1].split(", "))
        run = [service["command"][0].removeprefix("--stage=") for service in OURS.values()
               if program(service) == "millrace-worker"]
        self.assertEqual(sorted(run), sorted(stages - {"searcher"}), "the searcher runs beside the indexer")


class AddressesTest(unittest.TestCase):
    def assert_reaches(self, who, address):
        host, port = re.fullmatch(r"(?:https?://)?([\w-]+):(\d+)/?", address).groups()
        self.assertIn(host, SERVICES, f"{who} looks for {address}")
        shared = set(SERVICES[who]["networks"]) & set(SERVICES[host]["networks"])
        self.assertTrue(shared, f"{who} shares no network with {host}")
        if host in OURS:
            listens = OURS[host]["environment"].get("MILLRACE_LISTEN") or OURS[host]["environment"]["MILLRACE_ADMIN_LISTEN"]
            self.assertEqual(listens, f"0.0.0.0:{port}", f"{who} looks for {address}")

    def test_who_is_looked_for_is_there(self):
        for name, service in OURS.items():
            self.assert_reaches(name, service["environment"]["MILLRACE_BROKERS"])
            endpoint = service["environment"].get("OTEL_EXPORTER_OTLP_ENDPOINT")
            if endpoint and name != "topics":
                self.assert_reaches(name, endpoint)
        sources = yaml.safe_load((COMPOSE / "grafana/provisioning/datasources/datasources.yaml").read_text())
        for source in sources["datasources"]:
            self.assert_reaches("grafana", source["url"])
        upstream = re.search(r"server ([\w-]+:\d+);", (COMPOSE / "nginx/nginx.conf").read_text())[1]
        self.assert_reaches("nginx", upstream)

    def test_every_process_is_scraped_as_millrace(self):
        config = yaml.safe_load((COMPOSE / "prometheus/prometheus.compose.yml").read_text())
        jobs = {job["job_name"]: job["static_configs"][0] for job in config["scrape_configs"]}
        for job in jobs.values():
            for target in job["targets"]:
                self.assert_reaches("prometheus", target)
        ours = [target.split(":")[0] for job in ("gateway", "workers") for target in jobs[job]["targets"]]
        self.assertEqual(sorted(ours), sorted(OURS.keys() - {"topics"}))
        for job in ("gateway", "workers"):
            self.assertEqual(jobs[job]["labels"], {"job": "millrace"}, "the alerts are about this job")
        for manager in config["alerting"]["alertmanagers"]:
            self.assert_reaches("prometheus", manager["static_configs"][0]["targets"][0])

    def test_a_health_check_asks_its_own_process(self):
        for name, service in OURS.items():
            if name in UNASKED:
                continue
            self.assertEqual(service["healthcheck"]["test"], ["CMD", "/usr/bin/millrace", "health"])
            wanted = None if name == "gateway" else f"http://127.0.0.1:{ADMIN_PORT}"
            self.assertEqual(service["environment"].get("MILLRACE_SERVER"), wanted, name)

    def test_only_the_edge_is_open_to_others(self):
        for name, service in SERVICES.items():
            for port in service.get("ports", []):
                if name not in PUBLIC:
                    self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")
        self.assertIs(PROJECT["networks"]["backend"]["internal"], True)
        self.assertNotIn("ports", SERVICES["kafka"])


class ContainersTest(unittest.TestCase):
    def test_are_held_tightly(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                self.assertIs(service["read_only"], name not in WRITABLE)
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                self.assertNotIn("privileged", service)
                self.assertRegex(service["user"], r"^\d+:\d+$")
                self.assertEqual(service["user"].startswith("0:"), name in ROOT_USER)
                self.assertEqual(service.get("cap_add", []), ["DAC_READ_SEARCH"] if name in ROOT_USER else [])
                for limit in ("mem_limit", "cpus", "pids_limit"):
                    self.assertIn(limit, service)
                self.assertIn("max-size", service["logging"]["options"])
                self.assertEqual(service["healthcheck"].get("disable", False), name in UNASKED)
                for volume in service.get("volumes", []):
                    self.assertNotIn("docker.sock", volume)

    def test_run_pinned_images(self):
        for name, service in SERVICES.items():
            self.assertRegex(service["image"], r"^[\w./-]+:[\w.-]+$", name)
            self.assertFalse(service["image"].endswith(":latest"), name)

    def test_start_with_the_profiles_and_what_they_depend_on(self):
        for name, service in SERVICES.items():
            self.assertEqual(len(service["profiles"]), 1, name)
            for other in service.get("depends_on", {}):
                self.assertEqual(SERVICES[other]["profiles"], service["profiles"], f"{name} needs {other}")
        profiles = {service["profiles"][0] for service in SERVICES.values()}
        self.assertEqual(profiles, {"core", "observability", "edge"})
        self.assertEqual(set(env_file()["COMPOSE_PROFILES"].split(",")), profiles, "`docker compose up` starts all")

    def test_find_their_files_volumes_networks_and_secrets(self):
        used = {"volumes": set(), "networks": set(), "secrets": set()}
        for service in SERVICES.values():
            used["networks"] |= set(service["networks"])
            used["secrets"] |= set(service.get("secrets", []))
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("./"):
                    self.assertTrue((COMPOSE / source).exists(), source)
                    self.assertTrue(volume.endswith(":ro"), volume)
                elif not source.startswith("/"):
                    used["volumes"].add(source)
        for kind, names in used.items():
            self.assertEqual(names, set(PROJECT[kind]), kind)

    def test_keep_data_of_their_own(self):
        homes = {name: service["volumes"] for name, service in OURS.items() if "volumes" in service}
        self.assertEqual(homes, {name: [f"{name}:/var/lib/millrace"] for name in ("gateway", "indexer", "sweeper")},
                         "others are scaled, and two processes never share a folder")


class SecretsTest(unittest.TestCase):
    def test_are_made_once_and_fit_together(self):
        folder = with_secrets(self)
        secrets = folder / "secrets"
        files = {path.name: path.read_bytes() for path in secrets.iterdir()}
        self.assertEqual({f"./secrets/{name}" for name in files}, {each["file"] for each in PROJECT["secrets"].values()})
        self.assertEqual(stat.S_IMODE(secrets.stat().st_mode), 0o700)
        settings = yaml.safe_load(files["gateway.yaml"])
        self.assertEqual(settings["api_keys"][0]["sha256"], hashlib.sha256(files["admin_key"]).hexdigest())
        self.assertGreaterEqual(len(files["admin_key"]), 32)
        self.assertNotEqual(files["admin_key"], files["grafana_password"])
        checked = subprocess.run(["openssl", "x509", "-in", secrets / "tls.crt", "-noout", "-checkhost", "localhost"],
                                 text=True, capture_output=True, check=True)
        self.assertIn("does match", checked.stdout)
        subprocess.run([folder / "make-secrets"], check=True, capture_output=True)
        self.assertEqual({path.name: path.read_bytes() for path in secrets.iterdir()}, files, "a second time changes nothing")

    def test_are_in_no_commit(self):
        ignored = subprocess.run(["git", "check-ignore", "--quiet", "compose/secrets/admin_key"], cwd=ROOT, check=False)
        self.assertEqual(ignored.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)

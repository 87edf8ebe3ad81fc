#!/usr/bin/env python3
"""The environments of k8s/ against the sources: settings, ports, limits, rights in the cluster.

Rendered by Kustomize, with nothing but files: no cluster and no network. Where kubeconform and
schemas are there (KUBERNETES_SCHEMAS, a folder of KIND-GROUP-VERSION.json), also against those.
"""

import base64
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

from k8s_manifests import (BUILD, COMPONENTS, K8S, OVERLAYS, PARTS, ROLES, SECONDS_MAX, STAGES, WORKLOADS, Case,
                           amount, container_of, environment, flags_of, kustomize, name_of)

PROGRAMS = {"millrace-gateway", "millrace-worker", "millrace"}
OF_ADMINISTRATOR = {"Namespace", "Role", "ResourceQuota", "LimitRange"}


class RenderingTest(Case):
    def test_every_overlay_and_component_is_rendered(self):
        self.assertEqual(OVERLAYS, ["dev", "paused", "prod", "staging"])
        used = set()
        for each in (K8S / "overlays").glob("[a-z]*"):
            kustomization = yaml.safe_load((each / "kustomization.yaml").read_text())
            used |= {pathlib.Path(component).name for component in kustomization.get("components", [])}
        beside = {"blue-green", "istio", "openai", "vpa"}  # of `everything`
        self.assertEqual(used | beside | {"hpa-gateway"}, set(COMPONENTS))
        for each in self.each():
            self.assertGreater(len(each.objects), 50)

    def test_what_is_applied_once_per_cluster_is_not_in_an_environment(self):
        done = subprocess.run([*kustomize(), str(K8S / "cluster")], capture_output=True, text=True,
                              check=True, timeout=SECONDS_MAX)
        classes = {each["metadata"]["name"] for each in yaml.safe_load_all(done.stdout)}
        for each in self.each():
            self.assertEqual(each.of("PriorityClass", "ClusterRole", "ClusterRoleBinding"), [])
            self.assertEqual(len(each.of("Namespace")), 1)
            used = {template["spec"]["priorityClassName"] for _, template in each.pods()}
            self.assertEqual(used, classes)

    def test_everything_is_in_the_namespace_of_its_environment(self):
        for each in self.each():
            namespace = each.of("Namespace")[0]["metadata"]
            self.assertEqual(namespace["labels"]["pod-security.kubernetes.io/enforce"], "restricted")
            for thing in each.objects:
                if thing["kind"] != "Namespace":
                    self.assertEqual(thing["metadata"].get("namespace"), namespace["name"], name_of(thing))
        names = {environment(each).of("Namespace")[0]["metadata"]["name"] for each in OVERLAYS}
        self.assertEqual(names, {"millrace-dev", "millrace-staging", "millrace-prod"})

    def test_the_deployer_may_apply_what_is_not_the_administrators(self):
        for each in self.each():
            rules = each.one("Role", "millrace-deployer")["rules"]
            may = {(group, resource) for rule in rules if {"get", "create", "patch"} <= set(rule["verbs"])
                   for group in rule["apiGroups"] for resource in rule["resources"]}
            for thing in each.objects:
                is_admins = thing["metadata"].get("labels", {}).get("millrace/by") == "administrator"
                self.assertEqual(is_admins, thing["kind"] in OF_ADMINISTRATOR, name_of(thing))
                group = thing["apiVersion"].rpartition("/")[0]
                resource = thing["kind"].lower().removesuffix("y") + \
                    ("ies" if thing["kind"].endswith("y") else "es" if thing["kind"].endswith("s") else "s")
                if not is_admins and "istio" not in group and group != "autoscaling.k8s.io":
                    self.assertIn((group, resource), may)

    def test_no_role_reads_secrets_or_may_do_everything(self):
        for each in self.each():
            for rule in (rule for role in each.of("Role") for rule in role["rules"]):
                self.assertFalse({"*", "secrets", "pods/exec"} & set(rule["resources"] + rule["verbs"]))
                self.assertNotIn("delete", rule["verbs"])
            self.assertEqual(each.of("RoleBinding", "Secret"), [])

    @unittest.skipUnless("KUBERNETES_SCHEMAS" in os.environ, "no schemas here")
    def test_schemas(self):
        location = os.environ["KUBERNETES_SCHEMAS"] + "/{{.ResourceKind}}{{.KindSuffix}}.json"
        program = next((each for each in (PARTS / "tools/kubeconform",
                                          shutil.which("kubeconform")) if each and
                        pathlib.Path(each).exists()), None)
        self.assertIsNotNone(program, "schemas without kubeconform")
        for each in self.each():
            text = "\n---\n".join(map(json.dumps, each.objects))
            done = subprocess.run([str(program), "-strict", "-summary", "-output", "json", "-skip",
                                   "VerticalPodAutoscaler", "-schema-location", location], input=text,
                                  capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
            report = json.loads(done.stdout)
            self.assertEqual(report.get("resources") or [], [])
            self.assertGreater(report["summary"]["valid"], 50)


class SizingTest(unittest.TestCase):
    """k8s/sizing: what the README shows is what it computes, and a plan holds what it was made for."""

    @classmethod
    def setUpClass(cls):
        loader = importlib.machinery.SourceFileLoader("sizing", str(K8S / "sizing"))
        cls.sizing = importlib.util.module_from_spec(importlib.util.spec_from_loader("sizing", loader))
        loader.exec_module(cls.sizing)
        cls.figures = {name: value for name, (value, _, _) in cls.sizing.FIGURES.items()}

    def run_it(self, *arguments):
        return subprocess.run([K8S / "sizing", *map(str, arguments)], capture_output=True, text=True, check=False,
                              timeout=SECONDS_MAX)

    def test_the_readme_shows_what_it_computes(self):
        self.assertIn(f"```\n{self.run_it().stdout}```\n", (K8S / "README.md").read_text())

    def test_a_plan_holds_its_own_size_and_not_a_hundred_times_as_much(self):
        for chunks in self.sizing.DEFAULT_CHUNKS:
            for askers in self.sizing.DEFAULT_ASKERS:
                size = (chunks, askers)
                self.assertEqual(self.sizing.gives_way(self.figures, size, size), [], size)
                more = dict(self.sizing.gives_way(self.figures, size, (100 * chunks, 100 * askers)))
                self.assertLessEqual({"index memory", "index disk", "log disk", "search"}, set(more))

    def test_a_search_costs_what_was_measured(self):
        for chunks, row in ((1e5, "small_search"), (1e6, "large_search")):
            self.assertAlmostEqual(self.sizing.search_core_seconds(self.figures, chunks),
                                   self.figures["cores"] / self.figures[row])

    def test_figures_of_a_benchmark_count(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump([{"name": "index_1m_memory_filled", "value": 10 * self.figures["memory"]}], file)
            file.flush()
            sizes = ["--chunks", 1e8, "--askers", 20]
            self.assertNotEqual(self.run_it("--bench", file.name, *sizes).stdout, self.run_it(*sizes).stdout)

    def test_what_is_wrong_is_said(self):
        for arguments, said in ((["--set", "memory=-1"], "a number above 0"), (["--set", "speed=1"], "names: memory"),
                                (["--chunks", "0"], "not between 1 and"), (["--bench", K8S / "sizing"], "no bench.json")):
            done = self.run_it(*arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stdout, "")
            self.assertIn(said, done.stderr)
            self.assertNotIn("Traceback", done.stderr)


class ProcessesTest(Case):
    def test_every_role_runs_once_and_starts_as_its_program_says(self):
        for each in self.each():
            found = {name_of(workload): container_of(template) for workload, template in each.pods()}
            wanted = {f"Deployment {role}" for role in ROLES if role != "indexer"} | {"StatefulSet indexer"}
            self.assertLessEqual(wanted, set(found))
            self.assertLessEqual(set(found) - wanted, {"CronJob backup", "Deployment gateway-green"})
            for role in STAGES:
                container = next(each for name, each in found.items() if name.endswith(" " + role))
                self.assertEqual(container["args"], [f"--stage={role}"])
            for name, container in found.items():
                program, = container["command"]
                self.assertIn(program, PROGRAMS, name)
                flags = {argument.partition("=")[0] for argument in container.get("args", [])
                         if argument.startswith("--")}
                if program != "millrace":
                    self.assertLessEqual(flags, flags_of(program))

    def test_every_variable_is_a_row_of_the_settings_table(self):
        rows = {flag[2:].replace("-", "_").upper() for program in ("millrace-worker", "millrace-gateway")
                for flag in flags_of(program)}
        known = {f"MILLRACE_{row}" for row in rows}
        for each, workload, template in self.pods():
            container = container_of(template)
            variables = {variable["name"] for variable in container.get("env", [])}
            if workload["kind"] == "CronJob":
                self.assertEqual(variables, {"MILLRACE_SERVER", "MILLRACE_API_KEY"})
                continue
            for source in container["envFrom"]:
                if "configMapRef" in source:
                    variables |= set(each.one("ConfigMap", source["configMapRef"]["name"])["data"])
            self.assertGreater(len(variables), 9)
            self.assertLessEqual(variables, known)

    def test_the_settings_are_accepted_by_the_programs(self):
        for each, workload, template in self.pods():
            container = container_of(template)
            program = container["command"][0]
            if program == "millrace":
                continue
            variables = dict(each.settings)
            variables |= {it["name"]: it["value"] for it in container.get("env", []) if "value" in it}
            variables.pop("MILLRACE_CONFIG_FILE", None)  # of a Secret
            done = subprocess.run([str(BUILD / program),
                                   *container.get("args", []), "--show-settings"], env=variables,
                                  capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"partitions = {each.partitions} ", done.stdout)

    def test_the_keys_are_accepted_by_the_gateway(self):
        made = subprocess.run([K8S / "keys", "somewhere"], capture_output=True, text=True, check=True,
                              timeout=SECONDS_MAX)
        listed = json.loads(made.stdout)
        self.assertEqual((listed["apiVersion"], listed["kind"]), ("v1", "List"))
        secrets = {each["metadata"]["name"]: each for each in listed["items"]}
        settings = base64.b64decode(secrets["millrace-keys"]["data"]["settings.yaml"]).decode()
        self.assertEqual([each["name"] for each in yaml.safe_load(settings)["api_keys"]],
                         ["admin", "metrics", "backup"])
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(settings)
            file.flush()
            subprocess.run([BUILD / "millrace-gateway", "--config-file", file.name, "--show-settings"],
                           env={}, stdout=subprocess.DEVNULL, check=True, timeout=SECONDS_MAX)
        for name, secret in secrets.items():
            self.assertEqual(secret["metadata"]["namespace"], "somewhere")
            if name != "millrace-keys":
                self.assertNotIn(base64.b64decode(secret["data"]["key"]).decode(), settings)
        wrong = subprocess.run([K8S / "keys", "Not a namespace"], capture_output=True, text=True,
                               check=False, timeout=SECONDS_MAX)
        self.assertEqual((wrong.returncode, wrong.stdout), (1, ""))
        self.assertIn("NAMESPACE", wrong.stderr)
        self.assertLessEqual(self.secrets_wanted(), set(secrets) | {
            "millrace-backup-store", "millrace-openai", "millrace-cluster-ca-cert",
            *(f"kafka-{role}" for role in ROLES)})

    def secrets_wanted(self):
        found = set()

        def look(thing, key=""):
            if isinstance(thing, list):
                for each in thing:
                    look(each, key)
            elif isinstance(thing, dict):
                if key in ("secret", "secretRef", "secretKeyRef", "credentials"):
                    found.add(thing.get("secretName") or thing["name"])
                for name, each in thing.items():
                    look(each, name)

        for each in environment("everything").of("ServiceMonitor", *WORKLOADS):
            look(each)
        self.assertGreater(len(found), len(ROLES))
        return found

    def test_probes_ask_the_port_that_the_process_listens_at(self):
        for each, workload, template in self.pods():
            if workload["kind"] == "CronJob":
                continue
            container = container_of(template)
            is_gateway = container["command"] == ["millrace-gateway"]
            setting = "MILLRACE_LISTEN" if is_gateway else "MILLRACE_ADMIN_LISTEN"
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            port, = ports.values()
            self.assertEqual(each.settings[setting], f"0.0.0.0:{port}")
            for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz"),
                                ("startupProbe", "/livez")):
                asked = container[probe]["httpGet"]
                self.assertEqual(asked["path"], path)
                self.assertIn(asked["port"], ports)
                self.assertGreaterEqual(container[probe]["timeoutSeconds"], 5)

    def test_pods_are_given_the_time_that_they_take_to_end(self):
        for each, workload, template in self.pods():
            if workload["kind"] == "CronJob":
                continue
            seconds = int(each.settings["MILLRACE_SHUTDOWN_GRACE_MS"].removesuffix("s")) + 2
            hook = container_of(template).get("lifecycle", {}).get("preStop", {})
            seconds += hook.get("sleep", {}).get("seconds", 0)
            self.assertGreater(template["spec"]["terminationGracePeriodSeconds"], seconds)

    def test_pods_are_confined_and_bounded(self):
        for _, workload, template in self.pods():
            spec, container = template["spec"], container_of(template)
            self.assertFalse(spec["automountServiceAccountToken"])
            self.assertFalse(spec["enableServiceLinks"])
            self.assertTrue(spec["securityContext"]["runAsNonRoot"])
            self.assertGreater(spec["securityContext"]["runAsUser"], 0)
            self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertEqual(container["securityContext"], {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]}})
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            self.assertEqual(set(requests), {"cpu", "memory", "ephemeral-storage"})
            self.assertLess(amount(requests["memory"]), amount(limits["memory"]))
            self.assertNotIn("cpu", limits)  # a throttled process misses its heartbeats
            scratch = [volume["emptyDir"]["sizeLimit"] for volume in spec.get("volumes", [])
                       if "emptyDir" in volume]
            self.assertLessEqual(sum(map(amount, scratch)), amount(limits["ephemeral-storage"]))
            self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & set(spec))
            mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
            volumes = {volume["name"] for volume in spec.get("volumes", [])}
            volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
            self.assertEqual(mounts, volumes)

    def test_images_have_one_version(self):
        for each in self.each(OVERLAYS):
            images = {container_of(template)["image"] for _, template in each.pods()}
            self.assertEqual(len(images), 1)
            name, _, tag = images.pop().rpartition(":")
            self.assertTrue(name and re.fullmatch(r"\d+\.\d+\.\d+", tag), (name, tag))

    def test_paths_of_settings_are_mounted(self):
        for each, workload, template in self.pods():
            if workload["kind"] == "CronJob":
                continue
            container = container_of(template)
            mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
            self.assertIn(each.settings["MILLRACE_DATA_DIR"], mounts)
            kafka = next(volume for volume in template["spec"]["volumes"] if volume["name"] == "kafka")
            files = {item["path"] for source in kafka["projected"]["sources"]
                     for item in source["secret"]["items"]}
            for setting in ("CA", "CERTIFICATE", "KEY"):
                path = pathlib.Path(each.settings[f"MILLRACE_KAFKA_TLS_{setting}_FILE"])
                self.assertIn(str(path.parent), mounts)
                self.assertIn(path.name, files)
            role = template["metadata"]["labels"]["app.kubernetes.io/component"]
            self.assertEqual(kafka["projected"]["sources"][1]["secret"]["name"], f"kafka-{role}")
            self.assertEqual(template["spec"]["serviceAccountName"], role)
            each.one("ServiceAccount", role)

    def test_indexers_come_back_to_their_volumes_and_places(self):
        for each in self.each():
            indexer = each.one("StatefulSet", "indexer")["spec"]
            container = container_of(indexer["template"])
            instance = next(it for it in container["env"] if it["name"] == "MILLRACE_KAFKA_INSTANCE")
            self.assertEqual(instance["valueFrom"], {"fieldRef": {"fieldPath": "metadata.name"}})
            self.assertEqual(indexer["persistentVolumeClaimRetentionPolicy"],
                             {"whenDeleted": "Retain", "whenScaled": "Retain"})
            self.assertEqual([each["metadata"]["name"] for each in indexer["volumeClaimTemplates"]],
                             ["state"])
            self.assertEqual(each.one("Service", indexer["serviceName"])["spec"]["clusterIP"], "None")
            self.assertLessEqual(indexer["replicas"], each.partitions)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")

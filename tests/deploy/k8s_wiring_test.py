#!/usr/bin/env python3
"""How the environments of k8s/ are wired: scaling, selectors, network, Kafka's topics and rights.

What it should be is read from schemas/topics.cc and workers/stages.cc.
"""

import re
import subprocess
import unittest

import yaml

from k8s_manifests import (K8S, OVERLAYS, ROLES, ROOT, SECONDS_MAX, STAGES, WORKLOADS, Case, amount,
                           backed_up_topics, container_of, environment, name_of, reader_group, selects, stage_rows,
                           topic_rows)

RESERVED = {"kube-system", "keda", "ingress-nginx", "monitoring", "istio-system"}


class ScaleTest(Case):
    def test_no_stage_has_more_pods_than_partitions(self):
        for each in self.each():
            scaled = set()
            for workload in each.of("Deployment"):
                least, most = each.autoscaler(workload)
                name = workload["metadata"]["name"]
                if (least, most) != (0, 0) and least != most:
                    scaled.add(name)
                    self.assertGreaterEqual(least, 2)
                    if "--stage" in str(workload):
                        self.assertLessEqual(most, each.partitions, name)
            for thing in each.of("ScaledObject", "HorizontalPodAutoscaler"):
                target = thing["spec"]["scaleTargetRef"]
                workload = each.one(target["kind"], target["name"])
                paused = thing["metadata"].get("annotations", {}) or workload["spec"].get("replicas") == 0
                self.assertTrue(paused or "replicas" not in workload["spec"], name_of(workload))
        self.assertEqual({"gateway", "extractor", "chunker", "embedder", "query-embedder", "answerer"},
                         {thing["metadata"]["name"] for thing in environment("prod").of(
                             "ScaledObject", "HorizontalPodAutoscaler")})

    def test_lag_is_of_the_groups_and_topics_that_stages_have(self):
        rows, topics = stage_rows(), topic_rows()
        for each in self.each(("prod", "everything")):
            for thing in each.of("ScaledObject"):
                stage = thing["metadata"]["name"]
                triggers = {trigger["type"]: trigger for trigger in thing["spec"]["triggers"]}
                lag = triggers["kafka"]["metadata"]
                self.assertEqual(lag["consumerGroup"], stage)
                self.assertIn(lag["topic"], topics)
                self.assertIn(re.sub(r"\.g1$", ".g*", lag["topic"]), rows[stage][0])
                self.assertEqual((lag["excludePersistentLag"], lag["allowIdleConsumers"]), ("true", "false"))
                namespace = each.of("Namespace")[0]["metadata"]["name"]
                self.assertEqual(lag["bootstrapServers"], f"millrace-kafka-bootstrap.{namespace}.svc:9093")

    def test_without_keda_it_is_2_to_10_by_processors_and_memory(self):
        scalers = environment("staging").of("HorizontalPodAutoscaler")
        self.assertEqual(len(scalers), 6)
        for each in scalers:
            spec = each["spec"]
            self.assertEqual((spec["minReplicas"], spec["maxReplicas"]), (2, 10))
            self.assertEqual({metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"]
                              for metric in spec["metrics"]}, {"cpu": 70, "memory": 80})

    def test_at_rest_nothing_runs_and_everything_is_kept(self):
        prod, paused = environment("prod"), environment("paused")
        for workload in paused.of(*WORKLOADS):
            if workload["kind"] == "CronJob":
                self.assertTrue(workload["spec"]["suspend"])
            else:
                self.assertEqual(workload["spec"]["replicas"], 0)
        for each in paused.of("ScaledObject"):
            self.assertEqual(each["metadata"]["annotations"], {"autoscaling.keda.sh/paused-replicas": "0"})
        self.assertEqual({name_of(each) for each in prod.objects}, {name_of(each) for each in paused.objects})
        for kind in ("Kafka", "KafkaNodePool", "KafkaTopic", "PersistentVolumeClaim", "ConfigMap"):
            self.assertEqual(prod.of(kind), paused.of(kind))

    def test_the_quota_holds_all_pods_at_their_most(self):
        for each in self.each(OVERLAYS):
            hard = each.one("ResourceQuota", "millrace")["spec"]["hard"]
            hard = {name: amount(value) for name, value in hard.items()}
            needed = self.needed(each)
            for name, value in needed.items():
                self.assertLessEqual(value, hard[name], name)
            if each is not environment("paused"):
                self.assertGreater(needed["requests.cpu"], hard["requests.cpu"] / 2)

    def needed(self, each):
        """Of an environment in which every Deployment has its most pods and one more that starts."""
        needed = dict.fromkeys(("requests.cpu", "requests.memory", "limits.memory", "pods",
                                "requests.storage", "persistentvolumeclaims"), 0)

        def add(count, resources):
            for name in ("requests.cpu", "requests.memory", "limits.memory"):
                kind, _, resource = name.partition(".")
                needed[name] += count * amount(resources[kind][resource])
            needed["pods"] += count

        def claim(count, size):
            needed["requests.storage"] += count * amount(size)
            needed["persistentvolumeclaims"] += count

        for workload, template in each.pods():
            kind = workload["kind"]
            count = 1 if kind == "CronJob" else each.autoscaler(workload)[1] + (kind == "Deployment")
            add(count, container_of(template)["resources"])
            for template_claim in workload["spec"].get("volumeClaimTemplates", []):
                claim(count, template_claim["spec"]["resources"]["requests"]["storage"])
        for pool in each.of("KafkaNodePool"):
            add(pool["spec"]["replicas"], pool["spec"]["resources"])
            for volume in pool["spec"]["storage"]["volumes"]:
                claim(pool["spec"]["replicas"], volume["size"])
        for operator in ("topicOperator", "userOperator"):
            add(1, each.one("Kafka", "millrace")["spec"]["entityOperator"][operator]["resources"])
        for volume in each.of("PersistentVolumeClaim"):
            claim(1, volume["spec"]["resources"]["requests"]["storage"])
        return needed


class SelectorsTest(Case):
    def test_every_selector_finds_exactly_its_pods(self):
        for each in self.each():
            pods = {name_of(workload): template["metadata"]["labels"] for workload, template in each.pods()}

            def found(selector, pods=pods):
                return {name.split(" ")[1] for name, labels in pods.items() if selects(selector, labels)}

            colours = {"gateway"} | {"gateway-green"} & found({})
            for workload in each.of("Deployment", "StatefulSet"):
                self.assertEqual(found(workload["spec"]["selector"]), {workload["metadata"]["name"]})
                role = workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
                for spread in workload["spec"]["template"]["spec"]["topologySpreadConstraints"]:
                    self.assertEqual(found(spread["labelSelector"]), colours if role == "gateway" else {role})
            for budget in each.of("PodDisruptionBudget"):
                name = budget["metadata"]["name"]
                self.assertEqual(found(budget["spec"]["selector"]), colours if name == "gateway" else {name})
            self.assertEqual({budget["metadata"]["name"] for budget in each.of("PodDisruptionBudget")}, set(ROLES))
            for service in each.of("Service"):
                chosen = found({"matchLabels": service["spec"]["selector"]})
                wanted = {"gateway": {"gateway"}, "gateway-preview": {"gateway-green"}, "workers": set(STAGES),
                          "gateway-backup": colours, "indexer": {"indexer"}}
                self.assertEqual(chosen, wanted[service["metadata"]["name"]], name_of(service))
                for port in service["spec"]["ports"]:
                    for workload, template in each.pods():
                        if workload["metadata"]["name"] in chosen:
                            self.assertIn(port["targetPort"],
                                          [it["name"] for it in container_of(template)["ports"]])

    def test_monitors_find_their_services(self):
        for each in self.each(("staging", "prod", "everything")):
            for monitor in each.of("ServiceMonitor"):
                found = [service for service in each.of("Service")
                         if selects(monitor["spec"]["selector"], service["metadata"].get("labels", {}))]
                self.assertEqual([service["metadata"]["name"] for service in found], [monitor["metadata"]["name"]])
                for endpoint in monitor["spec"]["endpoints"]:
                    self.assertIn(endpoint["port"], [port["name"] for port in found[0]["spec"]["ports"]])
                    self.assertIn({"targetLabel": "job", "replacement": "millrace"}, endpoint["relabelings"])

    def test_rules_are_those_of_compose(self):
        subprocess.run([K8S / "monitoring-rules", "--check"], check=True, timeout=SECONDS_MAX)
        source = yaml.safe_load((ROOT / "compose/prometheus/alerts.yml").read_text())
        self.assertEqual(environment("prod").one("PrometheusRule", "millrace")["spec"], source)


class NetworkTest(Case):
    """What may speak to what, by the policies together: a pod without a rule is alone."""

    def allowed(self, each, labels, direction):
        """[(peers, ports)] of all rules for a pod; asserts that nothing else is allowed."""
        key, policy_type = {"in": ("ingress", "Ingress"), "out": ("egress", "Egress")}[direction]
        policies = [policy["spec"] for policy in each.of("NetworkPolicy")
                    if selects(policy["spec"]["podSelector"], labels)]
        self.assertTrue(any(policy_type in policy["policyTypes"] for policy in policies))
        return [(rule.get("from", rule.get("to")), rule.get("ports"))
                for policy in policies for rule in policy.get(key, [])]

    def test_nothing_is_allowed_but_what_the_design_needs(self):
        for each in self.each():
            each.one("NetworkPolicy", "deny-all")
            is_mesh = bool(each.of("PeerAuthentication"))
            for workload, template in each.pods():
                role = template["metadata"]["labels"]["app.kubernetes.io/component"]
                out = self.allowed(each, template["metadata"]["labels"], "out")
                ports = sorted({port["port"] for _, some in out for port in some}, key=str)
                wanted = {53, "http"} if role == "backup" else {53, 9093}
                wanted |= {443} if role == "gateway" and each.of("CronJob") else set()
                wanted |= {443} if role == "answerer" and "millrace-openai" in str(template) else set()
                wanted |= {15012} if role == "gateway" and is_mesh else set()
                self.assertEqual(ports, sorted(wanted, key=str), name_of(workload))
                into = self.allowed(each, template["metadata"]["labels"], "in")
                ports = {port["port"] for _, some in into for port in some}
                is_watched = bool(each.of("ServiceMonitor"))
                wanted = {"http"} if role == "gateway" else {"admin"} if is_watched and role in STAGES else set()
                self.assertEqual(ports, wanted, name_of(workload))

    def test_addresses_outside_are_neither_of_this_network_nor_of_metadata(self):
        for each in self.each():
            for policy in each.of("NetworkPolicy"):
                for block in re.findall(r"'ipBlock': (\{.*?\})", str(policy)):
                    for inside in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"):
                        self.assertIn(inside, block)
                for rule in policy["spec"].get("ingress", []):
                    self.assertTrue(rule.get("from"), name_of(policy))

    def test_peers_are_pods_of_ours_or_of_known_namespaces(self):
        for each in self.each():
            labels = [template["metadata"]["labels"] for _, template in each.pods()]
            for policy in each.of("NetworkPolicy"):
                rules = policy["spec"].get("ingress", []) + policy["spec"].get("egress", [])
                for peer in (peer for rule in rules for peer in rule.get("from", rule.get("to", []))):
                    if "namespaceSelector" in peer:
                        name = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
                        self.assertIn(name, RESERVED)
                        self.assertTrue(peer["podSelector"]["matchLabels"])
                    elif "podSelector" in peer:
                        wanted = peer["podSelector"]["matchLabels"]
                        self.assertTrue(wanted.get("strimzi.io/cluster") == "millrace" or
                                        "millrace/client" in wanted or
                                        any(selects(peer["podSelector"], it) for it in labels), peer)


class KafkaTest(Case):
    def test_topics_are_those_of_the_table(self):
        for each in self.each():
            found = {}
            for topic in each.of("KafkaTopic"):
                config = {name: str(value) for name, value in topic["spec"]["config"].items()}
                found[topic["metadata"]["name"]] = (topic["spec"]["partitions"], config)
            self.assertEqual(found, {name: (each.partitions if partitioned else 1, settings)
                                     for name, (partitioned, settings) in topic_rows().items()})

    def test_brokers_are_where_the_settings_say(self):
        for each in self.each():
            kafka = each.one("Kafka", "millrace")["spec"]["kafka"]
            listener, = kafka["listeners"]
            self.assertEqual(each.settings["MILLRACE_BROKERS"], f"millrace-kafka-bootstrap:{listener['port']}")
            self.assertEqual((listener["tls"], listener["authentication"]), (True, {"type": "tls"}))
            self.assertEqual(each.settings["MILLRACE_KAFKA_SECURITY_PROTOCOL"], "ssl")
            replicas = each.one("KafkaNodePool", "broker")["spec"]["replicas"]
            for name in ("default", "offsets.topic", "transaction.state.log"):
                self.assertEqual(kafka["config"][f"{name}.replication.factor"], min(3, replicas))
            self.assertEqual(kafka["config"]["min.insync.replicas"], max(1, min(3, replicas) - 1))
            self.assertEqual(kafka["config"]["auto.create.topics.enable"], "false")
            pods = [template["metadata"]["labels"] for _, template in each.pods()
                    if selects(listener["networkPolicyPeers"][0]["podSelector"], template["metadata"]["labels"])]
            self.assertEqual({labels["app.kubernetes.io/component"] for labels in pods}, set(ROLES))

    def rights(self, each, user):
        """{resource type: {name: operations}}; names of prefixes end with *."""
        rights = {}
        for rule in each.one("KafkaUser", f"kafka-{user}")["spec"]["authorization"]["acls"]:
            resource = rule["resource"]
            self.assertEqual(rule.get("type", "allow"), "allow")
            name = resource["name"] + "*" * (resource.get("patternType") == "prefix")
            self.assertNotIn(name, rights.get(resource["type"], {}))
            rights.setdefault(resource["type"], {})[name] = set(rule["operations"])
        return rights

    def test_each_stage_may_do_what_its_row_says_and_nothing_else(self):
        rows = stage_rows()
        for each in self.each(("dev", "prod")):
            for stage in STAGES:
                of_process = [stage, "searcher"] if stage == "indexer" else [stage]
                topics = {"*": {"Describe"}}
                for name in {topic for it in of_process for topic in rows[it][0]} | {"restores"}:
                    topics.setdefault(name, set()).add("Read")
                for name in {topic for it in of_process for topic in rows[it][1]} | {"dead-letters"}:
                    topics.setdefault(name, set()).add("Write")
                if rows[stage][3]:  # follows generations
                    topics.setdefault("collections", set()).add("Read")
                if stage == "answerer":  # looks for earlier attempts
                    topics["answers"].add("Read")
                wanted = {"topic": topics, "group": {it: {"Read"} for it in of_process}}
                wanted["group"][reader_group()] = {"Describe"}
                wanted["group"] |= {f"{it}.g*": {"Read"} for it in of_process if rows[it][3]}
                if rows[stage][2]:  # transactions
                    wanted["transactionalId"] = {f"{stage}.*": {"Write", "Describe"}}
                self.assertEqual(self.rights(each, stage), wanted, stage)

    def test_the_gateway_reads_what_backups_hold_and_makes_topics_of_generations_only(self):
        # It writes marks that erasing needs, and trims what is kept by time (kafka_purge.h).
        erased = {"texts", "embeddings.g*", "transcripts", "answers", "passages"}
        for each in self.each(("dev", "prod")):
            topics = self.rights(each, "gateway")["topic"]
            backed_up = {re.sub(r"\.g1$", ".g*", name) for name in backed_up_topics()}
            reads = {name for name, may in topics.items() if "Read" in may}
            self.assertLessEqual(backed_up, reads)
            self.assertEqual(reads - backed_up, {"index-states", "answers", "restores"})
            self.assertEqual({name for name, may in topics.items() if may & {"Create", "Delete"}},
                             {"chunks.g*", "embeddings.g*", "searches.g*", "answers", "passages"})
            self.assertEqual({name for name, may in topics.items() if "Create" in may},
                             {"chunks.g*", "embeddings.g*", "searches.g*"})
            self.assertEqual({name for name, may in topics.items() if "Write" in may}, {
                "collections", "documents", "document-events", "queries", "cancellations", "dead-letters",
                "chunks.g*"} | erased)
            self.assertEqual(self.rights(each, "gateway")["group"], {"*": {"Describe"}})
            self.assertNotIn("transactionalId", self.rights(each, "gateway"))

    def test_users_are_the_roles(self):
        for each in self.each():
            users = {user["metadata"]["name"].removeprefix("kafka-") for user in each.of("KafkaUser")}
            self.assertEqual(users, {*ROLES} | ({"keda"} if each.of("ScaledObject") else set()))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")

#!/usr/bin/env python3
"""The manifests of tools/kubernetes: the API's schema takes them, what they name exists, and their times fit."""
import copy
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

from tests.tools.kubernetes import pods

# Made by others in the cluster: a certificate by cert-manager (or by hand), and the job's, which is an example.
FROM_ELSEWHERE = {"report-tls"}


def complaints(document):
    """What the API's schema has against it; None for a kind that it does not know."""
    for group in json.loads((pods.FOLDER / "schema/api.json").read_text()):
        if document["kind"] in group["kinds"]:
            schema = {"$ref": group["kinds"][document["kind"]], "definitions": group["definitions"]}
            return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
                    for error in jsonschema.Draft7Validator(schema).iter_errors(document)]
    return None


def labels(document):
    return document["spec"]["template"]["metadata"]["labels"]


def every_document():
    return [(base, document) for base in pods.BASES for document in pods.documents(base)]


def every_pod():
    return [(base, document, pod) for base in pods.BASES for document, pod in pods.pods(base)]


def names_made():
    """ConfigMaps and Secrets that are there when everything is applied."""
    names = set(FROM_ELSEWHERE)
    for _, document in every_document():
        if document["kind"] in ("ConfigMap", "Secret", "Bundle"):
            names.add(document["metadata"]["name"])
        if document["kind"] == "Certificate":
            names.add(document["spec"]["secretName"])
    return names


class SchemaTest(unittest.TestCase):
    def test_every_manifest_is_taken(self):
        self.assertEqual(set(pods.BASES),
                         {"cert-manager", "gateway", "job", "kernel", "monitoring", "sidecar", "trust-manager"})
        for base, document in every_document():
            self.assertEqual(complaints(document), [], f"{base}: {document['kind']} {document['metadata']['name']}")

    def test_unknown_keys_and_wrong_types_are_not(self):
        (good,) = [document for document in pods.documents("sidecar") if document["kind"] == "Deployment"]
        for path, value in [(("spec", "template", "spec", "initContainers", 0, "restartpolicy"), "Always"),
                            (("spec", "template", "spec", "containers", 0, "securityContext", "capabilites"), {}),
                            (("spec", "replicas"), "two"), (("spec", "template", "spec", "volumes", 0, "name"), None)]:
            bad = copy.deepcopy(good)
            place = bad
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
            self.assertTrue(complaints(bad), path)


class ReferencesTest(unittest.TestCase):
    def test_mounts_are_of_volumes_and_volumes_of_what_there_is(self):
        made = names_made()
        for base, _, pod in every_pod():
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            mounted = {mount["name"] for one in pods.containers(pod) for mount in one.get("volumeMounts", [])}
            self.assertEqual(mounted, set(volumes), base)
            for volume in volumes.values():
                name = volume.get("configMap", {}).get("name") or volume.get("secret", {}).get("secretName")
                self.assertTrue("emptyDir" in volume or name in made, (base, name))

    def test_selectors_find_pods(self):
        for base, document in every_document():
            pods_here = [labels(other) for other in pods.documents("gateway" if base == "monitoring" else base)
                         if pods.pod_of(other)]
            spec = document.get("spec", {})
            for selector in ("selector", "podSelector"):
                wanted = spec.get(selector)
                if wanted:
                    self.assertIn(wanted.get("matchLabels", wanted), pods_here, (base, document["kind"]))

    def test_ports_that_are_named_exist(self):
        for base in pods.BASES:
            source = "gateway" if base == "monitoring" else base
            ports = {port["name"] for _, pod in pods.pods(source) for one in pods.containers(pod)
                     for port in one.get("ports", [])}
            for document in pods.documents(base):
                text = json.dumps(document)
                for name in re.findall(r'"(?:targetPort|port)": "(\w+)"', text):
                    self.assertIn(name, ports, (base, document["kind"]))

    def test_the_autoscaler_alone_counts_replicas(self):
        by_kind = {document["kind"]: document for document in pods.documents("gateway")}
        target = by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
        self.assertEqual(target["name"], by_kind["Deployment"]["metadata"]["name"])
        self.assertNotIn("replicas", by_kind["Deployment"]["spec"])


class ConfigurationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # pylint: disable-next=consider-using-with
        cls.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.base = pathlib.Path(cls.folder.name)
        for name in "tls", "tickets", "ca":
            (cls.base / "secrets" / name).mkdir(parents=True)
        tls = cls.base / "secrets/tls"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "30", "-subj", "/CN=gateway", "-addext",
                        "subjectAltName=DNS:orders.example.com,DNS:orders.default.svc", "-keyout", tls / "tls.key", "-out",
                        tls / "tls.crt"], check=True, capture_output=True)
        (cls.base / "secrets/ca/ca.crt").write_text((tls / "tls.crt").read_text())
        (cls.base / "secrets/tickets/secret").write_text("s" * 64)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check(self, text):
        config = self.base / "tlsbridge.yaml"
        config.write_text(text.replace("/secrets/", f"{self.base}/secrets/"))
        return subprocess.run([pods.PROGRAM, "check", "--config", config], capture_output=True, text=True, check=False)

    def test_tlsbridge_check_takes_each(self):
        for base in "gateway", "job", "kernel", "sidecar":
            result = self.check(pods.config_of(base))
            self.assertEqual(result.returncode, 0, base + ": " + result.stderr)

    def test_the_placeholder_of_the_ticket_secret_is_refused(self):
        (secret,) = [document for document in pods.documents("gateway") if document["kind"] == "Secret"]
        path = self.base / "secrets/tickets/secret"
        good = path.read_text()
        path.write_text(secret["stringData"]["secret"])
        result = self.check(pods.config_of("gateway"))
        path.write_text(good)
        self.assertEqual(result.returncode, 2)
        self.assertIn("32", result.stderr)

    def test_files_that_it_names_are_mounted(self):
        for base, _, pod in every_pod():
            mounts = {mount["mountPath"]: mount["name"] for mount in pods.bridge_of(pod)["volumeMounts"]}
            for path in re.findall(r'"(/secrets/[^"]+)"', pods.config_of(base)):
                self.assertIn(str(pathlib.PurePath(path).parent), mounts, base)
            # A volume inside of another that cannot be written to could not be mounted.
            for path in mounts:
                self.assertFalse([other for other in mounts if other.startswith(path + "/")], base)
            config = yaml.safe_load(pods.config_of(base))
            socket = pathlib.PurePath(config["admin"]["address"].removeprefix("unix:"))
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            self.assertIn("emptyDir", volumes[mounts[str(socket.parent)]], base)

    def test_ports_are_those_that_it_listens_on(self):
        for base, _, pod in every_pod():
            config = yaml.safe_load(pods.config_of(base))
            listening = {int(listener["address"].rsplit(":", 1)[1]) for listener in config["listeners"]}
            if "metrics_address" in config["admin"]:
                listening.add(int(config["admin"]["metrics_address"].rsplit(":", 1)[1]))
            if not pod.get("hostNetwork"):
                self.assertEqual({port["containerPort"] for port in pods.bridge_of(pod)["ports"]}, listening, base)

    def test_trust_managers_bundle_is_the_file_that_the_gateway_reads(self):
        (bundle,) = pods.documents("trust-manager")
        key = bundle["spec"]["target"]["configMap"]["key"]
        self.assertIn(f"/secrets/ca/{key}", pods.config_of("gateway"))


class LifeTest(unittest.TestCase):
    def test_draining_fits_into_the_time_that_a_pod_has(self):
        for base, _, pod in every_pod():
            shutdown = yaml.safe_load(pods.config_of(base)).get("shutdown", {})
            needed = pods.seconds(shutdown.get("drain_delay", "0s")) + pods.seconds(shutdown.get("drain_timeout", "25s"))
            self.assertGreater(pod["terminationGracePeriodSeconds"], needed + 1, base)

    def test_a_service_outlives_the_lame_duck_of_its_sidecar(self):
        ((_, pod),) = pods.pods("sidecar")
        (service,) = pod["containers"]
        delay = pods.seconds(yaml.safe_load(pods.config_of("sidecar"))["shutdown"]["drain_delay"])
        self.assertGreater(service["lifecycle"]["preStop"]["sleep"]["seconds"], delay)
        self.assertEqual(pods.bridge_of(pod)["restartPolicy"], "Always")

    def test_a_job_ends(self):
        ((document, pod),) = pods.pods("job")
        self.assertEqual(document["kind"], "Job")
        self.assertEqual(pods.bridge_of(pod)["restartPolicy"], "Always")  # a native sidecar keeps no job from ending
        self.assertEqual(pod["restartPolicy"], "Never")
        self.assertNotIn("preStop", json.dumps(pod))

    def test_commands_are_commands_of_the_program(self):
        commands = set()
        for _, _, pod in every_pod():
            commands |= {tuple(found) for found in re.findall(r'\["(/usr/bin/tlsbridge)", "([a-z-]+)"\]', json.dumps(pod))}
            self.assertEqual(pods.bridge_of(pod)["args"], ["run", "--config", "/etc/tlsbridge/tlsbridge.yaml"])
        self.assertEqual({command for _, command in commands}, {"ready", "live", "drain"})
        for _, command in commands:
            subprocess.run([pods.PROGRAM, command, "--help"], check=True, capture_output=True)


class SecurityTest(unittest.TestCase):
    def test_all_run_read_only_without_what_they_do_not_need(self):
        for base, _, pod in every_pod():
            for one in pods.containers(pod):
                context = dict(pod["securityContext"], **one["securityContext"])
                self.assertTrue(context["readOnlyRootFilesystem"], base)
                self.assertFalse(context["allowPrivilegeEscalation"], base)
                self.assertEqual(context["capabilities"]["drop"], ["ALL"], base)
                self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"}, base)
                if base == "kernel":
                    self.assertEqual(context["capabilities"]["add"], ["NET_ADMIN", "NET_BIND_SERVICE"])
                else:
                    self.assertNotIn("add", context["capabilities"])
                    self.assertTrue(context["runAsNonRoot"], base)
                    self.assertGreater(context["runAsUser"], 0, base)

    def test_keys_are_readable_by_the_group_alone(self):
        for base, _, pod in every_pod():
            for volume in pod["volumes"]:
                if "secret" in volume:
                    self.assertEqual(volume["secret"]["defaultMode"], 0o440, base)
                    self.assertEqual(pod["securityContext"]["fsGroup"], 65532)


if __name__ == "__main__":
    unittest.main()

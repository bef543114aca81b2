#!/usr/bin/env python3
"""The sidecar and the gateway of tools/kubernetes, played by podman: TLS is answered through both, ConfigMaps and Secrets are
renewed by kubelet's swap of a link, and a pod that goes under load loses nothing."""
import json
import pathlib
import shutil
import subprocess
import sys
import unittest

from tests.tools.kubernetes.authority import Authority
from tests.tools.kubernetes.played import PlayedPod
from tests.tools.packaging import packages, podman

HERE = pathlib.Path("tests/tools/kubernetes").resolve()
INNER, OUTER = "orders.default.svc", "orders.example.com"


def in_the_test(text):
    """Both pods are in one network here, whose names a server of the test's knows."""
    return (text.replace("0.0.0.0:8443", "0.0.0.0:9443")
            .replace("  health_check:", '  dns: {servers: ["127.0.0.1:5353"]}\n  health_check:'))


class PlayTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        podman.need_podman()
        cls.machine = machine = podman.Podman()
        cls.addClassCleanup(machine.close)
        machine("pull", "--quiet", f"oci-archive:{packages.make('image', machine.folder / 'image')}")
        (machine.folder / "app").mkdir()
        shutil.copy(HERE / "service.py", machine.folder / "app")
        cls.authority = Authority(machine.folder / "authority")
        cls.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=5353",
                  "--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file=", "--user=root",
                  "--address=/orders.default.svc.cluster.local/127.0.0.1")
        cls.sidecar = PlayedPod(machine, "sidecar", {"tls": cls.authority.issue(INNER)})
        cls.gateway = PlayedPod(machine, "gateway", {
            "tls": cls.authority.issue(OUTER),
            "tickets": {"secret": "s" * 48},
            "ca": {"ca.crt": cls.authority.certificate},
        }, in_the_test)

    @classmethod
    def start(cls, *command, **options):
        process = cls.machine.start_inside(*command, **options)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.kill)
        return process

    def load(self, port, name):
        return self.start(sys.executable, HERE / "load.py", f"127.0.0.1:{port}", name, str(self.authority.path),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def serves(self, pod):
        """Ten more clients have come and gone."""
        before = len(pod.events("connection_end"))
        podman.eventually(lambda: len(pod.events("connection_end")) >= before + 10, "clients are served")

    def say(self, load, word):
        load.stdin.write(word + "\n")
        load.stdin.flush()

    def ended(self, load):
        self.say(load, "end")
        told = json.loads(load.communicate()[0])
        self.assertEqual(told["failures"], [])
        self.assertGreater(told["requests"], 20)
        return told

    def serial(self, port, name):
        """Of the certificate that a new client gets."""
        said = self.machine.inside("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-CAfile",
                                   self.authority.path, "-verify_return_error", "-alpn", "http/1.1", input="")
        issued = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=said.stdout, text=True, capture_output=True,
                                check=False).stdout
        return issued.strip(), "ALPN protocol: http/1.1" in said.stdout

    # In this order: the last one takes both pods down.
    def test_1_a_client_is_served_through_gateway_and_sidecar(self):
        said = self.machine.inside("curl", "--silent", "--show-error", "--cacert", self.authority.path, "--resolve",
                                   f"{OUTER}:9443:127.0.0.1", f"https://{OUTER}:9443/")
        self.assertEqual((said.stdout, said.stderr), ("x" * 20000, ""))
        # Without TLS the service can be reached in its pod alone; here that is the same machine.
        self.assertTrue(self.gateway.tlsbridge("live"))
        self.assertEqual(self.gateway.events("route_down"), [])

    def test_2_a_secret_and_a_configuration_are_renewed_under_load(self):
        load = self.load(9443, OUTER)
        before, had_alpn = self.serial(8443, INNER)
        self.assertFalse(had_alpn)
        self.sidecar.volumes["tls"].write(self.authority.issue(INNER))
        podman.eventually(lambda: self.serial(8443, INNER)[0] not in ("", before), "the new certificate is served")
        self.sidecar.volumes["config"].write({"tlsbridge.yaml": self.sidecar.config.replace(
            "    mode: terminate\n", '    mode: terminate\n    alpn: ["http/1.1"]\n')})
        podman.eventually(lambda: self.serial(8443, INNER)[1], "the new configuration is in force")
        self.gateway.volumes["tls"].write(self.authority.issue(OUTER))
        outer = self.serial(9443, OUTER)[0]
        podman.eventually(lambda: self.serial(9443, OUTER)[0] not in ("", outer) or self.gateway.events("renewed"),
                          "the gateway's new certificate is served")
        self.ended(load)
        self.assertEqual(len(self.sidecar.events("reloaded")), 1)

    def test_3_a_mistake_in_a_configuration_changes_nothing(self):
        self.gateway.volumes["config"].write({"tlsbridge.yaml": "listeners: nonsense\n"})
        podman.eventually(lambda: self.gateway.events("reload_refused"), "it is refused")
        self.assertNotEqual(self.serial(9443, OUTER)[0], "")

    def test_4_pods_that_go_under_load_lose_nothing(self):
        for pod, port, name in ((self.gateway, 9443, OUTER), (self.sidecar, 8443, INNER)):
            load = self.load(port, name)
            self.serves(pod)
            # As kubelet does: hooks first; while they run, Services forget the pod.
            if pod is self.sidecar:
                pod.hook(["lifecycle", "preStop"])
                stopping = None
            else:
                stopping = self.start("sh", "-c", "exec \"$@\"", "sh", *self.machine.command("pod", "stop", "--time", "80",
                                                                                         pod.name), stdout=subprocess.DEVNULL)
            podman.eventually(lambda pod=pod: pod.events("terminating"), "it drains")
            # Nodes hear of it: for half of the lame duck, clients come as ever.
            self.serves(pod)
            self.ended(load)
            if stopping is None:
                self.machine("pod", "stop", "--time", "35", pod.name)
            else:
                self.assertEqual(stopping.wait(), 0)
            self.assertEqual(pod.exit_code(), 0)
            (summary,) = pod.events("summary")
            self.assertEqual(summary["live"]["records"], 0)


if __name__ == "__main__":
    unittest.main()

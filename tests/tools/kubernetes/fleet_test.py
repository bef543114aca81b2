#!/usr/bin/env python3
"""Four replicas of a gateway behind the kernel engine: they are restarted and configured anew one by one under load, sessions
are resumed at another one, and one that is killed costs its own connections alone."""
import json
import os
import pathlib
import sys
import tempfile
import unittest

from tests.tools.kubernetes import fleet, namespaces
from tests.tools.kubernetes.authority import Authority
from tests.tools.packaging.podman import eventually

SIZE = 4


class FleetTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespaces.need_namespaces()
        # pylint: disable-next=consider-using-with
        folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.addClassCleanup(folder.cleanup)
        base = pathlib.Path(folder.name)
        authority = Authority(base / "authority")
        for name, text in dict(authority.issue(fleet.NAME), **{"ca.crt": authority.certificate, "secret": "s" * 48}).items():
            (base / name).write_text(text)
            (base / name).chmod(0o600)
        cls.fleet = fleet.Fleet(base, SIZE)
        cls.addClassCleanup(cls.fleet.close)

    def under_load(self, act):
        """What clients tell who come without a pause while `act` is done."""
        load = self.fleet.load()
        self.addCleanup(load.stdout.close)
        self.all_serve()
        act()
        self.all_serve()
        said, _ = load.communicate("end\n")
        return json.loads(said)

    def all_serve(self):
        """Every replica has ended more connections than before."""
        before = [len(gateway.events("connection_end")) for gateway in self.fleet.gateways]
        eventually(lambda: all(len(gateway.events("connection_end")) > count
                               for gateway, count in zip(self.fleet.gateways, before)), "all serve")

    def test_1_each_gets_its_share(self):
        told = self.under_load(lambda: None)
        self.assertEqual(told["failures"], [])
        self.assertEqual(set(told["replicas"]), {f"gateway{number}" for number in range(1, SIZE + 1)})
        self.assertLess(max(told["replicas"].values()), 2 * min(told["replicas"].values()) + 20)

    def test_2_a_session_is_resumed_at_another_replica(self):
        for version in "TLSv1_2", "TLSv1_3":
            said = self.fleet.client.run(sys.executable, fleet.HERE / "resume.py", "10.8.0.1:8443", fleet.NAME,
                                         self.fleet.folder / "ca.crt", version)
            resumed = json.loads(said)
            self.assertEqual(len(resumed), 8)
            self.assertGreater(len({replica for replica, _ in resumed}), 1)
            self.assertEqual([reused for _, reused in resumed], [False] + 7 * [True], version)

    def test_3_a_rolling_restart_loses_nothing(self):
        def roll():
            for number, gateway in enumerate(self.fleet.gateways, 1):
                self.fleet.balancer.change(self.fleet.balancer_config(drained=number))
                self.assertEqual(gateway.end(), 0)
                (summary,) = gateway.events("summary")
                self.assertNotIn("shutdown", summary["reasons"])
                gateway.start()
                self.fleet.balancer.change(self.fleet.balancer_config())

        told = self.under_load(roll)
        self.assertEqual(told["failures"], [])
        self.assertGreater(told["connections"], 100)

    def test_4_a_rolling_change_of_configuration_loses_nothing(self):
        def roll():
            for number, gateway in enumerate(self.fleet.gateways, 1):
                gateway.change(self.fleet.gateway_config(number, route="orders-2"))

        told = self.under_load(roll)
        self.assertEqual(told["failures"], [])
        for gateway in self.fleet.gateways:
            self.assertIn("orders-2", {end["route"] for end in gateway.events("connection_end")})

    def test_5_one_that_is_killed_costs_its_own_connections_alone(self):
        killed = self.fleet.gateways[-1]

        def kill():
            killed.kill()
            eventually(lambda: self.fleet.balancer.events("backend_unhealthy"), "the balancer has noticed")
            killed.start()

        told = self.under_load(kill)
        others = [failure for failure in told["failures"] if failure["replica"] not in (killed.space.name, "none")]
        self.assertEqual(others, [])
        for gateway in self.fleet.gateways[:-1]:
            ends = {end["reason"] for end in gateway.events("connection_end")}
            self.assertLessEqual(ends, {"closed_incoming", "closed_outgoing", "truncated"}, gateway.space.name)
        # It has refused or reset those that it got until that was noticed: none waited, and all could come again at once.
        self.assertFalse([failure for failure in told["failures"] if "timed out" in failure["error"]])
        self.assertGreater(len(told["failures"]), 0)


if __name__ == "__main__":
    unittest.main()

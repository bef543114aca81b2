"""Pods of tools/kubernetes under podman, which knows less than a cluster: what it does not know is done here in its place."""
import copy
import json

import yaml

from tests.tools.kubernetes import pods
from tests.tools.kubernetes.volume import Volume
from tests.tools.packaging import podman

# Of the two containers of a pod one is not ours: a service in Python, from this machine's own /usr.
SERVICE = ["/usr/bin/python3", "/app/service.py"]


class PlayedPod:
    """The pod of a base. Owns its volumes.

    podman 4.3.1 does not know native sidecars, has no probes without systemd, and mounts Secrets in base64; so
    the sidecar is a container like others, and ConfigMaps and Secrets are folders, written as kubelet writes them."""

    def __init__(self, machine, base, secrets, change=lambda text: text):
        """`secrets`: volume: {file: content}; `change` is made to the configuration."""
        self.machine, self.base = machine, base
        ((document, spec),) = pods.pods(base)
        self.spec = copy.deepcopy(spec)
        self.config = change(pods.config_of(base))
        folder = machine.folder / base
        self.volumes = {"config": Volume(folder / "config", {"tlsbridge.yaml": self.config})}
        for name, files in secrets.items():
            self.volumes[name] = Volume(folder / name, files)
        containers = [self._container(one) for one in pods.containers(spec)]
        volumes = [{"name": name, "hostPath": {"path": str(volume.path), "type": "Directory"}}
                   for name, volume in self.volumes.items()]
        # podman knows an emptyDir by its name alone, whose pod it may be of.
        volumes.append({"name": f"run-{base}", "emptyDir": {}})
        if len(containers) > 1:
            volumes += [{"name": "usr", "hostPath": {"path": "/usr", "type": "Directory"}},
                        {"name": "app", "hostPath": {"path": str(machine.folder / "app"), "type": "Directory"}}]
        self.name = base
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": base, "labels": document["metadata"]["labels"]},
               "spec": {"hostNetwork": True, "restartPolicy": "Never", "containers": containers, "volumes": volumes}}
        manifest = machine.folder / f"{base}.yaml"
        manifest.write_text(yaml.safe_dump(pod))
        machine("kube", "play", manifest)
        self.wait_for_start()

    def _container(self, one):
        kept = {key: one[key] for key in ("name", "args", "command", "resources", "volumeMounts") if key in one}
        security = {key: value for key, value in one.get("securityContext", {}).items() if key != "seccompProfile"}
        security.setdefault("runAsUser", 65532)
        kept["securityContext"] = security
        kept["volumeMounts"] = [dict(mount, name=f"run-{self.base}") if mount["name"] == "run" else mount
                                for mount in one.get("volumeMounts", [])]
        kept["image"] = "localhost/tlsbridge:0.1.0-test"
        if one["name"] != "tlsbridge":
            kept["command"] = SERVICE
            kept["volumeMounts"] = [{"name": "usr", "mountPath": "/usr", "readOnly": True},
                                    {"name": "app", "mountPath": "/app", "readOnly": True}]
        return kept

    def tlsbridge(self, *arguments, check=True):
        return self.machine("exec", f"{self.name}-tlsbridge", "/usr/bin/tlsbridge", *arguments, check=check)

    def hook(self, probe):
        """A probe or hook of the manifest, as kubelet would run it."""
        described = pods.bridge_of(self.spec)
        for step in probe:
            described = described[step]
        return self.machine("exec", f"{self.name}-tlsbridge", *described["exec"]["command"], check=False)

    def wait_for_start(self):
        try:
            podman.eventually(lambda: self.hook(["readinessProbe"] if "readinessProbe" in pods.bridge_of(self.spec)
                                                else ["startupProbe"]).startswith("ready"), f"{self.base} is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def log(self):
        return self.machine.inside(*self.machine.command("logs", f"{self.name}-tlsbridge")).stderr

    def events(self, event):
        """Its lines of this kind."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def exit_code(self):
        return self.machine.inspect(f"{self.name}-tlsbridge")["State"]["ExitCode"]

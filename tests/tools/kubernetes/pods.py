"""What the manifests say of pods, for tests."""
import os
import pathlib

from tests.tools.kubernetes import kustomize

FOLDER = pathlib.Path("tools/kubernetes")
BASES = sorted(path.parent.name for path in FOLDER.glob("*/kustomization.yaml"))
PROGRAM = os.path.realpath(os.environ["TLSBRIDGE_BINARY"])


def documents(base):
    return kustomize.build(FOLDER / base)


def pod_of(document):
    """The spec of its pods; None if it has none."""
    if document["kind"] == "Pod":
        return document["spec"]
    template = document.get("spec", {}).get("template") if document["kind"] in ("Deployment", "DaemonSet", "Job") else None
    return template["spec"] if template else None


def pods(base):
    return [(document, pod_of(document)) for document in documents(base) if pod_of(document)]


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def bridge_of(pod):
    """The container of tlsbridge."""
    (found,) = [one for one in containers(pod) if one["name"] == "tlsbridge"]
    return found


def config_of(base):
    """The text of its tlsbridge.yaml."""
    (found,) = [document["data"]["tlsbridge.yaml"] for document in documents(base) if document["kind"] == "ConfigMap"]
    return found


def seconds(duration):
    """Of a duration as the configuration has it, in whole seconds."""
    return int(duration.removesuffix("s"))

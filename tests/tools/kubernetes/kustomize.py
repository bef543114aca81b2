"""Builds the part of kustomize that tools/kubernetes uses; anything else in a kustomization.yaml is an error."""
import pathlib

import yaml

KNOWN = {"apiVersion", "kind", "resources", "namespace", "configMapGenerator", "generatorOptions", "images"}
# Kinds that are of no namespace.
OF_THE_CLUSTER = {"Namespace", "ClusterIssuer", "Bundle"}


def build(folder):
    """The documents that `kustomize build` would print."""
    folder = pathlib.Path(folder)
    settings = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if set(settings) - KNOWN or settings["apiVersion"] != "kustomize.config.k8s.io/v1beta1":
        raise ValueError(f"{folder}: {sorted(set(settings) - KNOWN)}: not known here")
    documents = []
    for resource in settings["resources"]:
        if (folder / resource).is_dir():
            documents += build(folder / resource)
        else:
            documents += [document for document in yaml.safe_load_all((folder / resource).read_text()) if document]
    if settings.get("configMapGenerator"):
        if settings.get("generatorOptions") != {"disableNameSuffixHash": True}:
            raise ValueError(f"{folder}: names with a hash are not known here")
        documents += [config_map(folder, given) for given in settings["configMapGenerator"]]
    for document in documents:
        if "namespace" in settings and document["kind"] not in OF_THE_CLUSTER:
            document["metadata"]["namespace"] = settings["namespace"]
        for image in settings.get("images", []):
            set_image(document, image)
    return documents


def config_map(folder, given):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": given["name"]},
            "data": {name: (folder / name).read_text() for name in given["files"]}}


def set_image(node, image):
    if isinstance(node, list):
        for item in node:
            set_image(item, image)
    elif isinstance(node, dict):
        if node.get("image") == image["name"]:
            node["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
        for item in node.values():
            set_image(item, image)

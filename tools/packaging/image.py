"""An OCI image: the program and the shared libraries that it needs, nothing else, as an archive of an OCI layout."""
import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import time

from tools.packaging.source import copyright_of, printed

USER = 65532
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SBOM = "usr/share/doc/tlsbridge/sbom.spdx.json"


def libraries(program):
    """path: file on this machine, for the dynamic linker and all that it would load."""
    found = {}
    for line in printed("ldd", program).splitlines():
        path = re.search(r"(/\S+) \(0x", line)
        if path:
            found[path.group(1).replace("/lib", "usr/lib", 1)] = path.group(1)
    return found


def owners(paths):
    """The packages that have these files, with their versions."""
    packages = set()
    for path in paths:
        # /lib is /usr/lib; dpkg knows a file by the name that its package has for it.
        said = subprocess.run(["dpkg-query", "--search", path, "/usr" + path], capture_output=True, text=True, check=False)
        packages.add(said.stdout.split(":", 1)[0])
    return {package: printed("dpkg-query", "--show", "--showformat", "${Version}\n", package).splitlines()[0]
            for package in sorted(packages)}


def bill(source, packages):
    """The program's own, and what else is in the image."""
    document = source.bill_of_materials()
    for package, version in packages.items():
        url = f"pkg:deb/debian/{package}@{version.replace('+', '%2B').replace(':', '%3A')}"
        document["packages"].append({
            "name": package, "SPDXID": "SPDXRef-" + package.replace("+", "-"), "versionInfo": version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}]})
        document["relationships"].append({"spdxElementId": "SPDXRef-tlsbridge", "relationshipType": "DYNAMIC_LINK",
                                          "relatedSpdxElement": "SPDXRef-" + package.replace("+", "-")})
    document["name"] += "-image"
    document["documentNamespace"] += "-image"
    return json.dumps(document, indent=2) + "\n"


def layer(source):
    shared = libraries(source.program)
    packages = owners(shared.values())
    tar = Tar(source.epoch)
    for name in "usr", "usr/bin", "usr/lib", "usr/share", "usr/share/doc", "etc", "run", "tmp":
        tar.folder(name, mode=0o1777 if name == "tmp" else 0o755)
    tar.folder("etc/tlsbridge")
    # What is mounted here takes over its mode and, if it is a volume, its owner.
    tar.folder("run/tlsbridge", mode=0o1777, owner=USER)
    for link in "bin", "lib", "lib64":
        tar.link(link, "usr/" + link)
    tar.file("etc/passwd", f"root:x:0:0:root:/:/nologin\ntlsbridge:x:{USER}:{USER}:tlsbridge:/:/nologin\n")
    tar.file("etc/group", f"root:x:0:\ntlsbridge:x:{USER}:\n")
    tar.file("usr/bin/tlsbridge", source.stripped(), mode=0o755)
    for name, path in sorted(shared.items()):
        with open(path, "rb") as file:
            tar.file(name, file.read(), mode=0o755)
    tar.file("usr/share/doc/tlsbridge/copyright", source.notices())
    for package in packages:
        tar.file(f"usr/share/doc/{package}/copyright", copyright_of(package))
    tar.file(SBOM, bill(source, packages))
    return tar.content()


class Tar:
    """Entries of root's, all of one time, with the folders that they are in."""

    def __init__(self, epoch):
        self._epoch = epoch
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w", format=tarfile.GNU_FORMAT)  # closed by content()
        self._folders = set()

    def folder(self, name, mode=0o755, owner=0):
        self._folders.add(name)
        self._add(name, tarfile.DIRTYPE, mode, owner)

    def link(self, name, target):
        self._add(name, tarfile.SYMTYPE, 0o777, target=target)

    def file(self, name, content, mode=0o644):
        parents = name.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            parent = "/".join(parents[:depth])
            if parent not in self._folders:
                self.folder(parent)
        self._add(name, tarfile.REGTYPE, mode, content=content.encode() if isinstance(content, str) else content)

    def content(self):
        self._tar.close()
        return self._bytes.getvalue()

    def _add(self, name, kind, mode, owner=0, content=b"", target=""):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.linkname = kind, mode, target
        entry.uid = entry.gid = owner
        entry.mtime, entry.size = self._epoch, len(content)
        self._tar.addfile(entry, io.BytesIO(content))


def make(source, out):
    """Writes the archive into `out`; returns its path."""
    plain = layer(source)
    zipped = gzip.compress(plain, 9, mtime=0)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(source.epoch))
    labels = {
        "org.opencontainers.image.title": "tlsbridge",
        "org.opencontainers.image.description": "fronts internal services with TLS",
        "org.opencontainers.image.version": source.version,
        "org.opencontainers.image.revision": source.revision,
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "tlsbridge.sbom": "/" + SBOM,
    }
    config = {
        "architecture": source.architecture,
        "os": "linux",
        "created": created,
        "config": {
            "User": f"{USER}:{USER}",
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": ["/usr/bin/tlsbridge"],
            "Cmd": ["run", "--config", "/etc/tlsbridge/tlsbridge.yaml"],
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]},
        "history": [{"created": created, "created_by": "tools/package image"}],
    }
    blobs = {}

    def described(kind, content):
        digest = hashlib.sha256(content).hexdigest()
        blobs["blobs/sha256/" + digest] = content
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(content)}

    def text(document):
        return json.dumps(document, indent=1, sort_keys=True).encode()

    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described(CONFIG, text(config)),
                "layers": [described(LAYER, zipped)], "annotations": labels}
    described_manifest = described(MANIFEST, text(manifest))
    described_manifest["annotations"] = {"org.opencontainers.image.ref.name": "tlsbridge:" + source.version.replace("+", "-")}
    tar = Tar(source.epoch)
    tar.file("oci-layout", text({"imageLayoutVersion": "1.0.0"}))
    tar.file("index.json", text({"schemaVersion": 2, "mediaType": INDEX, "manifests": [described_manifest]}))
    for name, content in sorted(blobs.items()):
        tar.file(name, content)
    path = out / f"tlsbridge_{source.version}_{source.architecture}.oci.tar"
    path.write_bytes(tar.content())
    return path

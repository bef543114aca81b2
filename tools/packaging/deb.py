"""A Debian package."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import textwrap
import time

from tools.packaging.source import ROOT, printed, zipped

FOLDER = ROOT / "tools/packaging/debian"
UNITS = ROOT / "tools/systemd"
MAINTAINER = "tlsbridge developers <{}>".format(os.environ.get("DEBEMAIL", "tlsbridge@lists.invalid"))

CONTROL = """Package: tlsbridge
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {kib}
Depends: {depends}, systemd | systemd-standalone-sysusers | systemd-sysusers
Section: net
Priority: optional
Description: TLS proxy in front of internal services
 tlsbridge terminates TLS 1.2 and 1.3 and bridges each client to its backend.
 It runs beside one service, configured by flags, or in front of several,
 configured by a file. Every connection ends exactly once, for one reason from
 a closed list, and no byte is lost on the way.
"""


def files(source):
    """path: (mode, content) of all that is installed."""
    share = "usr/share/"
    installed = {
        "usr/bin/tlsbridge": (0o755, source.stripped()),
        "etc/tlsbridge/tlsbridge.yaml": (0o644, (FOLDER / "tlsbridge.yaml").read_bytes()),
        "usr/lib/sysusers.d/tlsbridge.conf": (0o644, (FOLDER / "sysusers.conf").read_bytes()),
        share + "man/man1/tlsbridge.1.gz": (0o644, zipped(source.says("man", "1"))),
        share + "man/man5/tlsbridge.yaml.5.gz": (0o644, zipped(source.says("man", "5"))),
        share + "bash-completion/completions/tlsbridge": (0o644, source.says("completion", "bash").encode()),
        share + "zsh/vendor-completions/_tlsbridge": (0o644, source.says("completion", "zsh").encode()),
        share + "fish/vendor_completions.d/tlsbridge.fish": (0o644, source.says("completion", "fish").encode()),
        share + "doc/tlsbridge/copyright": (0o644, source.notices().encode()),
        share + "doc/tlsbridge/changelog.gz": (0o644, zipped(changelog(source))),
        share + "doc/tlsbridge/sbom.spdx.json.gz": (0o644, zipped(source.says("--version", "--sbom"))),
        share + "lintian/overrides/tlsbridge": (0o644, (FOLDER / "lintian-overrides").read_bytes()),
    }
    for unit in sorted([*UNITS.glob("*.service"), *UNITS.glob("*.socket")]):
        installed["lib/systemd/system/" + unit.name] = (0o644, unit.read_bytes())
    return installed


def changelog(source):
    """In Debian's form, of the newest part of ours."""
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    entries = re.findall(r"^- (.*(?:\n  .*)*)", newest, re.MULTILINE)
    text = f"tlsbridge ({source.version}) stable; urgency=medium\n"
    for entry in entries:
        text += "\n" + textwrap.fill(" ".join(entry.split()), 80, initial_indent="  * ", subsequent_indent="    ",
                                     break_long_words=False, break_on_hyphens=False)
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(source.epoch))
    return f"{text}\n\n -- {MAINTAINER}  {date}\n"


def shared_libraries(program):
    """The packages that `program` needs, as dpkg-shlibdeps finds them."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "debian").mkdir()
        pathlib.Path(folder, "debian/control").write_text("Source: tlsbridge\n\nPackage: tlsbridge\nArchitecture: any\n")
        found = printed("dpkg-shlibdeps", "-O", "--warnings=0", program, cwd=folder)
    return found.split("=", 1)[1].strip()


def make(source, out):
    """Writes the package into `out`; returns its path."""
    installed = files(source)
    path = out / f"tlsbridge_{source.version}_{source.architecture}.deb"
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        for name, (mode, content) in installed.items():
            write(folder / name, mode, content)
        kib = sum((len(content) + 1023) // 1024 for _, content in installed.values())
        control = CONTROL.format(version=source.version, architecture=source.architecture, maintainer=MAINTAINER,
                                 kib=kib, depends=shared_libraries(folder / "usr/bin/tlsbridge"))
        sums = "".join(f"{hashlib.md5(content).hexdigest()}  {name}\n"
                       for name, (_, content) in sorted(installed.items()) if not name.startswith("etc/"))
        write(folder / "DEBIAN/control", 0o644, control.encode())
        write(folder / "DEBIAN/md5sums", 0o644, sums.encode())
        write(folder / "DEBIAN/conffiles", 0o644, b"/etc/tlsbridge/tlsbridge.yaml\n")
        for script in "postinst", "prerm", "postrm":
            write(folder / "DEBIAN" / script, 0o755, (FOLDER / script).read_bytes())
        for entry in [folder, *folder.rglob("*")]:
            if entry.is_dir():
                entry.chmod(0o755)
        # Times that are later than SOURCE_DATE_EPOCH, as all are, become that; one thread, since several cut differently.
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--threads-max=1", "--build", folder, path], check=True,
                       stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(folder)
    return path


def write(path, mode, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)

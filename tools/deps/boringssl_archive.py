#!/usr/bin/env python3
"""Makes a BoringSSL of what Debian keeps of it: the one folder of a far larger source package, fetched once by a user.

boringssl_archive.py --package NAME --version VERSION --tarball FILE --sha256 SUM --kept_sha256 SUM --into FOLDER

What the program is built from is kept in the user's cache as one small archive, which is used while its sum is right. It
gets there whole or not at all; of two builds one fetches and the other waits; whatever a killed one left is removed.
--archive names the package's tarball, the small archive or a checkout, if there is one, and then nothing is fetched.
"""

import argparse
import contextlib
import fcntl
import hashlib
import io
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading

_LISTS = ("bcm_internal_headers", "bcm_sources", "bcm_sources_asm", "crypto_headers", "crypto_internal_headers",
          "crypto_sources", "crypto_sources_asm", "ssl_headers", "ssl_internal_headers", "ssl_sources")
_BESIDES = ["LICENSE", "gen/sources.bzl"]
# Assembly of other systems. That of other processors compiles to nothing.
_FOREIGN = ("-apple.S", "-win.S")
_BLOCK = 1 << 20

_WAYS_OUT = """
Another machine's archive will do, {kept} of ~/.cache/tlsbridge, and so will {tarball} or a checkout of BoringSSL:
  bazel build --repo_env=TLSBRIDGE_BORINGSSL_ARCHIVE=FILE_OR_FOLDER //:tlsbridge
or a folder that has a BUILD file already:
  bazel build --override_repository=boringssl=FOLDER //:tlsbridge"""


class Failure(Exception):
    """What is wrong, for the user."""


def _say(text):
    print("boringssl: " + text, file=sys.stderr, flush=True)


def _sha256(file):
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _run(what, command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, **options)
    if done.returncode != 0:
        raise Failure(f"{what} failed:\n{done.stdout.strip()}")
    return done.stdout


# The kept archive.


def files_of(source):
    """The names of the files below `source` that the program is built from, by BoringSSL's own lists."""
    try:
        lists = runpy.run_path(os.path.join(source, "gen/sources.bzl"))
        names = {name for key in _LISTS for name in lists[key] if not name.endswith(_FOREIGN)}
    except (OSError, SyntaxError, KeyError) as error:
        raise Failure(f"{source} is no BoringSSL whose lists are known: {error!r}") from error
    return sorted(names.union(_BESIDES))


def pack(source):
    """The bytes of the archive: the same for the same files, whoever makes it, and when."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in files_of(source):
            with open(os.path.join(source, name), "rb") as file:
                content = file.read()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def _unpack(packed, into):
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into)


# The package.


def _source_lines():
    """A line of sources.list for every archive from which this machine installs packages."""
    rows = _run("apt-get indextargets", [
        "apt-get", "indextargets", "--format", "$(SIGNED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"
    ])
    lines = set()
    for row in rows.splitlines():
        signed_by, uri, release, component = row.split("|")
        option = f"[signed-by={signed_by}] " if signed_by.startswith("/") else ""
        lines.add(f"deb-src {option}{uri} {release} {component}\n")
    return sorted(lines)


@contextlib.contextmanager
def _progress(path):
    """Tells now and then how much of a download there is."""
    done = threading.Event()

    def tell():
        while not done.wait(2):
            with contextlib.suppress(OSError):
                _say(f"{os.path.getsize(path) // 1000000} MB are here")

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _download(options, folder):
    """The path of the package's tarball, of which nothing is known yet."""
    for name in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(folder, name))
    with open(os.path.join(folder, "sources.list"), "w", encoding="utf-8") as file:
        file.writelines(_source_lines())
    apt = ["apt-get", "-q", "-oAPT::Sandbox::User=root", "-oAcquire::Retries=3", "-oDir::Etc::SourceParts=/dev/null",
           f"-oDir::Etc::SourceList={folder}/sources.list", f"-oDir::State::Lists={folder}/lists",
           f"-oDir::Cache={folder}/cache"]
    _run("apt-get update", apt + ["update"])
    path = os.path.join(folder, options.tarball)
    _say(f"fetching {options.tarball}, once; a small part of it is kept")
    with _progress(path):
        _run("apt-get source", apt + ["source", "--download-only", "--tar-only", f"{options.package}={options.version}"],
             cwd=folder)
    return path


def _pack_tarball(options, path, folder):
    """Packs the folder of BoringSSL of the package's tarball, which is unpacked in `folder`."""
    _say(f"unpacking {options.folder} of {options.tarball}")
    unpacked = os.path.join(folder, "unpacked")
    os.mkdir(unpacked)
    _run("unpacking", ["bash", "-c", 'set -o pipefail; xz -dc -T2 "$1" | tar -x -C "$2" --strip-components=1 --wildcards "$3"',
                       "bash", path, unpacked, f"*/{options.folder}/*"])
    return pack(os.path.join(unpacked, options.folder))


def _of_package(options, path, folder):
    packed = _pack_tarball(options, path, folder)
    if (found := hashlib.sha256(packed).hexdigest()) != options.kept_sha256:
        raise Failure(f"what is kept of {options.tarball} has SHA-256 {found}, expected {options.kept_sha256}")
    return packed


def _fetched(options, scratch):
    """The bytes to be kept, by way of a folder in `scratch` that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fetch.", dir=scratch) as folder:
        if (free := shutil.disk_usage(folder).free) < options.scratch_bytes:
            raise Failure(f"{scratch} has {free // 1000000} MB left; {options.scratch_bytes // 1000000} MB are needed for a "
                          "minute. XDG_CACHE_HOME may name another place")
        path = _download(options, folder)
        try:
            with open(path, "rb") as file:
                found = _sha256(file)
        except OSError as error:
            raise Failure(f"apt-get fetched no {options.tarball}: {error}") from error
        if found != options.sha256:
            raise Failure(f"{options.tarball} has SHA-256 {found}, expected {options.sha256}: a cut download?")
        return _of_package(options, path, folder)


# The cache.


def _read_kept(options, path):
    """The archive's bytes, or None if there is none, or not this one."""
    try:
        with open(path, "rb") as file:
            packed = file.read()
    except FileNotFoundError:
        return None
    if hashlib.sha256(packed).hexdigest() == options.kept_sha256:
        return packed
    _say(f"{path} is damaged and is made anew")
    return None


def _keep(packed, path):
    written = path + ".new"
    with open(written, "wb") as file:
        file.write(packed)
        file.flush()
        os.fsync(file.fileno())
    os.replace(written, path)


def _sweep(cache):
    """Removes what a killed run has left; under the lock nobody else is at it."""
    for name in os.listdir(cache):
        path = os.path.join(cache, name)
        if name.startswith("fetch."):
            shutil.rmtree(path, ignore_errors=True)
        elif name.endswith(".new"):
            os.remove(path)


def _from_cache(options):
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.path.join(home, "tlsbridge", "boringssl")
    path = os.path.join(cache, options.kept)
    os.makedirs(cache, exist_ok=True)
    if (packed := _read_kept(options, path)) is not None:
        return packed
    with open(os.path.join(cache, "lock"), "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another build is fetching it: waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if (packed := _read_kept(options, path)) is None:
            _sweep(cache)
            packed = _fetched(options, cache)
            _keep(packed, path)
            _say(f"kept as {path}")
    return packed


def _from_archive(options):
    """What the user names: a checkout is taken as it is, an archive must be one that is known."""
    if os.path.isdir(options.archive):
        return pack(options.archive)
    with open(options.archive, "rb") as file:
        found = _sha256(file)
    if found == options.kept_sha256:
        with open(options.archive, "rb") as file:
            return file.read()
    if found == options.sha256:
        with tempfile.TemporaryDirectory() as folder:
            return _of_package(options, options.archive, folder)
    raise Failure(f"{options.archive} has SHA-256 {found}; {options.kept} has {options.kept_sha256}, {options.tarball} "
                  f"{options.sha256}")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("package", "version", "tarball", "sha256", "kept_sha256", "folder", "into"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--archive", default="")
    parser.add_argument("--scratch_bytes", type=int, default=1_200_000_000)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is there for a minute goes
    options.kept = f"boringssl-{options.kept_sha256[:16]}.tar"
    try:
        _unpack(_from_archive(options) if options.archive else _from_cache(options), options.into)
    except (Failure, OSError) as error:
        _say(f"{error}{_WAYS_OUT.format(kept='boringssl/' + options.kept, tarball=options.tarball)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

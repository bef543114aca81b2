#!/usr/bin/python3
"""Tests tools/deps/boringssl_archive.py with a small package and an apt-get that is a script of the test's."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import unittest

from tools.deps import boringssl_archive

_SCRIPT = "tools/deps/boringssl_archive.py"
_TARBALL = "browser_1.orig.tar.xz"

# Tells that it was asked, then does what the test wants of it.
_APT_GET = """#!/bin/bash
case " $* " in
  *" indextargets "*) echo '/keys|http://mirror/|stable|main' ;;
  *" source "*) echo "$*" >>"$TEST_FOLDER/asked"; . "$TEST_FOLDER/source" ;;
esac
"""
_LISTS = {
    "bcm_sources": ["crypto/bcm.cc"],
    "bcm_sources_asm": ["gen/sum-x86_64-linux.S", "gen/sum-x86_64-apple.S"],
    "ssl_sources": ["ssl/lib.cc"],
    "ssl_headers": ["include/openssl/ssl.h"],
}
_KEPT = ["LICENSE", "crypto/bcm.cc", "gen/sources.bzl", "gen/sum-x86_64-linux.S", "include/openssl/ssl.h", "ssl/lib.cc"]
_NOT_KEPT = ["gen/sum-x86_64-apple.S", "ssl/test/big.json", "../../elsewhere/file"]


def _files_below(folder):
    return sorted(os.path.relpath(os.path.join(base, name), folder)
                  for base, _, names in os.walk(folder) for name in names)


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class BoringsslArchiveTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.checkout = os.path.join(self.folder, "tree/browser-1/third_party/boringssl/src")
        for name in _KEPT + _NOT_KEPT:
            self._write(os.path.join(self.checkout, name), f"content of {name}\n")
        lists = "".join(f"{name} = {_LISTS.get(name, [])}\n" for name in boringssl_archive._LISTS)
        self._write(os.path.join(self.checkout, "gen/sources.bzl"), lists)
        self.package = os.path.join(self.folder, _TARBALL)
        subprocess.run(["tar", "-cJf", self.package, "-C", os.path.join(self.folder, "tree"), "browser-1"], check=True)
        self.kept_sha256 = hashlib.sha256(boringssl_archive.pack(self.checkout)).hexdigest()
        self.cache = os.path.join(self.folder, "cache")
        self.kept = f"boringssl-{self.kept_sha256[:16]}.tar"
        self._write(os.path.join(self.folder, "bin/apt-get"), _APT_GET)
        os.chmod(os.path.join(self.folder, "bin/apt-get"), 0o755)
        self._apt_source(f'cp "{self.package}" .')

    @staticmethod
    def _write(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def _apt_source(self, script):
        self._write(os.path.join(self.folder, "source"), script + "\n")

    def _start(self, into, *more, before=(), cache=None):
        """A run whose result goes into the folder `into`, behind the words of `before`."""
        into = os.path.join(self.folder, into)
        os.makedirs(into, exist_ok=True)
        environment = dict(os.environ, PATH=f"{self.folder}/bin:{os.environ['PATH']}", TEST_FOLDER=self.folder,
                           XDG_CACHE_HOME=cache or self.cache)
        return subprocess.Popen([
            *before, sys.executable, _SCRIPT, "--package=browser", "--version=1-1", "--tarball=" + _TARBALL,
            "--sha256=" + _sha256(self.package), "--kept_sha256=" + self.kept_sha256, "--folder=third_party/boringssl/src",
            "--into=" + into, "--scratch_bytes=1000", *more], env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)

    def _run(self, into, *more, **options):
        run = self._start(into, *more, **options)
        said = run.communicate()[0]
        return run.returncode, said

    def _expect_made(self, into, *more, **options):
        code, said = self._run(into, *more, **options)
        self.assertEqual(code, 0, said)
        self.assertEqual(_files_below(os.path.join(self.folder, into)), _KEPT)

    def _expect_refused(self, why, *more, **options):
        code, said = self._run("refused", *more, **options)
        self.assertEqual(code, 1, said)
        self.assertIn(why, said)
        for way_out in ("--repo_env=TLSBRIDGE_BORINGSSL_ARCHIVE=", "--override_repository=boringssl="):
            self.assertIn(way_out, said)
        self.assertEqual(_files_below(os.path.join(self.folder, "refused")), [])

    def _in_cache(self):
        return _files_below(os.path.join(self.cache, "tlsbridge/boringssl"))

    def _times_asked(self):
        try:
            with open(os.path.join(self.folder, "asked"), encoding="utf-8") as file:
                return len(file.readlines())
        except FileNotFoundError:
            return 0

    def test_a_first_build_fetches_and_keeps_only_what_is_built(self):
        self._expect_made("first")
        self.assertEqual(self._in_cache(), [self.kept, "lock"])

    def test_a_second_build_fetches_nothing(self):
        self._expect_made("first")
        self._expect_made("second")
        self.assertEqual(self._times_asked(), 1)

    def test_what_is_kept_is_the_same_whoever_makes_it(self):
        packed = boringssl_archive.pack(self.checkout)
        for name in _KEPT:
            os.chmod(os.path.join(self.checkout, name), 0o600)
            os.utime(os.path.join(self.checkout, name), (1, 1))
        self.assertEqual(boringssl_archive.pack(self.checkout), packed)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            self.assertEqual(archive.getnames(), _KEPT)

    def test_a_damaged_archive_is_made_anew(self):
        self._expect_made("first")
        path = os.path.join(self.cache, "tlsbridge/boringssl", self.kept)
        with open(path, "r+b") as file:
            file.seek(600)
            file.write(b"X")
        self._expect_made("second")
        self.assertEqual(self._times_asked(), 2)
        self._expect_made("third")
        self.assertEqual(self._times_asked(), 2)

    def test_a_cut_download_is_refused_and_leaves_nothing(self):
        for script in (f'head -c 300 "{self.package}" >{_TARBALL}', f'head -c 300 "{self.package}" >{_TARBALL}; exit 100'):
            self._apt_source(script)
            self._expect_refused("has SHA-256" if "exit" not in script else "apt-get source failed")
            self.assertEqual(self._in_cache(), ["lock"])
        self._apt_source(f'cp "{self.package}" .')
        self._expect_made("first")

    def test_a_mirror_without_the_package_is_told_of(self):
        self._apt_source("echo 'E: Unable to find a source package for browser'; exit 100")
        self._expect_refused("Unable to find a source package for browser")
        self._apt_source("true")
        self._expect_refused(f"apt-get fetched no {_TARBALL}")

    def _start_and_hold(self, into):
        """A run that is within its download, and a function that lets it go on."""
        fetching, go_on = (os.path.join(self.folder, name) for name in ("fetching", "go_on"))
        for fifo in (fetching, go_on):
            os.mkfifo(fifo)
        end = os.open(go_on, os.O_RDWR)  # keeps the line until somebody reads it
        self.addCleanup(os.close, end)
        self._apt_source(f'echo >{fetching}; read -r <{go_on}; cp "{self.package}" .')
        run = self._start(into)
        with open(fetching, encoding="utf-8") as file:
            file.readline()
        return run, lambda: os.write(end, b"\n")

    def _stop_while_it_fetches(self, number):
        run, go_on = self._start_and_hold("stopped")
        run.send_signal(number)
        run.wait()
        go_on()  # what a killed one had started ends, too
        run.communicate()
        self.assertNotEqual(run.returncode, 0)

    def test_of_two_builds_one_fetches_and_the_other_waits(self):
        first, go_on = self._start_and_hold("first")
        second = self._start("second")
        self.assertIn("waiting", second.stdout.readline())
        go_on()
        for run, into in ((first, "first"), (second, "second")):
            said = run.communicate()[0]
            self.assertEqual(run.returncode, 0, said)
            self.assertEqual(_files_below(os.path.join(self.folder, into)), _KEPT)
        self.assertEqual(self._times_asked(), 1)

    def test_what_is_interrupted_leaves_nothing(self):
        self._stop_while_it_fetches(signal.SIGTERM)
        self.assertEqual(self._in_cache(), ["lock"])

    def test_what_a_killed_one_left_is_removed_by_the_next(self):
        self._stop_while_it_fetches(signal.SIGKILL)
        self.assertNotEqual(self._in_cache(), ["lock"])
        self._apt_source(f'cp "{self.package}" .')
        self._expect_made("second")
        self.assertEqual(self._in_cache(), [self.kept, "lock"])

    def test_too_little_room_is_told_of_before_anything_is_fetched(self):
        self._expect_refused("MB left", f"--scratch_bytes={1 << 60}")
        self.assertEqual(self._times_asked(), 0)

    def test_a_disk_that_gets_full_leaves_no_part_of_an_archive(self):
        small = os.path.join(self.folder, "small")
        os.mkdir(small)
        mount = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c",
                 f"mount -t tmpfs -o size=64k none {small} || exit 77; \"$@\"; s=$?; ls -R {small}; exit $s", "bash"]
        if subprocess.run([*mount, "true"], check=False, capture_output=True).returncode != 0:
            self.skipTest("this machine allows no mount namespace")
        self._apt_source(f'head -c 200000 /dev/zero >{_TARBALL} || exit 100')
        code, said = self._run("refused", before=mount, cache=small)
        self.assertEqual(code, 1, said)
        self.assertIn("No space left", said)
        self.assertNotIn("fetch.", said)
        # Room for the package, none for what is kept.
        self._write(os.path.join(self.checkout, "ssl/lib.cc"), "x" * 100_000)
        self.kept_sha256 = hashlib.sha256(boringssl_archive.pack(self.checkout)).hexdigest()
        subprocess.run(["tar", "-cJf", self.package, "-C", os.path.join(self.folder, "tree"), "browser-1"], check=True)
        self._apt_source(f'cp "{self.package}" .')
        code, said = self._run("refused", before=mount, cache=small)
        self.assertEqual(code, 1, said)
        self.assertIn("No space left", said)
        self.assertEqual(said.split("boringssl:\n")[-1].split(), ["lock"])

    def test_an_archive_that_the_user_names_needs_no_mirror(self):
        self._expect_made("first")
        kept = os.path.join(self.cache, "tlsbridge/boringssl", self.kept)
        shutil.copy(kept, os.path.join(self.folder, "given.tar"))
        for number, archive in enumerate((os.path.join(self.folder, "given.tar"), self.package, self.checkout)):
            self._expect_made(f"by_name{number}", f"--archive={archive}", cache=os.path.join(self.folder, "no_cache"))
        self.assertEqual(self._times_asked(), 1)

    def test_an_archive_that_nobody_knows_is_refused(self):
        other = os.path.join(self.folder, "other.tar")
        self._write(other, "x")
        self._expect_refused("has SHA-256", f"--archive={other}")
        self._expect_refused("no BoringSSL whose lists are known", f"--archive={self.folder}")
        self._expect_refused("No such file", "--archive=/nonexistent")

    def test_another_content_than_the_pinned_one_is_refused(self):
        self.kept_sha256 = "0" * 64
        self._expect_refused("expected 0000")
        self.assertEqual(self._in_cache(), ["lock"])


if __name__ == "__main__":
    unittest.main()

"""BoringSSL from the source package of Debian's that has a recent one, checked, patched, built by a BUILD file of ours.

The package is chromium's, of which one folder is kept, in the user's cache; boringssl_archive.py does this and says how.
How to take the next one is told in README.md.
"""

_PACKAGE = "chromium"
_VERSION = "150.0.7871.100-1~deb12u1"
_TARBALL = "chromium_150.0.7871.100.orig.tar.xz"
_SHA256 = "2d39244586a0e28242ea082777dbfa877e9d374e62bf9f2d86a92b0a142118cd"
_FOLDER = "third_party/boringssl/src"

# Of the archive that is kept: what the program is built from.
_KEPT_SHA256 = "f3db68375ade0d6c64a31268e0be91e8ab07ad752954cf3b099d3fcffd004a63"

# As its MODULE.bazel has it, and the package that it came in.
BORINGSSL_VERSION = "0.20260526.0 (chromium 150.0.7871.100)"

def _boringssl_impl(ctx):
    script = ctx.path(ctx.attr._archive)
    build_file = ctx.path(ctx.attr.build_file)
    ctx.report_progress("941 MB are fetched and unpacked, unless this was done before")
    made = ctx.execute(
        [
            "/usr/bin/python3",
            script,
            "--package=" + _PACKAGE,
            "--version=" + _VERSION,
            "--tarball=" + _TARBALL,
            "--sha256=" + _SHA256,
            "--kept_sha256=" + _KEPT_SHA256,
            "--folder=" + _FOLDER,
            "--into=" + str(ctx.path(".")),
            "--archive=" + ctx.os.environ.get("TLSBRIDGE_BORINGSSL_ARCHIVE", ""),
        ],
        quiet = False,
        timeout = 3600,
    )
    if made.return_code != 0:
        fail(made.stderr)
    for patch in ctx.attr.patches:
        ctx.patch(patch, strip = 1)
    ctx.symlink(build_file, "BUILD.bazel")
    ctx.file("WORKSPACE", "workspace(name = \"boringssl\")\n")

boringssl_repository = repository_rule(
    implementation = _boringssl_impl,
    attrs = {
        "build_file": attr.label(allow_single_file = True, mandatory = True),
        "patches": attr.label_list(allow_files = True),
        "_archive": attr.label(allow_single_file = True, default = "//tools/deps:boringssl_archive.py"),
    },
    environ = ["TLSBRIDGE_BORINGSSL_ARCHIVE"],
)

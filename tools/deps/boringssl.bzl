"""BoringSSL from Debian's source package, checked, patched, and built by its own Bazel BUILD file.

The binary package android-libboringssl-dev is not used: it is built with OPENSSL_SMALL, which makes P-256 signing about
three times slower.
"""

_PACKAGE = "android-platform-external-boringssl"
BORINGSSL_VERSION = "13.0.0+r24-2"
_TARBALL = "android-platform-external-boringssl_13.0.0+r24.orig.tar.xz"
_SHA256 = "583b7aeee1fca68b8244d086cea6fca23bd19d517bd63f0b9de714e048f92a7d"

def _run(ctx, what, arguments):
    result = ctx.execute(arguments, timeout = 600)
    if result.return_code != 0:
        fail("boringssl: {} failed:\n{}\n{}".format(what, result.stdout, result.stderr))
    return result.stdout

def _deb_src_lines(ctx):
    """deb-src lines for every archive from which this machine installs binary packages."""
    lines = {}
    listing = _run(ctx, "apt-get indextargets", [
        "apt-get",
        "indextargets",
        "--format",
        "$(SIGNED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)",
        "Created-By: Packages",
    ])
    for row in listing.splitlines():
        signed_by, uri, release, component = row.split("|")
        option = "[signed-by={}] ".format(signed_by) if signed_by.startswith("/") else ""
        lines["deb-src {}{} {} {}".format(option, uri, release, component)] = True
    return "\n".join(lines.keys()) + "\n"

def _boringssl_impl(ctx):
    ctx.file("apt/sources.list", _deb_src_lines(ctx))
    for folder in ["apt/lists/partial", "apt/cache/archives/partial"]:
        ctx.file(folder + "/.keep", "")
    root = str(ctx.path("apt"))
    apt = [
        "apt-get",
        "-oDir::Etc::SourceList=" + root + "/sources.list",
        "-oDir::Etc::SourceParts=/dev/null",
        "-oDir::State::Lists=" + root + "/lists",
        "-oDir::Cache=" + root + "/cache",
        "-oAPT::Sandbox::User=root",
        "-q",
    ]
    _run(ctx, "apt-get update", apt + ["update"])
    _run(ctx, "apt-get source", ["sh", "-c", "cd apt && exec \"$@\"", "sh"] + apt + [
        "source",
        "--download-only",
        _PACKAGE + "=" + BORINGSSL_VERSION,
    ])
    sha256 = _run(ctx, "sha256sum", ["sha256sum", "apt/" + _TARBALL]).split(" ")[0]
    if sha256 != _SHA256:
        fail("boringssl: {} has SHA-256 {}, expected {}".format(_TARBALL, sha256, _SHA256))
    _run(ctx, "tar", ["tar", "--strip-components=1", "-xf", "apt/" + _TARBALL])
    ctx.delete("apt")
    for patch in ctx.attr.patches:
        ctx.patch(patch, strip = 1)
    ctx.file("WORKSPACE", "workspace(name = \"boringssl\")\n")

boringssl_repository = repository_rule(
    implementation = _boringssl_impl,
    attrs = {"patches": attr.label_list(allow_files = True)},
)

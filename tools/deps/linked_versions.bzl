"""The versions of all that is linked into the program, as the packages say that the build took.

The target is @linked_versions//:linked_versions; its header has one constant, kLinkedVersions.
"""

_HEADER = """#pragma once
namespace tlsbridge {{
// The libraries that the program is linked with, a line each.
inline constexpr char kLinkedVersions[] =
{lines};
}}  // namespace tlsbridge
"""

_BUILD = """cc_library(
    name = "linked_versions",
    hdrs = ["linked_versions.h"],
    includes = ["."],
    visibility = ["//visibility:public"],
)
"""

def _linked_versions_impl(ctx):
    lines = ["    \"{} {}\\n\"".format(name, version) for name, version in ctx.attr.versions.items()]
    for name, package in ctx.attr.packages.items():
        asked = ctx.execute(["dpkg-query", "--show", "--showformat", "${Version}", package])
        if asked.return_code != 0:
            fail("{} is missing: run tools/setup as root (it installs {})".format(name, package))
        lines.append("    \"{} {}\\n\"".format(name, asked.stdout.strip()))
    ctx.file("WORKSPACE", "workspace(name = \"{}\")\n".format(ctx.name))
    ctx.file("BUILD.bazel", _BUILD)
    ctx.file("linked_versions.h", _HEADER.format(lines = "\n".join(sorted(lines))))

linked_versions = repository_rule(
    implementation = _linked_versions_impl,
    local = True,
    attrs = {
        "packages": attr.string_dict(doc = "library: Debian package that is asked for its version"),
        "versions": attr.string_dict(doc = "library: version, where no package is installed"),
    },
)

"""All that is linked into the program: versions, as the packages say that the build took, and licences.

The target is @linked_versions//:linked_versions; its header has one constant, kLinkedLibraries.
"""

_HEADER = """#pragma once
namespace tlsbridge {{
struct LinkedLibrary {{
  const char* name;
  const char* version;
  const char* license;  // as SPDX writes it
  const char* package;  // Debian's, or empty
}};
// The libraries that the program is linked with, by name.
inline constexpr LinkedLibrary kLinkedLibraries[] = {{
{lines}
}};
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
    versions = dict(ctx.attr.versions)
    for name, package in ctx.attr.packages.items():
        asked = ctx.execute(["dpkg-query", "--show", "--showformat", "${Version}", package])
        if asked.return_code != 0:
            fail("{} is missing: run tools/setup as root (it installs {})".format(name, package))
        versions[name] = asked.stdout.strip()
    lines = []
    for name in sorted(versions):
        if name not in ctx.attr.licenses:
            fail("linked_versions: what is the licence of {}?".format(name))
        row = [name, versions[name], ctx.attr.licenses[name], ctx.attr.packages.get(name, "")]
        lines.append("    {" + ", ".join(["\"{}\"".format(cell) for cell in row]) + "},")
    ctx.file("WORKSPACE", "workspace(name = \"{}\")\n".format(ctx.name))
    ctx.file("BUILD.bazel", _BUILD)
    ctx.file("linked_versions.h", _HEADER.format(lines = "\n".join(lines)))

linked_versions = repository_rule(
    implementation = _linked_versions_impl,
    local = True,
    attrs = {
        "licenses": attr.string_dict(doc = "library: licence, as SPDX writes it"),
        "packages": attr.string_dict(doc = "library: Debian package that is asked for its version"),
        "versions": attr.string_dict(doc = "library: version, where no package is installed"),
    },
)

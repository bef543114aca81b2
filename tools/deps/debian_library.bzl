"""Libraries that Debian ships, under the labels of their upstream projects.

Headers are in the compiler's default include path, so a target is no more than its link options. A user with a pinned
checkout of the upstream project replaces the whole repository with --override_repository=NAME=DIR.
"""

_TARGET = """cc_library(
    name = "{name}",
    defines = {defines},
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

def _debian_library_impl(ctx):
    if not ctx.path(ctx.attr.header).exists:
        fail("{} is missing: run tools/setup as root (it installs {})".format(ctx.attr.header, ctx.attr.package))
    ctx.file("WORKSPACE", "workspace(name = \"{}\")\n".format(ctx.name))
    packages = {}
    for label in ctx.attr.targets:
        package, _, name = label.partition(":")
        packages.setdefault(package, []).append(name or package.split("/")[-1])
    for package, names in packages.items():
        ctx.file(
            (package + "/" if package else "") + "BUILD.bazel",
            "\n".join([
                _TARGET.format(name = name, defines = ctx.attr.defines, linkopts = ctx.attr.linkopts)
                for name in names
            ]),
        )

debian_library = repository_rule(
    implementation = _debian_library_impl,
    local = True,
    attrs = {
        "package": attr.string(mandatory = True, doc = "Debian package that holds it"),
        "header": attr.string(mandatory = True, doc = "a file whose absence means that the package is not installed"),
        "targets": attr.string_list(mandatory = True, doc = "upstream labels: 'folder', 'folder:name' or ':name'"),
        "linkopts": attr.string_list(),
        "defines": attr.string_list(),
    },
)

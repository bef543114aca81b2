"""Every external repository of the build. Labels are the upstream projects' own."""

load("//tools/deps:boringssl.bzl", "BORINGSSL_VERSION", "boringssl_repository")
load("//tools/deps:debian_library.bzl", "debian_library")
load("//tools/deps:linked_versions.bzl", "linked_versions")

# Debian builds each abseil target as an archive of its own; the linker picks what is used.
_ABSL = [
    "bad_any_cast_impl",
    "bad_optional_access",
    "bad_variant_access",
    "base",
    "city",
    "civil_time",
    "cord",
    "cord_internal",
    "cordz_functions",
    "cordz_handle",
    "cordz_info",
    "cordz_sample_token",
    "debugging_internal",
    "demangle_internal",
    "examine_stack",
    "exponential_biased",
    "failure_signal_handler",
    "flags_commandlineflag",
    "flags_commandlineflag_internal",
    "flags_config",
    "flags_internal",
    "flags_marshalling",
    "flags_parse",
    "flags_private_handle_accessor",
    "flags_program_name",
    "flags_reflection",
    "flags_usage",
    "flags_usage_internal",
    "graphcycles_internal",
    "hash",
    "hashtablez_sampler",
    "int128",
    "leak_check",
    "log_severity",
    "low_level_hash",
    "malloc_internal",
    "periodic_sampler",
    "random_distributions",
    "random_internal_platform",
    "random_internal_pool_urbg",
    "random_internal_randen",
    "random_internal_randen_hwaes",
    "random_internal_randen_hwaes_impl",
    "random_internal_randen_slow",
    "random_internal_seed_material",
    "random_seed_gen_exception",
    "random_seed_sequences",
    "raw_hash_set",
    "raw_logging_internal",
    "spinlock_wait",
    "stacktrace",
    "status",
    "statusor",
    "str_format_internal",
    "strerror",
    "strings",
    "strings_internal",
    "symbolize",
    "synchronization",
    "throw_delegate",
    "time",
    "time_zone",
]

def tlsbridge_repositories():
    _bazel_rules()
    boringssl_repository(
        name = "boringssl",
        build_file = "//tools/deps:boringssl.BUILD.bazel",
        patches = ["//tools/deps:patches/boringssl-handshake-buffer.patch"],
    )
    debian_library(
        name = "com_google_absl",
        package = "libabsl-dev",
        header = "/usr/include/absl/base/config.h",
        linkopts = ["-Wl,--start-group"] + ["-l:libabsl_{}.a".format(name) for name in _ABSL] + ["-Wl,--end-group"],
        targets = [
            "absl/base:core_headers",
            "absl/cleanup",
            "absl/container:btree",
            "absl/container:flat_hash_map",
            "absl/container:inlined_vector",
            "absl/flags:commandlineflag",
            "absl/flags:config",
            "absl/flags:flag",
            "absl/flags:parse",
            "absl/flags:reflection",
            "absl/flags:usage",
            "absl/functional:any_invocable",
            "absl/functional:function_ref",
            "absl/hash",
            "absl/random",
            "absl/status",
            "absl/status:statusor",
            "absl/strings",
            "absl/strings:str_format",
            "absl/time",
            "absl/types:span",
        ],
    )
    debian_library(
        name = "com_github_c_ares_c_ares",
        package = "libc-ares-dev",
        header = "/usr/include/ares.h",
        linkopts = ["-l:libcares.a"],
        targets = [":ares"],
    )
    debian_library(
        name = "com_github_gabime_spdlog",
        package = "libspdlog-dev",
        header = "/usr/include/spdlog/spdlog.h",
        # Header-only, so that neither libspdlog nor libfmt is needed where the program runs.
        defines = ["SPDLOG_FMT_EXTERNAL", "FMT_HEADER_ONLY"],
        linkopts = ["-lpthread"],
        targets = [":spdlog"],
    )
    debian_library(
        name = "com_github_libevent",
        package = "libevent-dev",
        header = "/usr/include/event2/bufferevent.h",
        # The one archive with all of it; the linker takes what is used.
        linkopts = ["-l:libevent.a"],
        targets = [":event"],
    )
    debian_library(
        name = "com_github_jbeder_yaml_cpp",
        package = "libyaml-cpp-dev",
        header = "/usr/include/yaml-cpp/yaml.h",
        linkopts = ["-l:libyaml-cpp.a"],
        targets = [":yaml-cpp"],
    )
    debian_library(
        name = "com_github_nlohmann_json",
        package = "nlohmann-json3-dev",
        header = "/usr/include/nlohmann/json.hpp",
        targets = [":json"],
    )
    debian_library(
        name = "com_google_googletest",
        package = "libgtest-dev libgmock-dev",
        header = "/usr/include/gmock/gmock.h",
        # main() is taken from libgtest_main only where the test has none of its own.
        linkopts = ["-lgtest_main", "-lgmock", "-lgtest", "-lpthread"],
        targets = [":gtest", ":gtest_main"],
    )
    debian_library(
        name = "com_github_google_benchmark",
        package = "libbenchmark-dev",
        header = "/usr/include/benchmark/benchmark.h",
        linkopts = ["-lbenchmark_main", "-lbenchmark", "-lpthread"],
        targets = [":benchmark_main"],
    )
    linked_versions(
        name = "linked_versions",
        licenses = {
            "BoringSSL": "Apache-2.0",
            "abseil": "Apache-2.0",
            "c-ares": "MIT AND ISC",
            "fmt": "MIT",
            # Some of its files, such as strlcpy.c, are of OpenBSD.
            "libevent": "BSD-3-Clause AND ISC",
            "nlohmann-json": "MIT",
            "spdlog": "MIT",
            "yaml-cpp": "MIT",
        },
        packages = {
            "abseil": "libabsl-dev",
            "c-ares": "libc-ares-dev",
            "fmt": "libfmt-dev",
            "libevent": "libevent-dev",
            "nlohmann-json": "nlohmann-json3-dev",
            "spdlog": "libspdlog-dev",
            "yaml-cpp": "libyaml-cpp-dev",
        },
        versions = {"BoringSSL": BORINGSSL_VERSION},
    )

def _bazel_rules():
    for name, path in {
        "bazel_skylib": "/usr/share/bazel/tools/skylib",
        "rules_java": "/usr/share/bazel/rules/java",
        "rules_proto": "/usr/share/bazel/rules/proto",
    }.items():
        native.local_repository(name = name, path = path)
    for name in ["rules_cc", "remote_coverage_tools"]:
        native.local_repository(name = name, path = "tools/deps/" + name)

"""e2e_test: a cc_test that runs the real program."""

def e2e_test(name, deps = [], data = [], tags = [], env = {}, binary = "//:tlsbridge", **kwargs):
    """A cc_test with the harness, and with the program in its runfiles.

    Args:
      name: of the test
      deps: beside the harness and GoogleTest
      data: beside the program
      tags: as usual
      env: as usual, beside the program's path
      binary: stands in for the program where the harness itself is tested
      **kwargs: as for cc_test
    """
    native.cc_test(
        name = name,
        data = data + [binary],
        env = dict(env, TLSBRIDGE_BINARY = "$(rootpath {})".format(binary)),
        tags = tags,
        deps = deps + [
            "//tests/e2e/harness",
            "@com_google_googletest//:gtest_main",
        ],
        **kwargs
    )

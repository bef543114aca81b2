"""fuzz_test: one fuzz target; a test that replays its corpus, and with --config=fuzz a fuzzer."""

def fuzz_test(name, srcs, corpus, deps = [], mutations = 300):
    """See README.md.

    Args:
      name: of the target
      srcs: with one LLVMFuzzerTestOneInput
      corpus: the seeds, as glob() finds them
      deps: of srcs; none of them with a main()
      mutations: of each seed that the test tries; together seconds, not minutes
    """
    folder = native.package_name() + "/"
    seeds = [folder + seed for seed in corpus]
    native.cc_test(
        name = name,
        size = "medium",
        srcs = srcs + select({
            "//tests/fuzz:libfuzzer": ["//tests/fuzz:libfuzzer_options.cc"],
            "//conditions:default": ["//tests/fuzz:replay_main.cc"],
        }),
        args = select({
            "//tests/fuzz:libfuzzer": ["-seed_inputs=" + ",".join(seeds)],
            "//conditions:default": ["--mutations={}".format(mutations)] + seeds,
        }),
        data = corpus,
        linkopts = select({
            "//tests/fuzz:libfuzzer": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = deps + ["//tests/fuzz:fuzz_check"],
    )

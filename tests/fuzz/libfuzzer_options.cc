// AddressSanitizer's options for fuzzers, which `bazel run` gives no environment: Debian's abseil
// is not instrumented, so that containers which cross into it must not be checked for overflow.

extern "C" const char* __asan_default_options();  // NOLINT: the name is the sanitizer's

extern "C" const char* __asan_default_options() {  // NOLINT
  return "detect_container_overflow=0:detect_stack_use_after_return=1";
}

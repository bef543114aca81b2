"""The native C++ rules under the names that external BUILD files load.

Debian's bazel-rules-cc needs a newer Bazel than Debian's own, and the native rules of 4.2 are all that is wanted.
"""

cc_binary = native.cc_binary
cc_import = native.cc_import
cc_library = native.cc_library
cc_test = native.cc_test
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
cc_proto_library = native.cc_proto_library
objc_library = native.objc_library

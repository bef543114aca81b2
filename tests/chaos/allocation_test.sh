#!/usr/bin/env bash
# Starts the real program a dozen times while its allocations fail: allocation_test.sh CHAOS TLSBRIDGE SHIM
set -euo pipefail
# What it says counts, not how it ends: refused by the sanitizer, it exits with 1.
said=$(LD_PRELOAD="$3" "$2" --version 2>&1) || true
if [[ $said == *'ASan runtime does not come first'* ]]; then
  echo "skipped: the sanitizer has an allocator of its own, and lets no other come before it"
  exit 0
fi
"$1" --tlsbridge="$2" --fault_shim="$3" --allocations=12 --seed=1

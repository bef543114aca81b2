#!/usr/bin/env bash
# Starts the real program a dozen times while its allocations fail: allocation_test.sh CHAOS TLSBRIDGE SHIM
set -euo pipefail
"$1" --tlsbridge="$2" --fault_shim="$3" --allocations=12 --seed=1

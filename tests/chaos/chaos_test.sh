#!/usr/bin/env bash
# Makes 5,000 random connections to the real program, 3,000 while its configuration changes, and 200 idle ones:
# chaos_test.sh CHAOS TLSBRIDGE
set -euo pipefail
"$1" --tlsbridge="$2" --connections=5000 --seed=1
"$1" --tlsbridge="$2" --connections=3000 --seed=2 --change_every=50ms
"$1" --tlsbridge="$2" --idle=200

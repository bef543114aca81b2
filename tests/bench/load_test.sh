#!/bin/bash
# The load generator, through the relay, against its own backend: it must believe what is right and nothing else.
set -eu

bench=tools/bench
pids=()
trap '[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}"' EXIT

# Starts a program that prints "listening ADDRESS"; leaves the address in $address.
start() {
  local out="$TEST_TMPDIR/$(basename "$1").out"
  "$@" >"$out" &
  pids+=($!)
  until grep -q listening "$out"; do sleep 0.01; done
  address=$(sed 's/listening //' "$out")
}

believes() {
  "$bench/load" "$@" --connect="$relay" >"$TEST_TMPDIR/report" || {
    echo "a good run was refused: $*"
    cat "$TEST_TMPDIR/report"
    exit 1
  }
}

refuses() {
  local status=0
  "$bench/load" "${@:2}" >"$TEST_TMPDIR/report" || status=$?
  if [ $status -ne 1 ] || ! grep -q "\"$1\"" "$TEST_TMPDIR/report"; then
    echo "a run that should fail with $1 ended with status $status: ${*:2}"
    cat "$TEST_TMPDIR/report"
    exit 1
  fi
}

start "$bench/backend"
backend=$address
start "$bench/relay" --backend="$backend"
relay=$address

believes handshake --plain --count=50
believes handshake --plain --count=50 --closer=backend
believes handshake --plain --count=50 --nagle
believes handshake --plain --hello --count=50
believes bulk --plain --hello --bytes=3000001 --direction=upload
believes roundtrip --plain --duration=100ms --warmup=0
believes roundtrip --plain --duration=100ms --size=100000 --connections=2
believes roundtrip --plain --duration=100ms --rate=500
believes bulk --plain --bytes=3000001
believes bulk --plain --bytes=3000001 --direction=upload
believes idle --plain --connections=50 --duration=100ms
believes storm --plain --duration=200ms --rate=500 --storm_connections=4
believes storm --plain --duration=200ms --rate=500 --storm_connections=4 --storm_rate=100

# The backend does not speak TLS, and nobody listens on port 1.
refuses handshake handshake --count=1 --connect="$relay"
refuses connect roundtrip --plain --connect=127.0.0.1:1
# A process that is gone has no CPU time.
refuses proxy_gone bulk --plain --bytes=4000 --cpu_of=4194304 --connect="$relay"

#!/usr/bin/env bash
# Tests tools/lint/rules: each rule fires on an offending sample, with file and line, and not on a clean one.
# Usage: rules_test.sh PATH_OF_RULES
set -euo pipefail

rules=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
  echo "FAIL: $*"
  failures=$((failures + 1))
}

# put FILE TEXT: makes a tree of that one file.
put() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree/$(dirname "$1")"
  printf '%b\n' "$2" >"$work/tree/$1"
}

# fires RULE FILE TEXT: the rule, and no other, finds the first line of TEXT in FILE.
fires() {
  put "$2" "$3"
  local output
  if output=$("$rules" "$work/tree"); then
    fail "$1 does not fire on $2: $3"
  elif ! grep -qE "^$1: $2:[0-9]+:" <<<"$output"; then
    fail "$1 does not name $2 and its line, but says: $output"
  elif [ "$(grep -c '^  why: ' <<<"$output")" -ne 1 ]; then
    fail "$2: expected one reason, not: $output"
  fi
}

# quiet FILE TEXT: no rule fires.
quiet() {
  put "$1" "$2"
  local output
  output=$("$rules" "$work/tree") || fail "$1 is clean, but: $output"
}

fires openssl-include bridge/a.cc '#include <openssl/ssl.h>'
fires openssl-include router/a.h '#include "openssl/ssl.h"'
fires openssl-include tools/tlsbridge/main.cc '#include <openssl/ssl.h>'
for folder in tls tests/tls tools/bench tools/chaos; do
  quiet "$folder/a.cc" '#include <openssl/ssl.h>'
done

fires event2-include tls/a.cc '#include <event2/event.h>'
fires event2-include tests/tls/a.cc '#include <event2/event.h>'
fires event2-include tools/tlsbridge/main.cc '#include <event2/event.h>'
for folder in bridge router tests/bridge tests/router; do
  quiet "$folder/a.cc" '#include <event2/event.h>'
done

fires guarantee README.md '## Guarantees\n\n| it works | `NoTest.ShowsIt` |'
quiet README.md '## Guarantees\n\n| it works | by hope |\n\n## Others\n\n`NoTest.ShowsIt`'
fires dead-link a/b.md '[gone](c.md)'
fires dead-link b.md '# One\n\n[two](b.md#two)'
fires dead-link b.md '# One\n\n[two](#two)'
quiet b.md '# One, and `two`\n\n[one](#one-and-two), [elsewhere](https://example.com/a.md), [it](b.md)'

# Put together here, so that this file is clean itself.
for word in up down; do
  fires vocabulary bridge/a.cc "int ${word}stream_fd = 0;"
  fires vocabulary bridge/a.h "// the ${word^}stream side"
done
quiet bridge/a.cc 'std::ostringstream stream;'

fires sleep tests/bridge/a.cc 'std::this_thread::sleep_for(x);'
fires sleep tests/bridge/a.cc 'usleep(10);'
fires sleep tests/e2e/a.cc '  sleep(1);'
fires sleep tests/e2e/a.cc 'absl::SleepFor(x);'
quiet tests/bridge/a.cc 'WaitUntilAsleep(x);'

fires real-clock router/a.cc 'auto now = absl::Now();'
fires real-clock tests/router/a.cc 'std::chrono::steady_clock::now();'
fires real-clock bridge/a.cc 'std::chrono::system_clock::now();'
fires real-clock bridge/event/loop.cc 'clock_gettime(CLOCK_MONOTONIC, &ts);'
fires real-clock tls/a.cc 'gettimeofday(&tv, nullptr);'
fires real-clock tls/a.cc 'time(nullptr);'
for file in bridge/event/clock.cc tools/bench/a.cc tests/e2e/a_test.cc; do
  quiet "$file" 'auto now = absl::Now();'
done
quiet router/a.cc 'auto now = clock.Now();\nint x = set_time(0);'

fires capture-all bridge/a.cc 'auto f = [=] { return x; };'
fires capture-all bridge/a.cc 'auto f = [=, this] { return x; };'
quiet bridge/a.cc 'auto f = [x] { return a[x] == 1; };'

fires unfinished tls/a.cc '// TO''DO: later'
fires unfinished tools/thing '# FIX''ME'
quiet tls/a.cc '// METHOD'

fires dependency-direction tls/a.cc '#include "bridge/a.h"'
fires dependency-direction bridge/a.h '#include "router/a.h"'
fires dependency-direction router/a.cc '#include "tools/tlsbridge/a.h"'
fires dependency-direction tools/tlsbridge/a.cc '#include "tests/e2e/a.h"'
quiet tools/tlsbridge/a.cc '#include "router/a.h"\n#include "tls/a.h"'
quiet router/a.cc '#include "bridge/a.h"\n#include "tls/a.h"'
quiet bridge/a.cc '#include "tls/a.h"'
quiet tests/router/a.cc '#include "router/a.h"'

fires room-order router/config/a.h '#include "router/live/a.h"'
fires room-order router/backends/a.cc '#include "router/worker.h"'
fires room-order tls/hello/a.cc '#include "tls/session.h"'
fires room-order tls/certificates/a.h '#include "tls/trust/a.h"'
quiet router/connections/a.cc '#include "router/live/renewal/a.h"\n#include "router/log/a.h"'
quiet tls/trust/a.cc '#include "tls/certificates/a.h"\n#include "tls/trust/b.h"\n#include "tls/failure.h"'

# Where a user reads it; a phrase that is right is let through.
fires words tools/tlsbridge/a.cc 'f("what no\\" flag is: %s is no flag");'
fires words router/a.cc 'f("this listener "\n  // too\n  "ends "\n  "TLS");'
fires words bridge/a.h 'f(R"(so it is\ntold again)");'
fires words README.md 'The key may be read by anybody.'
fires words router/admin/page/page.html '<p>ask whoever is there</p>'
fires words router/yaml/reference.md '| `a` | two at once |'
quiet tools/tlsbridge/a.cc '// It is no text.\nf("there is no route of that name", "told"); f("it is no longer");'
quiet README.md 'Run `tells nobody`.\n\n```\ntells nobody\n```'
quiet router/other.md 'nobody'
quiet tests/router/a.cc 'f("it is no flag");'

fires file-length tls/a.cc "$(printf 'int x;\\n%.0s' {1..600})"
quiet tls/a.cc "$(printf 'int x;\\n%.0s' {1..599})"

# The line is the right one.
put tls/a.cc 'clean\nclean\nabsl::Now()'
("$rules" "$work/tree" || true) | grep -q '^real-clock: tls/a.cc:3:' || fail "wrong line number"

[ "$failures" -eq 0 ] || exit 1
echo "every rule fires where it should and nowhere else"

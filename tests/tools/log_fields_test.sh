#!/usr/bin/env bash
# tools/lint/log_fields finds what is logged and not listed, and what is listed and not logged.
set -euo pipefail

script=$PWD/$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/router/log" "$tree/router/stats" "$tree/tools/tlsbridge" "$tree/tools/lint"

# What is always there: see the script.
{
  printf '## Fields\n\n| field | type | |\n|---|---|---|\n'
  for field in time level event; do printf '| `%s` | text | |\n' "$field"; done
  printf '| `records` | list | |\n| `next` | number | |\n| `route` | text | |\n| `open` | number | |\n'
  printf '\n## Events\n\n| event | |\n|---|---|\n| `log_lines_lost`'
  for kind in certificate ocsp client_ca crl backend_certificate backend_ca; do
    printf ', `%s_expired`, `%s_expires_soon`' "$kind" "$kind"
  done
  printf ' | |\n| `began` | |\n'
} >"$tree/router/log/README.md"
source=$tree/router/a.cc
stable=$tree/tools/lint/stable_names
{
  printf '# Names.\nfield time text\nfield level text\nfield event text\nfield records list\nfield next number\n'
  printf 'field route text\nfield open number\nevent log_lines_lost\nevent began\n'
  for kind in certificate ocsp client_ca crl backend_certificate backend_ca; do
    printf 'event %s_expired\nevent %s_expires_soon\n' "$kind" "$kind"
  done
} >"$stable"

# expect CODE TEXT: how it ends, and what it says.
expect() {
  local code=0 said
  said=$(python3 "$script" "$tree") || code=$?
  if [ "$code" -ne "$1" ] || ! grep -qF "$2" <<<"$said"; then
    echo "expected $1 and '$2', got $code and:" "$said"
    exit 1
  fi
}

echo 'LogEvent(LogLevel::kInfo, "began").Text("route", r).Number("open", n);' >"$source"
expect 0 "the lists are true"
echo 'LogEvent(LogLevel::kInfo, "ended").Text("route", r).Number("open", n);' >>"$source"
expect 1 "event ended is logged and not in the list"
echo 'LogEvent(LogLevel::kInfo, "began").Text("route", r).Text("open", n);' >"$source"
expect 1 "field ('open', 'text') is logged and not in the list"
expect 1 "field ('open', 'number') is in the list and not logged"

# What is there for good.
echo 'LogEvent(LogLevel::kInfo, "began").Text("route", r).Number("open", n);' >"$source"
answer=$tree/router/stats/answer_json.cc
echo 'out->Key("ready").Bool(ready);' >"$answer"
expect 1 "member ready is new: add it"
echo 'member ready' >>"$stable"
expect 0 "the lists are true"
echo 'out->Key("is_ready").Bool(ready);' >"$answer"
expect 1 "member ready is gone from the source"
rm "$answer"
sed -i '/member ready/d' "$stable"
echo 'out->Begin("tlsbridge_new", Type::kGauge, "New."); out->Sample({{"side", "client"}}, 1);' >"$tree/router/stats/metrics.cc"
expect 1 "metric tlsbridge_new is new: add it"
expect 1 "label side is new: add it"

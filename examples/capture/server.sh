# shellcheck shell=bash
# Sourced by the capture scripts: start, await and stop a profiled server, export its reports.
set -euo pipefail

say() { printf '==> %s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || die "$tool is not on PATH"
  done
}

# start_server COMMAND...: runs it in the background, in a process group of its own.
# Without a group of its own, a background job of a script ignores the interrupt that ends it cleanly.
start_server() {
  set -m
  "$@" &
  server=$!
  set +m
  trap 'stop_server' EXIT
}

# await_server URL SECONDS: returns once the server answers, fails if it ends or the time is up.
await_server() {
  local deadline=$((SECONDS + $2))
  until curl --fail --silent --output /dev/null "$1"; do
    kill -0 "$server" 2>/dev/null || die "the server ended before it was ready"
    ((SECONDS < deadline)) || die "the server was not ready after $2 s"
    sleep 2
  done
}

# stop_server: interrupts the server and nsys as Ctrl-C would, then waits until the reports are written.
stop_server() {
  trap - EXIT
  kill -INT -- "-$server" 2>/dev/null || true
  wait "$server" || true
}

# export_reports STEM: writes one SQLite file beside each report of that stem, and explains it where the tool is there.
export_reports() {
  local report found=0
  for report in "$1".nsys-rep "$1".*.nsys-rep; do
    [[ -f $report ]] || continue
    found=1
    local sqlite="${report%.nsys-rep}.sqlite"
    say "export $sqlite"
    nsys export --type sqlite --lazy=false --include-json=true -o "$sqlite" "$report"
    if command -v nsys-llm-explain >/dev/null; then
      nsys-llm-explain "$sqlite" --out "${report%.nsys-rep}_report"
    else
      say "next: nsys-llm-explain $sqlite --out ${report%.nsys-rep}_report"
    fi
  done
  ((found)) || die "no report named $1*.nsys-rep: did the capture range open?"
}

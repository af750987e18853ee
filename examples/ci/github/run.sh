#!/usr/bin/env bash
# One sopsync command for a pull request: annotations, step summary, outputs, report files. See action.yml.
# Every input comes through the environment: nothing from a pull request is ever part of a script.
set -uo pipefail

case "${COMMAND:?}" in
  plan) set -- plan --sealed --detailed-exitcode ${BASE:+--config-from "$BASE"} ;;
  check) set -- check ${BASE:+--config-from "$BASE"} ;;
  diff) set -- diff ${BASE:+"$BASE"} --detailed-exitcode ;;
  *) echo "::error::command must be plan, check or diff"; exit 64 ;;
esac
out="${RUNNER_TEMP:?}/sopsync-$1"
rm -rf "$out" # of a step before: what this run does not write must not be there
mkdir -p "$out"
set -- "$@" --config "${CONFIG:-sopsync.yaml}" --format github
for form in json markdown gitlab sarif junit; do set -- "$@" --report "$form=$out/$form"; done

sopsync "$@"
code=$?

# 1. The summary is there for everybody, also where no comment may be written. At most 1 MiB a step.
if [ -s "$out/markdown" ]; then cat "$out/markdown" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"; fi

# 2. Outputs: numbers, and paths made here. Of a run that failed nothing is known: no numbers, neither yes nor no.
# -I, for the checkout must not lend its modules
python3 -I - "$out" "$code" >>"${GITHUB_OUTPUT:-/dev/null}" <<'PY'
import json, os, sys
out, code = sys.argv[1:]
try:
    counts = json.load(open(f"{out}/gitlab"))
except (OSError, ValueError):
    counts = {}
counts = counts if isinstance(counts, dict) else {}
print(f"exit-code={int(code)}")
for name in ("create", "update", "delete"):
    print(f"{name}={int(counts.get(name, 0)) if code in ('0', '2') else ''}")
print(f"changes={ {'0': 'false', '2': 'true'}.get(code, '')}")
for name in ("json", "markdown", "sarif", "junit"):
    if os.path.exists(f"{out}/{name}"):
        print(f"{name}={out}/{name}")
PY

# 3. Changes are what a pull request is for: they fail only where that was asked for.
if [ "$code" = 2 ] && [ "${FAIL_ON_CHANGES:-false}" != true ]; then exit 0; fi
exit "$code"

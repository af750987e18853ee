#!/bin/sh
# What `make demo` runs: a small git repository of real SOPS files, and sopsync from the first look to a verified plan.
#
# Everything is made in demo/ of this clone and stays there to look around in. Values are random, exist only in pipes,
# and are never on disk in clear; the age key that opens them is demo/age.key, made anew each time.
set -eu

cd "$(dirname "$0")/.."
top=$PWD/demo
rm -rf "$top"
mkdir -p "$top/acme"

# Nobody's own keys, tokens or git settings play a part.
unset SOPS_AGE_KEY SOPS_AGE_KEY_CMD SOPS_AGE_RECIPIENTS SOPS_PGP_FP SOPS_KMS_ARN GIT_DIR GIT_WORK_TREE 2>/dev/null || :
export HOME="$top" XDG_CONFIG_HOME="$top" GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME="Ana Diaz" GIT_AUTHOR_EMAIL=ana@acme.example
export GIT_COMMITTER_NAME="Ana Diaz" GIT_COMMITTER_EMAIL=ana@acme.example

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi

say() { printf '\n%s# %s%s\n' "$bold" "$1" "$plain"; }

# run COMMAND [EXIT]: print it, run it, and stop the demo unless it exits as it should.
run() {
  printf '%s$ %s%s\n' "$bold" "$1" "$plain"
  code=0
  (eval "$1") </dev/null || code=$?
  if [ "$code" -ne "${2:-0}" ]; then
    printf '\ndemo: stopped: exit %s instead of %s: %s\n' "$code" "${2:-0}" "$1" >&2
    exit 1
  fi
  if [ "$code" -ne 0 ]; then printf '(exit %s)\n' "$code"; fi
}

say "An age key, and a git repository whose secrets are encrypted to it"
cd "$top/acme"
python - ../age.key <<'END'
import os, sys
from pyrage import x25519
key = x25519.Identity.generate()
with open(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
    print(f"# public key: {key.to_public()}", key, sep="\n", file=file)
END
export SOPS_AGE_KEY_FILE="$top/age.key"
recipient=$(sed -n 's/^# public key: //p' "$SOPS_AGE_KEY_FILE")
mkdir -p services/api services/billing
printf 'creation_rules:\n  - age: %s\n' "$recipient" >.sops.yaml

run 'git init -q -b main .'
run 'cat .sops.yaml'
random() { python -c 'import secrets; print(secrets.token_urlsafe(24))'; }
seal='sops encrypt --filename-override'
for file in services/api/prod.yaml services/api/staging.yaml; do
  run "printf 'db_password: %s\\ntoken: %s\\n' \"\$(random)\" \"\$(random)\" | $seal $file >$file"
done
file=services/billing/prod.yaml
run "printf 'stripe_key: %s\\n' \"\$(random)\" | $seal $file >$file"
run 'git add . && git commit -q -m "Secrets of two services"'
run 'head -n 2 services/api/prod.yaml | cut -c -72'

say "sopsync finds the files and writes a first config; nothing else is needed"
run 'sopsync init'
run 'git add sopsync.yaml .gitignore && git commit -q -m "Add sopsync"'

say "A plan needs no key and reads no value"
run 'sopsync plan'
run 'sopsync apply --yes'
run 'sopsync plan'

say "Somebody rotates one secret"
run "printf '\"%s\"' \"\$(random)\" | sops set --value-stdin services/api/prod.yaml '[\"token\"]'"
run 'git commit -q -a -m "Rotate the API token"'

say "The plan names the entry and the key; a script can ask whether anything is to do"
run 'sopsync plan --detailed-exitcode' 2
run 'sopsync apply --yes'

say "Every live value is what git says"
run 'sopsync plan --verify --detailed-exitcode'

say "Who, when and why of a live secret, and the state of everything: no key needed"
run 'sopsync blame local:prod/api'
run 'sopsync blame local:prod/api --history'
run 'sopsync status'

printf '\nLook around: cd demo/acme; export SOPS_AGE_KEY_FILE="$PWD/../age.key"\n'

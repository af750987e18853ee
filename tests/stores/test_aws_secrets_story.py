"""sopsync as a user runs it, against two accounts and regions of Secrets Manager at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores.aws_secrets_harness import SecretsOutside, client
from tests.support.aws import Aws
from tests.support.aws.callers import THEM
from tests.support.story import Stage

STORY = """
$ put api/prod.yaml user=canary-u password=canary-p
$ put api/dev.yaml user=canary-du password=canary-dp
$ write sopsync.yaml
| version: 1
| owner: acme/{env}
| stores:
|   dev: {type: aws-secretsmanager}
|   prod: {type: aws-secretsmanager, region: us-east-1, role_arn: "$ROLE", external_id: acme-secrets, prefix: prod/}
| sync:
|   - from: "{service}/{env}.yaml"
|     to:
|       - {store: "{env}", name: "{env}/{service}", prune: true, tags: {team: web}}
|       - {store: "{env}", name: "{env}/url/{service}", template: "https://{user}:{password}@db"}
$ commit Start
$ sopsync apply --yes -q
Applied: 4 create.
$ live prod/api password=canary-p
…
$ sopsync plan
No changes. 4 entries in step with git. No files decrypted.
$ put api/prod.yaml password=canary-p2
$ commit Change a password
$ sopsync apply --yes -q
Applied: 2 update.
$ live prod/api password=canary-p2
…
$ rotate api/prod.yaml
$ commit Rotate the data key
$ sopsync apply --yes -q
Applied: 2 restamp.
$ sopsync plan
No changes. 4 entries in step with git. No files decrypted.
$ outside put prod/api user=canary-x
$ sopsync plan
prod
  ! drift  prod/api  + password  ~ user  …
           hint: put the live value into git, or sopsync.yaml:9: on_drift: heal lets git win
Plan: 1 drift. 1 file decrypted, 1 value read.
$ drop api/prod.yaml
$ outside roll_back prod/api
$ commit Drop the file
$ sopsync apply --yes -q
Applied: 1 delete.
$ sopsync plan
…
$ live prod/api
nothing
"""


def test_two_accounts_and_regions_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: Aws) -> None:
    ours, theirs = cloud.fresh(), cloud.fresh()
    for name, value in cloud.environ(account=ours).items():
        monkeypatch.setenv(name, value)
    outside = SecretsOutside(client(cloud, theirs, THEM, "us-east-1"))
    stage = Stage(tmp_path, monkeypatch, lambda _repo: outside)
    stage.variables = {"ROLE": f"arn:aws:iam::{theirs}:role/sopsync"}
    stage.play(STORY)
    here = SecretsOutside(client(cloud, ours, THEM))
    assert here.peek("dev/api") is not None
    assert here.peek("prod/api") is None
    assert outside.peek("dev/api") is None
    assert outside.tags("prod/api") == {"team": "web"}

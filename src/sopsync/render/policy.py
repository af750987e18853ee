"""Policies as JSON for programs, as Terraform, and those of Vault as its own HCL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sopsync.grants import Condition, Grant, distinct
from sopsync.policies import Policy
from sopsync.render.json import FORMAT
from sopsync.stores.vault_policy import hcl

MOST = 6144
"""Characters, blanks aside, of a managed policy (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""


def policies_json(commit: str, policies: Sequence[Policy], notes: Sequence[str]) -> str:
    """`policies`: an object each, `policy` in it a document of IAM, or the text of a policy of Vault."""
    shown = [
        {
            "role": policy.role.value,
            "language": policy.holder.language,
            "holder": policy.holder.name or None,
            "address": policy.holder.address or None,
            "namespace": policy.holder.namespace or None,
            "stores": list(policy.stores),
            "policy": document(policy) if policy.holder.language == "iam" else hcl(policy.grants),
        }
        for policy in policies
    ]
    return json.dumps({"format_version": FORMAT, "commit": commit, "policies": shown, "notes": list(notes)}, indent=2)


def hcl_lines(policies: Sequence[Policy], notes: Sequence[str]) -> Iterator[str]:
    """The policies of Vault, each under a comment that says whose it is."""
    yield from (f"# note: {note}" for note in notes)
    for policy in policies:
        if policy.holder.language == "vault":
            yield f"# {_title(policy)}"
            yield from hcl(policy.grants).splitlines()


def terraform_lines(policies: Sequence[Policy], notes: Sequence[str]) -> Iterator[str]:
    """A data source for each policy of IAM, a resource for each of Vault."""
    yield from (f"# note: {note}" for note in notes)
    for policy in policies:
        yield f"# {_title(policy)}"
        yield from _iam(policy) if policy.holder.language == "iam" else _vault(policy)


def document(policy: Policy) -> dict[str, Any]:
    """The policy document."""
    made = []
    for grant in _statements(policy.grants):
        one: dict[str, Any] = {"Sid": grant.what, "Effect": "Allow", "Action": list(grant.actions)}
        one["Resource"] = list(grant.resources)
        for condition in grant.conditions:
            one.setdefault("Condition", {}).setdefault(condition.operator, {})[condition.key] = list(condition.values)
        made.append(one)
    return {"Version": "2012-10-17", "Statement": made}


def too_long(policies: Iterable[Policy]) -> Iterator[str]:
    """Policies of IAM that no managed policy can hold, in words."""
    for policy in policies:
        if policy.holder.language == "iam":
            size = len(json.dumps(document(policy), separators=(",", ":")))
            if size > MOST:
                yield f"{_title(policy)}: {size} characters, and a managed policy holds {MOST}; split it with --store"


def _statements(grants: Iterable[Grant]) -> list[Grant]:
    """What several stores need alike is one statement; identifiers are unique."""
    merged: dict[tuple[str, tuple[str, ...], tuple[Condition, ...]], Grant] = {}
    for grant in grants:
        key = (grant.what, grant.actions, grant.conditions)
        before = merged[key].resources if key in merged else ()
        resources = distinct((*before, *grant.resources))
        merged[key] = Grant(grant.holder, grant.role, grant.what, grant.actions, resources, grant.conditions)
    seen: dict[str, int] = {}
    made = []
    for grant in merged.values():
        seen[grant.what] = count = seen.get(grant.what, 0) + 1
        sid = grant.what if count == 1 else f"{grant.what}{count}"
        made.append(Grant(grant.holder, grant.role, sid, grant.actions, grant.resources, grant.conditions))
    return made


def _title(policy: Policy) -> str:
    who = policy.holder.name or "whoever runs sopsync"
    stores = f" ({', '.join(policy.stores)})" if policy.stores and policy.stores != (who,) else ""
    return f"{policy.role.value}: {who}{stores}"


def _label(policy: Policy) -> str:
    """`sopsync_prod_apply`: of a role in AWS its account and name."""
    name = policy.holder.name
    if match := re.fullmatch(r"arn:[^:]+:iam::(\d+):role/(.+)", name):
        name = f"{match[1]}_{match[2]}"
    where = f"{name}_{policy.holder.address.partition('//')[2]}" if name == "sops-keys" else name
    return re.sub(r"\W+", "_", f"sopsync_{where}_{policy.role.value}" if where else f"sopsync_{policy.role.value}")


def _iam(policy: Policy) -> Iterator[str]:
    yield f'data "aws_iam_policy_document" "{_label(policy)}" {{'
    for grant in _statements(policy.grants):
        yield "  statement {"
        yield f"    sid       = {_quoted(grant.what)}"
        yield f"    actions   = {_list(grant.actions)}"
        yield f"    resources = {_list(grant.resources)}"
        for condition in grant.conditions:
            yield "    condition {"
            yield f"      test     = {_quoted(condition.operator)}"
            yield f"      variable = {_quoted(condition.key)}"
            yield f"      values   = {_list(condition.values)}"
            yield "    }"
        yield "  }"
    yield "}"
    yield ""


def _vault(policy: Policy) -> Iterator[str]:
    label = _label(policy)
    yield f'resource "vault_policy" "{label}" {{'
    yield f"  name      = {_quoted(label.replace('_', '-'))}"
    if policy.holder.namespace:
        yield f"  namespace = {_quoted(policy.holder.namespace)}"
    yield "  policy    = <<-EOT"
    yield from (f"    {_literal(line)}" for line in hcl(policy.grants).splitlines())
    yield "  EOT"
    yield "}"
    yield ""


def _list(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return f"[{_quoted(texts[0])}]"
    return "[\n" + "".join(f"      {_quoted(text)},\n" for text in texts) + "    ]"


def _quoted(text: str) -> str:
    """A string of HCL, which takes JSON's escapes; `${` and `%{` would start a template."""
    return _literal(json.dumps(text, ensure_ascii=False))


def _literal(text: str) -> str:
    return text.replace("${", "$${").replace("%{", "%%{")

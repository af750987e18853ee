"""Staging labels: which version has which, as pure functions over {version id: [labels]}.

moto 5.2.5 loses the labels of the version that AWSCURRENT leaves, and after UpdateSecretVersionStage can leave
AWSCURRENT on two versions. The rules are those of
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html and
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.support.aws import secrets_rules
from tests.support.aws.wire import Refusal

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"

Stages = dict[str, list[str]]


def holder(stages: Mapping[str, Sequence[str]], label: str) -> str | None:
    """The version with this label: there is at most one."""
    return next((version for version, labels in stages.items() if label in labels), None)


def put(stages: Mapping[str, Sequence[str]], version: str, labels: Sequence[str]) -> Stages:
    """A new version gets these labels, each taken from whoever has it; the first version also gets AWSCURRENT."""
    asked = list(dict.fromkeys(labels))
    if not stages and CURRENT not in asked:
        asked.append(CURRENT)
    after = {each: list(held) for each, held in stages.items()} | {version: []}
    for label in asked:
        after = _move(after, label, version)
    secrets_rules.label_count(after)
    return after


def update(stages: Mapping[str, Sequence[str]], label: str, *, source: str | None, target: str | None) -> Stages:
    """UpdateSecretVersionStage. Refusal InvalidParameterException: `source` must be named, and hold the label, where
    the label is on another version; AWSCURRENT can be moved, but not taken away."""
    now = holder(stages, label)
    for version in filter(None, (source, target)):
        if version not in stages:
            raise Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
    if source is not None and source != now:
        raise _bad(f"The staging label {label} isn't currently attached to version {source}.")
    if source is None and now not in (None, target):
        raise _bad(
            f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version "
            f"{now}, so you must explicitly reference that version in RemoveFromVersionId."
        )
    if source is None and target is None:
        raise _bad("You must specify MoveToVersionId or RemoveFromVersionId.")
    if target is None and label == CURRENT:
        raise _bad(
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed."
        )
    after = _move({each: list(held) for each, held in stages.items()}, label, target)
    secrets_rules.label_count(after)
    return after


def _move(stages: Stages, label: str, target: str | None) -> Stages:
    """Take the label from whoever has it and give it to `target`. AWSCURRENT leaves AWSPREVIOUS behind."""
    now = holder(stages, label)
    if now == target:
        return stages
    if now is not None:
        stages[now].remove(label)
    if target is not None:
        stages[target].append(label)
    if label == CURRENT and now is not None:
        for labels in stages.values():
            if PREVIOUS in labels:
                labels.remove(PREVIOUS)
        stages[now].append(PREVIOUS)
    return stages


def _bad(message: str) -> Refusal:
    return Refusal("InvalidParameterException", message)

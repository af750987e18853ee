"""The calls of Secrets Manager, one method each.

All of them may be made again when an answer is lost: puts and creates have their version id as token, moves name the
version that they leave, and the others say the same thing when said twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sopsync.errors import Conflict
from sopsync.stores.aws_api import Answer, Api
from sopsync.stores.aws_secrets_entry import CURRENT, PENDING, SHELL, Entry, Tagging
from sopsync.stores.aws_secrets_payload import Value

_BUSY = "InvalidRequestException"
"""The secret is not in a state for that: scheduled for deletion, or in another service's hands."""
_PAGE = 100


class Calls:
    """Raises StoreError. `prefix`: what names begin with."""

    def __init__(self, api: Api, prefix: str) -> None:
        self._api = api
        self.store = api.store
        self.prefix = prefix

    # -- looking

    def listed(self) -> Iterator[Entry]:
        """Everything below the prefix, also what is scheduled for deletion. Up to five minutes late:
        https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html"""
        params: dict[str, Any] = {"MaxResults": _PAGE, "IncludePlannedDeletion": True}
        if self.prefix:  # a prefix match, and case counts: the same page, `Filters`
            params["Filters"] = [{"Key": "name", "Values": [self.prefix]}]
        for page in self._api.pages("ListSecrets", again=True, **params):
            entries = (Entry.of(row, listed=True) for row in page.get("SecretList") or [])
            yield from (entry for entry in entries if entry.name.startswith(self.prefix))

    def look(self, name: str) -> Entry | None:
        """As it is now. None is a positive not-found."""
        answer = self._call("DescribeSecret", name, "ResourceNotFoundException")
        return None if answer.code else Entry.of(answer.data)

    def value(self, name: str) -> Mapping[str, Any] | None:
        """The answer of GetSecretValue; None: there is no live value."""
        answer = self._call("GetSecretValue", name, _BUSY, "ResourceNotFoundException")
        return None if answer.code else answer.data

    def versions(self, name: str) -> list[tuple[str, str]]:
        """(id, RFC 3339 of when it was made) of all versions, newest first; none where AWS does not show those of what
        is scheduled for deletion."""
        pages = self._api.pages(
            "ListSecretVersionIds", name=name, again=True, allow=(_BUSY,), SecretId=name, IncludeDeprecated=True,
            MaxResults=_PAGE,
        )  # fmt: skip
        found = [row for page in pages for row in page.get("Versions") or []]
        # of two that were made at the same moment the current one is the newer
        found.sort(key=lambda row: (row["CreatedDate"], CURRENT in row.get("VersionStages", ())), reverse=True)
        return [(row["VersionId"], row["CreatedDate"].isoformat()) for row in found]

    # -- values

    def create(self, name: str, value: Value, version: str, tags: Mapping[str, str], **more: Any) -> bool:
        """With value, tags and options in one step. False: the name is taken, be it by something that is scheduled for
        deletion."""
        params = {"ClientRequestToken": version, "Tags": _tags(tags), **value.params(), **more}
        # the only operation that does not call it SecretId
        allow = ("ResourceExistsException", _BUSY)
        return not self._api.call("CreateSecret", name=name, again=True, allow=allow, Name=name, **params).code

    def put(self, name: str, value: Value, version: str) -> bool | None:
        """A version beside the live one. True: it is live already, being the first that the secret has. None: another
        value has this id."""
        params = {"ClientRequestToken": version, "VersionStages": [PENDING], **value.params()}
        answer = self._alive("PutSecretValue", name, "ResourceExistsException", **params)
        return None if answer.code else CURRENT in answer.data.get("VersionStages", ())

    def move(self, name: str, label: str, *, to: str, leaving: str | None) -> bool:
        """Move a label if it is where it is thought to be (None or SHELL: nowhere): the compare-and-set of this API.
        False: it is not, and nothing was changed."""
        params = {"VersionStage": label, "MoveToVersionId": to}
        if leaving not in (None, SHELL):
            params["RemoveFromVersionId"] = str(leaving)
        answer = self._alive("UpdateSecretVersionStage", name, "InvalidParameterException", **params)
        if not answer.code:
            return True
        # it may be ours, and its answer lost
        entry = self.look(name)
        return entry is not None and not entry.deleted and entry.holder(label) == to

    def remove(self, name: str, days: int) -> None:
        """Schedule for deletion. What is scheduled already stays so."""
        self._call("DeleteSecret", name, _BUSY, RecoveryWindowInDays=days)

    def restore(self, name: str) -> None:
        """Take it back. What is not scheduled stays as it is."""
        self._call("RestoreSecret", name, _BUSY)

    # -- what goes with them

    def tag(self, name: str, changes: Tagging) -> None:
        """First what goes, so that a stamp among what comes is the last thing said."""
        if changes.drop:
            self._alive("UntagResource", name, TagKeys=list(changes.drop))
        if changes.put:
            self._alive("TagResource", name, Tags=_tags(changes.put))

    def set_key(self, name: str, key: str) -> None:
        """What is there is encrypted anew, as far as the key's policy lets us. "": AWS's own key."""
        self._alive("UpdateSecret", name, KmsKeyId=key)

    def replicate(self, name: str, regions: Mapping[str, str]) -> None:
        """`regions`: each with its KMS key; "" for AWS's own there."""
        self._alive("ReplicateSecretToRegions", name, AddReplicaRegions=replicas(regions))

    def withdraw(self, name: str, regions: list[str]) -> None:
        """Delete the replicas there, at once."""
        self._alive("RemoveRegionsFromReplication", name, RemoveReplicaRegions=regions)

    # -- how calls are made

    def _call(self, operation: str, name: str, *allow: str, **params: Any) -> Answer:
        return self._api.call(operation, name=name, again=True, allow=allow, SecretId=name, **params)

    def _alive(self, operation: str, name: str, *allow: str, **params: Any) -> Answer:
        """Of a secret that can be written to."""
        answer = self._call(operation, name, _BUSY, *allow, **params)
        if answer.code == _BUSY:
            what = "deleted meanwhile, or in the hands of another service"
            raise Conflict(what, store=self.store, name=name, hint="plan again")
        return answer


def replicas(regions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Region": region, **({"KmsKeyId": key} if key else {})} for region, key in sorted(regions.items())]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]

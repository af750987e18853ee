"""The operations of Parameter Store that sopsync uses, one method each. Which may be made again is decided here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from sopsync.stores.aws_api import Answer, Api
from sopsync.stores.aws_pace import Paces
from sopsync.stores.aws_session import Clients
from sopsync.stores.aws_ssm_entry import STAMP, Listed, Tags

_PAGE, _HISTORY, _RESOURCES = 50, 50, 100
"""The most that a page takes: API_DescribeParameters, API_GetParameterHistory, and API_GetResources of tagging."""
_GONE = ("InvalidResourceId",)


class Calls:
    """Safe to use from several threads."""

    def __init__(self, store: str, clients: Clients, counted: Callable[[], None], paces: Paces) -> None:
        self.store = store
        self._clients = clients
        self._ssm = Api(store, "ssm", clients, paces=paces, counted=counted)
        self._tagging = Api(store, "resourcegroupstaggingapi", clients, paces=paces, counted=counted)

    # -- looking

    def below(self, path: str = "") -> Iterator[Listed]:
        """Everything below a path, or everything. A page may be short, or empty, and not be the last."""
        yield from self._described([{"Key": "Path", "Option": "Recursive", "Values": [path]}] if path else [], "")

    def look(self, names: Sequence[str]) -> dict[str, Listed]:
        """Those of these names (at most 50) that are there. Always asked for anew."""
        if not names:
            return {}
        only = [{"Key": "Name", "Option": "Equals", "Values": list(names)}]
        return {seen.name: seen for seen in self._described(only, names[0] if len(names) == 1 else "")}

    def _described(self, filters: Sequence[Mapping[str, Any]], name: str) -> Iterator[Listed]:
        given: dict[str, Any] = {"ParameterFilters": filters} if filters else {}
        pages = self._ssm.pages("DescribeParameters", name=name, again=True, MaxResults=_PAGE, **given)
        return (Listed.of(row) for page in pages for row in page.get("Parameters", ()))

    def read(self, name: str) -> tuple[int, str] | None:
        """(version, value), None if it is not there."""
        answer = self._ssm.call(
            "GetParameter", name=name, again=True, allow=("ParameterNotFound",), Name=name, WithDecryption=True
        )
        found = answer.data.get("Parameter")
        return (int(found["Version"]), str(found["Value"])) if found and not answer.code else None

    def history(self, name: str) -> list[Listed]:
        """Oldest first. Values that AWS sends along, and would not encrypt, are dropped here."""
        pages = self._ssm.pages(
            "GetParameterHistory", name=name, again=True, allow=("ParameterNotFound",), Name=name, WithDecryption=False,
            MaxResults=_HISTORY,
        )  # fmt: skip
        return [Listed.of(row) for page in pages for row in page.get("Parameters", ())]

    def tags(self, name: str) -> Tags | None:
        """None: there is no such parameter."""
        answer = self._ssm.call(
            "ListTagsForResource", name=name, again=True, allow=_GONE, ResourceType="Parameter", ResourceId=name
        )
        return None if answer.code else _tags(answer.data.get("TagList", ()))

    def labelled(self) -> dict[str, Tags]:
        """The tags of every parameter that has a stamp among them: what there was a moment ago, 100 a call."""
        pages = self._tagging.pages(
            "GetResources", again=True, by="PaginationToken", ResourcesPerPage=_RESOURCES,
            ResourceTypeFilters=["ssm:parameter"], TagFilters=[{"Key": STAMP}],
        )  # fmt: skip
        rows = (row for page in pages for row in page.get("ResourceTagMappingList", ()))
        return {f"/{row['ResourceARN'].partition(':parameter/')[2]}": _tags(row.get("Tags", ())) for row in rows}

    # -- changing

    def put(self, name: str, params: Mapping[str, Any], allow: Collection[str] = ()) -> Answer:
        """Never made again: whether it was done is for the caller to find out."""
        return self._ssm.call("PutParameter", name=name, again=False, allow=allow, Name=name, **params)

    def tag(self, name: str, tags: Tags) -> bool:
        """Says the same when said twice. False: there is no such parameter."""
        given = [{"Key": key, "Value": value} for key, value in tags.items()]
        return not self._ssm.call(
            "AddTagsToResource",
            name=name,
            again=True,
            allow=_GONE,
            ResourceType="Parameter",
            ResourceId=name,
            Tags=given,
        ).code

    def untag(self, name: str, keys: Sequence[str]) -> bool:
        """The same."""
        return not self._ssm.call(
            "RemoveTagsFromResource", name=name, again=True, allow=_GONE, ResourceType="Parameter", ResourceId=name,
            TagKeys=list(keys),
        ).code  # fmt: skip

    def delete(self, names: Sequence[str]) -> Sequence[str]:
        """At most 10. Which of them were not there."""
        name = names[0] if len(names) == 1 else ""
        answer = self._ssm.call("DeleteParameters", name=name, again=False, Names=list(names))
        return list(answer.data.get("InvalidParameters", ()))

    def close(self) -> None:
        self._clients.close()


def params(value: str, description: str, **more: Any) -> dict[str, Any]:
    """What PutParameter is given, without what is empty."""
    return {"Value": value, "Description": description, **{key: said for key, said in more.items() if said}}


def _tags(rows: Any) -> dict[str, str]:
    return {str(row["Key"]): str(row.get("Value", "")) for row in rows}

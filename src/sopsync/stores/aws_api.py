"""One call to an AWS API and its answer: paced, counted, repeated only where that is safe, its errors ours."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from sopsync.errors import StoreError
from sopsync.stores.aws_errors import THROTTLED, foreign, refusal, silence
from sopsync.stores.aws_pace import Paces
from sopsync.stores.aws_session import Clients
from sopsync.stores.place import Place

_PATIENCE = 60.0
"""Seconds from the first throttling of a call in which it may be made again, whatever the pace has come down to and
however many threads wait for their turn: a run that is to stop waits for it. Its first turn comes when it comes."""
_LOST = (0.1, 0.5)
"""Seconds before a call whose answer was lost is made again, where it may be."""

_PREFIXES = {"resourcegroupstaggingapi": "tag"}
"""Service → what its actions begin with in a policy, where that is not its name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What AWS said: `data` of a success, or the `code` of an error that the caller knows about."""

    code: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Api:
    """One service. Safe to use from several threads. `counted` is told of every call, right before it."""

    def __init__(
        self,
        store: str,
        service: str,
        clients: Clients,
        *,
        paces: Paces,
        counted: Callable[[], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._service = service
        self._clients = clients
        self._paces = paces
        self._counted = counted
        self._sleep = sleep
        self._clock = clock

    def call(
        self, operation: str, *, name: str = "", again: bool, allow: Collection[str] = (), **params: Any
    ) -> Answer:
        """One operation, such as `PutParameter`. Errors other than the codes in `allow` are raised as the StoreError
        they stand for. `again`: it may be made again when its answer is lost, because that does no harm."""
        place = Place(self.store, name, f"{_PREFIXES.get(self._service, self._service)}:{operation}")
        until, lost = math.inf, iter(_LOST if again else ())
        while True:
            try:
                return self._once(operation, place, allow, params, until)
            except _TooFast:
                until = min(until, self._clock() + _PATIENCE)
            except _Lost as error:
                pause = next(lost, None)
                if pause is None:
                    raise error.meaning from None
                self._sleep(pause)

    def pages(
        self,
        operation: str,
        *,
        name: str = "",
        again: bool,
        allow: Collection[str] = (),
        by: str = "NextToken",
        **params: Any,
    ) -> Iterator[Mapping[str, Any]]:
        """Every page of a listing; one may be empty and have a next one. `by`: what the operation calls that which
        leads on. Errors as of `call`; Unavailable where the listing leads back to itself."""
        more: dict[str, Any] = {}
        been: set[str] = set()
        while True:
            page = self.call(operation, name=name, again=again, allow=allow, **params, **more).data
            yield page
            if not page.get(by):
                return
            if page[by] in been:
                raise Place(self.store).unavailable("the listing does not go on")
            been.add(page[by])
            more = {by: page[by]}

    def _once(
        self, operation: str, place: Place, allow: Collection[str], params: Mapping[str, Any], until: float
    ) -> Answer:
        """StoreError, or why it may be worth another try. `until`: when its turn must have come, by the clock."""
        pace = self._paces.of(operation)
        if not pace.wait(until - self._clock()):
            raise refusal("Throttling", "", 400, place)
        try:
            client = self._clients.of(self._service)
            method = getattr(client, xform_name(operation))
            self._counted()
            data = method(**params)
        except ClientError as error:
            said = error.response.get("Error", {})
            code, status = (
                str(said.get("Code", "")),
                error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0),
            )
            if code in allow:
                return Answer(code)
            if code in THROTTLED:
                pace.throttled()
                raise _TooFast from None
            meaning = refusal(code, str(said.get("Message", "")), status, place)
            raise (_Lost(meaning) if status >= 500 else meaning) from None
        except BotoCoreError as error:
            meaning = silence(error, place)
            raise (_Lost(meaning) if _answerless(error) else meaning) from None
        except Exception as error:  # noqa: BLE001 - whatever it quotes may be a value
            raise silence(error, place) from None
        if not _speaks(data):
            raise foreign(place)
        pace.went()
        return Answer(data=data)


class _TooFast(Exception):
    """Throttled: a positive no."""


class _Lost(Exception):
    """No answer, or one that does not say whether it was done."""

    def __init__(self, meaning: StoreError) -> None:
        super().__init__()
        self.meaning = meaning


def _answerless(error: BotoCoreError) -> bool:
    return bool({kind.__name__ for kind in type(error).__mro__} & {"HTTPClientError", "ConnectionError"})


def _speaks(data: Mapping[str, Any]) -> bool:
    """Whether a success came from AWS: it has a request id, or something that the operation tells. What botocore cannot
    parse (a proxy's page) becomes a success without anything in it, and that would be an empty listing."""
    about = data.get("ResponseMetadata", {})
    return bool(about.get("RequestId") or data.keys() - {"ResponseMetadata"})

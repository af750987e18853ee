"""One call to an AWS API and its answer: paced, counted, repeated only where that is safe, its errors ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from sopsync.errors import StoreError
from sopsync.stores.aws_errors import THROTTLED, Place, refusal, silence
from sopsync.stores.aws_pace import Paces
from sopsync.stores.aws_session import Clients

_THROTTLES = 10
"""How often a call is made again that the server found too fast; with the pace halved each time, about a minute."""
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
    ) -> None:
        self.store = store
        self._service = service
        self._clients = clients
        self._paces = paces
        self._counted = counted
        self._sleep = sleep

    def call(
        self, operation: str, *, name: str = "", again: bool, allow: Collection[str] = (), **params: Any
    ) -> Answer:
        """One operation, such as `PutParameter`. Errors other than the codes in `allow` are raised as the StoreError
        they stand for. `again`: it may be made again when its answer is lost, because that does no harm."""
        place = Place(self.store, name, f"{_PREFIXES.get(self._service, self._service)}:{operation}")
        throttled, lost = 0, iter(_LOST if again else ())
        while True:
            try:
                return self._once(operation, place, allow, params)
            except _TooFast:
                throttled += 1
                if throttled > _THROTTLES:
                    raise refusal("Throttling", "", 400, place) from None
            except _Lost as error:
                pause = next(lost, None)
                if pause is None:
                    raise error.meaning from None
                self._sleep(pause)

    def _once(self, operation: str, place: Place, allow: Collection[str], params: Mapping[str, Any]) -> Answer:
        """StoreError, or why it may be worth another try."""
        pace = self._paces.of(operation)
        try:
            client = self._clients.of(self._service)
            method = getattr(client, xform_name(operation))
            pace.wait()
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

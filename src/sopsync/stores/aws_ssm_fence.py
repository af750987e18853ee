"""The fences of Parameter Store: which commit each owner was last applied at, as a chain of small parameters.

Nothing compares when a parameter is overwritten; only creating one asks whether the name is free. So a fence is never
overwritten. Each raise creates `/sopsync-fence/<digest of the owner>/<n>` with the next n, and the highest n counts:

1. Two that saw the same n both try to create n + 1; one is told that it is taken.
2. One that slept while others raised twice, and swept what lay behind them, could create a number in the gap they left.
   So it looks once more, and if there is a higher one takes its own back. Until it does, the highest still counts.
3. Two stores of one run may share an owner here (paths of one region): the fence that one of them raised to where the
   other wants it is as good as its own.
4. What is older than the predecessor is swept. The predecessor stays: whoever sleeps for the time of one raise is told
   by 1., which every AWS region answers consistently, and only whoever sleeps for longer needs 2.

`Description` and value both are the fence's text: the first is for surveys, the second because none may be empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from sopsync.errors import Conflict, Rejected, StoreError, Unavailable
from sopsync.model import Fence
from sopsync.stores.aws_ssm_calls import Calls, params
from sopsync.stores.aws_ssm_entry import Listed
from sopsync.stores.aws_ssm_settings import FENCES, MARK

_TAKEN = ("ParameterAlreadyExists",)


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a fence stands: number 0 where it never stood. `behind`: the numbers below it that are still there."""

    fence: Fence | None = None
    number: int = 0
    behind: tuple[int, ...] = ()


class Fences:
    """`learn` from a survey, then `raise_to`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._lock = Lock()
        self._marking = Lock()
        self._known: dict[str, _Stand] | None = None
        self.marked = False
        """Whether the mark was seen, or set."""

    def learn(self, listed: Iterable[Listed]) -> dict[str, Fence]:
        """All fences, by owner, of everything below `FENCES`. StoreError if one cannot be read: that is not none."""
        chains: dict[str, list[Listed]] = {}
        for seen in listed:
            if seen.name == MARK:
                self.marked = True
            else:
                chains.setdefault(seen.name.rpartition("/")[0], []).append(seen)
        stands = {chain: self._stand(chain, links) for chain, links in chains.items()}
        with self._lock:
            self._known = stands
        return {stand.fence.owner: stand.fence for stand in stands.values() if stand.fence}

    def raise_to(self, fence: Fence, expect: Fence | None) -> None:
        """Conflict unless the fence stands at `expect`."""
        chain = _chain(fence.owner)
        with self._lock:
            stand = None if self._known is None else self._known.get(chain, _Stand())
        if stand is None or stand.fence != expect or fence == expect:
            stand = self._look(chain)
        if stand.fence == fence:
            return
        if stand.fence != expect:
            raise self._moved(fence.owner)
        ours = stand.number + 1
        if not self._create(f"{chain}/{ours}", fence):  # 1
            return
        now = self._look(chain)  # 2
        if now.number > ours:
            with suppress(StoreError):
                self._calls.delete([f"{chain}/{ours}"])
            raise self._moved(fence.owner)
        self._sweep(chain, [number for number in now.behind if number < ours - 1])  # 4
        with self._lock:
            self._known = {**(self._known or {}), chain: _Stand(fence, ours)}

    def mark(self) -> None:
        """Before the first stamp that a Description does not lead to."""
        with self._marking:
            if not self.marked:
                text = "sopsync: stamps are in tags, too"
                self._calls.put(MARK, params(text, text, Type="String", Overwrite=True))
                self.marked = True

    def _create(self, name: str, fence: Fence) -> bool:
        """Whether this client did it, or another store of the same run. A lost answer is settled by looking: whether
        that number is there, and says what we wanted to say."""
        text = fence.encode()
        try:
            if not self._calls.put(name, params(text, text, Type="String"), allow=_TAKEN).code:
                return True
            found = self._calls.look([name]).get(name)
        except Unavailable:
            found = self._calls.look([name]).get(name)
            if found is None:
                raise
        if found is None or found.description != text or self._look(name.rpartition("/")[0]).fence != fence:
            raise self._moved(fence.owner)
        return False

    def _sweep(self, chain: str, numbers: Sequence[int]) -> None:
        """What stays by accident is swept by the next raise. A missing permission would let the chain grow: said."""
        old = [f"{chain}/{number}" for number in numbers]
        with suppress(Unavailable, Conflict):
            for first in range(0, len(old), 10):
                self._calls.delete(old[first : first + 10])

    def _look(self, chain: str) -> _Stand:
        links = list(self._calls.below(chain))
        return self._stand(chain, links) if links else _Stand()

    def _stand(self, chain: str, links: Iterable[Listed]) -> _Stand:
        fences = {seen.name.rpartition("/")[2]: Fence.decode(seen.description) for seen in links}
        strange = next((number for number in fences if not number.isdecimal()), None)
        numbers = sorted(int(number) for number in fences if number.isdecimal())
        fence = fences.get(str(numbers[-1])) if numbers and strange is None else None
        if fence is None or _chain(fence.owner) != chain:
            hint = "it was changed by hand: look at it, and delete what is not sopsync's"
            raise Rejected(f"the fence at {chain} cannot be read", store=self._calls.store, hint=hint)
        return _Stand(fence, numbers[-1], tuple(numbers[:-1]))

    def _moved(self, owner: str) -> Conflict:
        what = f"the fence of {owner} moved: another run was faster"
        return Conflict(what, store=self._calls.store, hint="plan again")


def _chain(owner: str) -> str:
    """By digest: an owner may hold what a name may not."""
    return f"{FENCES}/{sha256(owner.encode()).hexdigest()[:32]}"

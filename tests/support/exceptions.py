"""Everything an exception could show, to whoever looks: a traceback, a debugger, an error tracker."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import sopsync

_PACKAGE = Path(sopsync.__file__).parent


def exception_texts(error: BaseException, *, suppressed: bool = True, local: bool = True) -> dict[str, str]:
    """What `error` could show, by where it is kept: for `leaks.scan`.

    Walks causes, contexts, groups, notes, arguments and attributes. `suppressed`: also contexts that `from None` hides
    from a traceback but not from a debugger or an error tracker. `local`: also the local variables of every frame from
    the first one of sopsync inwards, as trackers send them along.
    """
    texts: dict[str, str] = {}
    for label, one in _chain(error, type(error).__name__, set(), suppressed=suppressed):
        texts[f"{label}: message"] = str(one)
        texts[f"{label}: arguments"] = repr(one.args)
        texts[f"{label}: attributes"] = _shown(vars(one))
        texts[f"{label}: notes"] = "\n".join(getattr(one, "__notes__", ()))
        texts[f"{label}: traceback"] = "".join(traceback.format_exception(one))
        if local:
            texts |= {f"{label}: {name}": text for name, text in _locals(one.__traceback__)}
    return texts


def _chain(
    error: BaseException, label: str, seen: set[int], *, suppressed: bool
) -> Iterator[tuple[str, BaseException]]:
    if id(error) in seen:
        return
    seen.add(id(error))
    yield label, error
    linked: list[tuple[str, BaseException | None]] = [("cause", error.__cause__)]
    if suppressed or not error.__suppress_context__:
        linked.append(("suppressed context" if error.__suppress_context__ else "context", error.__context__))
    if isinstance(error, BaseExceptionGroup):
        linked += [("member", member) for member in error.exceptions]
    for how, other in linked:
        if other is not None:
            yield from _chain(other, f"{label} > {how} {type(other).__name__}", seen, suppressed=suppressed)


def _locals(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    """(where, shown) of local variables, from the first frame of the package inwards: a test's own hold its secrets."""
    inside = False
    for frame, line in traceback.walk_tb(trace):
        file = Path(frame.f_code.co_filename)
        inside = inside or file.is_relative_to(_PACKAGE)
        if inside:
            for name, value in frame.f_locals.items():
                yield f"local {name} in {file.name}:{line}", _shown(value)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - somebody's broken repr is not what is tested
        return f"<unprintable: {type(error).__name__}>"

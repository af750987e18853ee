"""Frozen records for whatever `sopsync.sops` imports: `dataclass(frozen=True, slots=True)` at a tenth of its price.

`dataclasses` imports `inspect` and half a dozen modules more, and takes up to a millisecond a class: together a fifth
of the start of a process that opens one file. Everywhere else pydantic has paid for that, and dataclasses are used.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

_C = TypeVar("_C", bound=type)


@dataclass_transform(frozen_default=True)
def record(*, hide: tuple[str, ...] = ()) -> Callable[[_C], _C]:
    """Makes a class of annotated fields an immutable record with slots: `__init__`, `==`, `hash`, `repr`, and patterns.

    A default is what the class assigns to the name; all records share it. `hide`: fields that `repr` leaves out.
    """

    def make(plain: _C) -> _C:
        names = tuple(plain.__annotations__)
        body = {name: value for name, value in vars(plain).items() if name not in ("__dict__", "__weakref__")}
        defaults = {name: body.pop(name) for name in names if name in body}
        shown = [name for name in names if name not in hide]
        body |= {**_methods(names, shown), "__slots__": names, "__match_args__": names}
        made: Any = type(plain)(plain.__name__, plain.__bases__, body)
        made.__init__ = _init(made, names, defaults)
        return made  # type: ignore[no-any-return]

    return make


def _methods(names: tuple[str, ...], shown: list[str]) -> dict[str, Any]:
    values = attrgetter(*names) if len(names) > 1 else lambda self: (getattr(self, names[0]),)

    def eq(self: object, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def text(self: object) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def refuse(self: object, name: str, *_: object) -> NoReturn:
        raise AttributeError(f"{type(self).__qualname__}.{name} cannot be set: a record never changes")

    return {
        "__eq__": eq,
        "__hash__": lambda self: hash(values(self)),
        "__repr__": text,
        "__setattr__": refuse,
        "__delattr__": refuse,
        "__reduce__": lambda self: (type(self), values(self)),
    }


def _init(made: Any, names: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    """`__init__` as it would be written by hand, since it is run for every value of a file; it fills the slots from
    behind `__setattr__`."""
    takes = ", ".join(f"{name}=default_{name}" if name in defaults else name for name in names)
    body = "".join(f"\n set_{name}(self, {name})" for name in names)
    scope = {f"default_{name}": value for name, value in defaults.items()}
    scope |= {f"set_{name}": vars(made)[name].__set__ for name in names}
    exec(f"def __init__(self, {takes}):{body}", scope)  # noqa: S102 - names of our own fields, nothing else
    return scope["__init__"]

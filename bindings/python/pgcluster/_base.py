"""The base of all plain values."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import difflib
import enum
import ipaddress
import json
import os
from typing import Any, Self

from . import _core

Words = str | os.PathLike[str] | ipaddress.IPv4Address | ipaddress.IPv6Address
"""Accepted in place of a string: a path or an IP address."""


class Name(enum.StrEnum):
    """A named value. It equals its name; values compare in the order of their definition."""

    def _place(self) -> int:
        return list(type(self)).index(self)

    def __lt__(self, other: object) -> bool:
        return self._place() < type(self)(str(other))._place()

    def __le__(self, other: object) -> bool:
        return self._place() <= type(self)(str(other))._place()

    def __gt__(self, other: object) -> bool:
        return self._place() > type(self)(str(other))._place()

    def __ge__(self, other: object) -> bool:
        return self._place() >= type(self)(str(other))._place()


class StepRef(str):
    """A reference to a step, by value, and as a string its name: "pg1/etcd/healthy", or "cluster/patroni/leader" where `host` is empty.

    The classes etcd, patroni, haproxy, … have one for each step that others may wait for: patroni.leader(), etcd.healthy("pg1")."""

    __slots__ = ()

    def __new__(cls, host: str, component: str, what: str) -> Self:
        return super().__new__(cls, f"{host or 'cluster'}/{component}/{what}")

    def __getnewargs__(self) -> tuple[str, str, str]:  # type: ignore[override]
        return (self.host, self.component, self.what)

    @property
    def host(self) -> str:
        """Empty: the step belongs to the cluster, not to one host."""
        host = self.split("/", 2)[0]
        return "" if host == "cluster" else host

    @property
    def component(self) -> str:
        """ "etcd" """
        return self.split("/", 2)[1]

    @property
    def what(self) -> str:
        """ "healthy" """
        return self.split("/", 2)[2]

    def name(self) -> str:
        """ "pg1/etcd/healthy" """
        return str(self)

    def __repr__(self) -> str:
        return f"StepRef({self.host!r}, {self.component!r}, {self.what!r})"


def plain(value: Any) -> Any:
    """The value for JSON: records as dicts, secrets masked, times in seconds."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, _core.Text):
        return value.masked()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(one) for one in value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


class Record:
    """A plain value: compared, copied and shown by its members. A value of a wrong type raises TypeError, which names the member."""

    __slots__ = ()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, _core._member(type(self), name, value))

    def __setattr__(self, name: str, value: Any) -> None:
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise AttributeError(f"{type(self).__name__} has no member {name}" + (f"; did you mean {near[0]}?" if near else ""), name=name, obj=self)
        self._set(name, value)

    def __repr__(self) -> str:
        shown = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            shown.append(f"{field.name}={getattr(self, field.name)!r}")
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = object.__new__(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            object.__setattr__(made, field.name, copy.deepcopy(getattr(self, field.name), memo))
        return made

    def __copy__(self) -> Self:
        made = object.__new__(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            object.__setattr__(made, field.name, getattr(self, field.name))
        return made

    def to_dict(self) -> dict[str, Any]:
        """The members by name, for JSON: secrets masked, times in seconds."""
        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def to_json(self) -> str:
        """to_dict() as JSON."""
        return json.dumps(self.to_dict())


class Hidden:
    """A record with a secret, which is neither shown nor pickled."""

    __slots__ = ()
    value: str

    def __repr__(self) -> str:
        named = getattr(self, "name", None) or getattr(self, "origin", None) or ("given" if self.value else "generated")
        return f"{type(self).__name__}(<{named}>)"

    def to_dict(self) -> dict[str, Any]:
        """The name or origin of the secret, never its value."""
        return {"secret": getattr(self, "name", None) or getattr(self, "origin", None) or bool(self.value)}

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.value:
            raise TypeError(f"a pickle carries no secret: {self!r}")
        return object.__reduce_ex__(self, protocol)


def secret(words: str) -> tuple[str, str]:
    """Value and origin of a password written as in YAML. "!env NAME" and "!file PATH" are resolved."""
    kind, _, where = words.partition(" ")
    where = where.strip()
    if kind == "!env" and where:
        if where not in os.environ:
            raise ValueError(f"!env {where}: the environment has no {where}")
        return os.environ[where], words
    if kind == "!file" and where:
        with open(os.path.expanduser(where), encoding="utf-8") as file:
            return file.read().rstrip("\n"), words
    return words, ""

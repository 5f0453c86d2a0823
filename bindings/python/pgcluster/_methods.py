"""Methods of plain values. generate.py adds each class here to the record of the same name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self, cast

from . import _core
from ._base import Hidden, Record, plain

if TYPE_CHECKING:
    from ._records import Ask, HostSpec, Order, Report, Role, Spec, SpecSecret, TopologyHost


class DiagnosticMethods:
    __slots__ = ()

    def text(self) -> str:
        """ "cluster.yaml:3:5: error: hosts.pg1.adress: unknown key; did you mean address?" """
        return _core.diagnostic_text(self)

    __str__ = text


class SecretMethods(Hidden):
    __slots__ = ()


class SpecSecretMethods(Hidden):
    __slots__ = ()

    def given(self) -> bool:
        """Whether the spec has a value for it."""
        return bool(self.value)


class BinarySpecMethods:
    __slots__ = ()
    path: str
    url: str

    def given(self) -> bool:
        """Whether there is one."""
        return bool(self.path or self.url)


class TlsCaMethods:
    __slots__ = ()
    certificate: str
    key: str

    def given(self) -> bool:
        """Whether there is one at all."""
        return bool(self.certificate or self.key)


class HopMethods:
    __slots__ = ()

    def __str__(self) -> str:
        return _core.hop_text(self)


class OrderMethods:
    __slots__ = ()

    def all_asks(self) -> tuple[Ask, ...]:
        """`asks`, then `common`."""
        order = cast("Order", self)
        return (*order.asks, *(order.common or ()))


class EventMethods:
    __slots__ = ()

    def json(self) -> str:
        """One line of JSON without its newline."""
        return _core.json(self)


class ReportMethods:
    __slots__ = ()

    def ok(self) -> bool:
        """Whether everything succeeded."""
        report = cast("Report", self)
        return not report.failures and not report.cancelled

    def check(self) -> Self:
        """Raises the first failure, with the others as its diagnostics. Returns the report if it is ok."""
        _core.report_check(self)
        return self

    def text(self) -> str:
        """For people: each failure, then the number of changes and the time."""
        return _core.report_text(self)

    def json(self) -> str:
        """The JSON document of the command (format 1), in one line."""
        return _core.report_json(self)

    __str__ = text
    to_json = json

    def __bool__(self) -> bool:
        return self.ok()


class StatusMethods:
    __slots__ = ()

    def text(self, color: bool = False) -> str:
        """For people; `color` adds ANSI colours."""
        return _core.status_text(self, color)

    def json(self) -> str:
        """The JSON document of the command."""
        return _core.status_json(self)

    def __str__(self) -> str:
        return self.text()

    to_json = json


class BackupsMethods:
    __slots__ = ()

    def text(self, color: bool = False) -> str:
        """For people; `color` adds ANSI colours."""
        return _core.backups_text(self, color)

    def json(self) -> str:
        """The JSON document of the command."""
        return _core.backups_json(self)

    def __str__(self) -> str:
        return self.text()

    to_json = json


class HistoryMethods:
    __slots__ = ()

    def text(self, color: bool = False) -> str:
        """For people; `color` adds ANSI colours."""
        return _core.history_text(self, color)

    def json(self) -> str:
        """The JSON document of the command."""
        return _core.history_json(self)

    def __str__(self) -> str:
        return self.text()

    to_json = json


class CheckReportMethods:
    __slots__ = ()

    def ok(self) -> bool:
        """Whether no finding is an error."""
        return bool(json.loads(self.json())["ok"])

    def text(self, color: bool = False) -> str:
        """For people; `color` adds ANSI colours."""
        return _core.checks_text(self, color)

    def json(self) -> str:
        """The JSON document of the command (format 1)."""
        return _core.checks_json(self)

    def __str__(self) -> str:
        return self.text()

    to_json = json


class TopologyHostMethods:
    __slots__ = ()
    roles: tuple[Role, ...]

    def has(self, role: Role | str) -> bool:
        """Whether the host has the role."""
        return role in self.roles


class TopologyMethods:
    __slots__ = ()
    hosts: tuple[TopologyHost, ...]
    dcs_members: tuple[str, ...]

    def quorum(self) -> int:
        """How many DCS members must run for the DCS to decide."""
        return len(self.dcs_members) // 2 + 1

    def tolerates(self) -> int:
        """How many DCS members may be lost."""
        return len(self.dcs_members) - self.quorum() if self.dcs_members else 0

    def host(self, name: str) -> TopologyHost:
        """The host of that name. Raises Internal if there is none."""
        from ._errors import Internal

        for one in self.hosts:
            if one.name == name:
                return one
        raise Internal(f"there is no host {name}")

    def with_(self, role: Role | str) -> tuple[TopologyHost, ...]:
        """The hosts that have the role, in the spec's order. (`with` is a keyword of Python.)"""
        return tuple(one for one in self.hosts if role in one.roles)

    def dcs_endpoints(self, port: int) -> str:
        """ "10.77.0.11:2379,10.77.0.12:2379" """
        return _core.dcs_endpoints(self, port)


def quoted(words: str) -> str:
    """In double quotes, for YAML and JSON. Characters beyond U+FFFF stay unescaped: YAML has no surrogate pairs."""
    return json.dumps(words, ensure_ascii=False)


def flow(value: Any) -> str:
    """YAML in flow style. A string that begins with !env, !file or !spec becomes that tag."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(str(key))}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, Record):
        return flow(value.to_dict())
    value = plain(value)
    if isinstance(value, str):
        tag, _, rest = value.partition(" ")
        return f"{tag} {quoted(rest.strip())}" if tag in ("!env", "!file", "!spec") and rest else quoted(value)
    return json.dumps(value)


def written(record: Any, path: str = "") -> dict[str, Any]:
    """The keys of YAML that differ from the defaults. `path` is the position of the record, with a dot at its end."""
    import dataclasses

    from ._records import Spec, SpecSecret

    required = {"name", "address", "db"}
    made = type(record)(**{field.name: "-" for field in dataclasses.fields(record) if field.name in required})
    out: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if value == getattr(made, field.name) and not (isinstance(record, Spec) and field.name == "patroni_cluster_name"):
            continue
        key = field.name.rstrip("_")
        if isinstance(value, SpecSecret):
            out[key] = value.origin or f"!spec {path}{key}"
        elif isinstance(record, Spec) and key == "hosts":
            out[key] = {}
            for host in value:
                about = written(host, f"{path}hosts.{host.name}.")
                out[key][about.pop("name")] = about
        elif isinstance(record, Spec) and key == "extra":
            out[key] = dict(value)
        elif dataclasses.is_dataclass(value):
            out[key] = written(value, f"{path}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Record):
            out[key] = [written(one, f"{path}{key}.{getattr(one, 'name', nth)}.") for nth, one in enumerate(value)]
        else:
            out[key] = plain(value)
    return out


def unpickled(yaml: str) -> Spec:
    """Makes a Spec from its pickled form."""
    return _core.parse_spec(yaml, "<pickle>", ".", None)


class SpecMethods:
    __slots__ = ()

    def host(self, name: str) -> HostSpec | None:
        """The host of that name; None if there is none."""
        return next((one for one in cast("Spec", self).hosts if one.name == name), None)

    @staticmethod
    def from_dict(keys: dict[str, Any], folder: str = ".", secrets_from: Spec | None = None) -> Spec:
        """Makes a spec from the keys of cluster.yaml. "!env NAME" and "!file PATH" are resolved. Raises SpecInvalid with every finding."""
        if not isinstance(keys, dict):
            raise TypeError(f"Spec.from_dict(): keys must be a dict, not {type(keys).__name__}")
        extra = keys.get("extra")
        lines = [f"{quoted(str(key))}: {flow(value)}" for key, value in keys.items() if key != "extra"]
        if isinstance(extra, dict):
            parts = [f"{quoted(str(name))}: {one if isinstance(one, str) else flow(one)}" for name, one in extra.items()]
            lines.append('"extra": {' + ", ".join(parts) + "}")
        elif "extra" in keys:
            lines.append(f'"extra": {flow(extra)}')
        return _core.parse_spec("\n".join(lines) + "\n", "<dict>", folder, secrets_from)

    def to_dict(self) -> dict[str, Any]:
        """The keys of cluster.yaml that differ from the defaults. A password that the spec itself contains appears as "!spec KEY"."""
        return written(self)

    def to_yaml(self) -> str:
        """The result of dump(spec, Secrets.references): without secrets."""
        return _core.dump(self, "references")

    def __str__(self) -> str:
        return self.to_yaml()

    def __reduce_ex__(self, protocol: Any) -> Any:
        yaml = self.to_yaml()
        if "!spec " in yaml:
            raise TypeError("a pickle carries no secret, and a password stands in this spec itself: have it as \"!env NAME\" or \"!file PATH\"")
        return (unpickled, (yaml,))

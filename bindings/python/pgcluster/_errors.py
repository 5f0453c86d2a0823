"""One class for each code, all under Error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._records import Code, Diagnostic, Failure


class Error(Exception):
    """What the library raises. `except pgcluster.HostUnreachable` catches one code, `except pgcluster.Error` all.

    code: what went wrong, for programs
    message: one line, for a person
    hint: what to do next; may be empty
    host, step: where; may be empty
    causes: evidence, outermost first: command, exit status, stderr, journal lines
    diagnostics: the findings, where there are several (spec_invalid), or the further failures (Report.check)
    retryable: the same call may succeed later without anyone doing anything
    state_unknown: a change may or may not have been made
    """

    def __init__(self, failure: Failure | str, **members: Any) -> None:
        """`failure`, or its message with the other members as keywords; the code is that of the class."""
        from ._records import Code, Failure

        if not isinstance(failure, Failure):
            members.setdefault("code", _CODES.get(type(self).__name__, Code.internal))
            failure = Failure(message=failure, **members)
        super().__init__(failure)
        self.failure = failure

    @property
    def code(self) -> Code:
        """What went wrong, for programs."""
        return self.failure.code

    @property
    def message(self) -> str:
        """One line, for a person."""
        return self.failure.message

    @property
    def hint(self) -> str:
        """What to do next; may be empty."""
        return self.failure.hint

    @property
    def host(self) -> str:
        """Where it went wrong; empty: nowhere in particular."""
        return self.failure.host

    @property
    def step(self) -> str:
        """The step's name; empty: none."""
        return self.failure.step

    @property
    def causes(self) -> tuple[str, ...]:
        """Evidence, outermost first."""
        return self.failure.causes

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The findings, where there are several, or the further failures."""
        return self.failure.diagnostics

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without anyone doing anything."""
        return self.failure.retryable

    @property
    def state_unknown(self) -> bool:
        """Whether a change may or may not have been made."""
        return self.failure.state_unknown

    def text(self) -> str:
        """Several lines: message, evidence, diagnostics, hint."""
        from . import _core

        return str(_core.text(self.failure))

    def to_dict(self) -> dict[str, Any]:
        """The failure's members by name."""
        return self.failure.to_dict()

    def to_json(self) -> str:
        """The contract's document of an error, in one line."""
        from . import _core

        return str(_core.json(self.failure))

    def __str__(self) -> str:
        return self.text()


class SpecInvalid(Error):
    """The spec is wrong; `diagnostics` are all findings."""


class HostUnreachable(Error):
    """No connection to the host."""


class AuthFailed(Error):
    """The host does not let us in."""


class HostKeyUnknown(Error):
    """The host's key is in no known_hosts."""


class HostKeyChanged(Error):
    """The host's key is another than known_hosts has."""


class SudoDenied(Error):
    """The user may not become root."""


class HostUnsupported(Error):
    """The host is not one that pgcluster can manage."""


class CommandFailed(Error):
    """A command on a host failed."""


class TimedOut(Error):
    """It took longer than it may."""


class NotConverged(Error):
    """What was changed did not become as wished."""


class Drifted(Error):
    """Something has changed since the plan was made."""


class RefusedError(Error):
    """Unsafe, or not ours. (Refused is what a step decides.)"""


class Locked(Error):
    """Another apply is at work."""


class ConnectionLost(Error):
    """The connection broke."""


class Cancelled(Error):
    """It was told to stop."""


class Internal(Error):
    """A mistake in pgcluster, or in an own step."""


_CODES = {
    "SpecInvalid": "spec_invalid", "HostUnreachable": "host_unreachable", "AuthFailed": "auth_failed", "HostKeyUnknown": "host_key_unknown",
    "HostKeyChanged": "host_key_changed", "SudoDenied": "sudo_denied", "HostUnsupported": "host_unsupported", "CommandFailed": "command_failed",
    "TimedOut": "timed_out", "NotConverged": "not_converged", "Drifted": "drifted", "RefusedError": "refused", "Locked": "locked",
    "ConnectionLost": "connection_lost", "Cancelled": "cancelled", "Internal": "internal",
}
_CLASSES: dict[str, type[Error]] = {code: globals()[name] for name, code in _CODES.items()}


def from_failure(failure: Failure) -> Error:
    """The error of the failure's code."""
    return _CLASSES.get(str(failure.code), Error)(failure)

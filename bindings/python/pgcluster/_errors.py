"""One exception class for each error code, all derived from Error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._records import Code, Diagnostic, Failure


class Error(Exception):
    """The base of everything that the library raises. `except pgcluster.HostUnreachable` catches one code, `except pgcluster.Error` all.

    code: what went wrong, for programs
    message: one line, for a person
    hint: what to do next; may be empty
    host, step: where; may be empty
    causes: evidence, outermost first: command, exit status, stderr, journal lines
    diagnostics: the findings, if there are several (spec_invalid), or the further failures (Report.check)
    retryable: the same call may succeed later without anyone doing anything
    state_unknown: a change may or may not have been made
    """

    def __init__(self, failure: Failure | str, **members: Any) -> None:
        """`failure` is a Failure, or its message, with its other members as keywords. The class determines the code."""
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
        """The host where it happened; empty if none."""
        return self.failure.host

    @property
    def step(self) -> str:
        """The name of the step; empty if none."""
        return self.failure.step

    @property
    def causes(self) -> tuple[str, ...]:
        """Evidence, outermost first."""
        return self.failure.causes

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The findings, if there are several, or the further failures."""
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
        """The error document of the command, in one line."""
        from . import _core

        return str(_core.json(self.failure))

    def __str__(self) -> str:
        return self.text()


class SpecInvalid(Error):
    """The spec is wrong. `diagnostics` has every finding."""


class HostUnreachable(Error):
    """No connection to the host."""


class AuthFailed(Error):
    """The host refused every login that was tried."""


class HostKeyUnknown(Error):
    """The host's key is not in known_hosts."""


class HostKeyChanged(Error):
    """The host's key differs from the one in known_hosts."""


class SudoDenied(Error):
    """The user cannot become root by sudo."""


class HostUnsupported(Error):
    """pgcluster cannot manage this host: its operating system, for example."""


class CommandFailed(Error):
    """A command on a host failed."""


class TimedOut(Error):
    """The deadline passed."""


class NotConverged(Error):
    """After a change the host did not reach the wanted state in time."""


class Drifted(Error):
    """Something has changed since the plan was made."""


class RefusedError(Error):
    """The change would be unsafe, or touch what is not ours. (Refused is the decision of a step.)"""


class Locked(Error):
    """Another apply is running."""


class ConnectionLost(Error):
    """The connection broke."""


class Cancelled(Error):
    """The call was told to stop."""


class Internal(Error):
    """A defect of pgcluster, or of a step of your own."""


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

"""What goes wrong, as exceptions. Each has `kind`: a word of a closed list, for a program; its text is for people."""
from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional

if TYPE_CHECKING:
    from ._verdict import Verdict


class Error(Exception):
    """All of this package's."""

    kind = "error"


class ConnectionLost(Error):
    """penstockd cannot be reached, or has gone."""

    kind = "connection"


class Refused(Error):
    """penstockd says no to a call: `kind` is the protocol's (invalid_params, not_found, …), `field` what is at fault."""

    def __init__(self, message: str, kind: str, code: int, field: Optional[str]) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.field = field


class JobFailed(Error):
    """A job that is not done: `kind` is the verdict's error.kind (truncated, http_status, …), or `cancelled`."""

    def __init__(self, verdict: "Verdict") -> None:
        super().__init__(verdict.message or verdict.state)
        self.kind = verdict.kind or verdict.state
        self.verdict = verdict


class Incomplete(JobFailed, OSError):
    """A read of a body that did not arrive whole."""


class StageFailed(JobFailed):
    """A command of a pipeline failed: `returncodes` are those of all, as subprocess has them."""

    kind = "stage"

    def __init__(self, verdict: "Verdict", returncodes: List[int]) -> None:
        super().__init__(verdict)
        self.returncodes = returncodes


class LinesMissed(Error):
    """Lines that were followed were read too slowly, and penstockd left some out."""

    kind = "missed"

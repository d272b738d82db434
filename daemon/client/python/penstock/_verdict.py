"""How a job ended."""
from __future__ import annotations

import dataclasses
from typing import Any, Dict, Optional


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A verdict's line; `line` has all of it, as in the log."""

    job: int
    attempt: int
    state: str  # done, failed or cancelled
    kind: Optional[str]  # of the error; None: there is none
    message: str
    verified_by: Optional[str]
    status: Optional[int]  # HTTP's
    bytes: int  # of the body as it arrived
    records: int
    resumes: int
    line: Dict[str, Any] = dataclasses.field(repr=False, compare=False)

    @property
    def done(self) -> bool:
        return self.state == "done"

    @classmethod
    def of(cls, line: Dict[str, Any]) -> "Verdict":
        error = line.get("error") or {}
        return cls(job=line["job"], attempt=line.get("attempt", 0), state=line["state"], kind=error.get("kind"),
                   message=error.get("message") or line.get("reason") or "", verified_by=line.get("verified_by"),
                   status=line.get("status"), bytes=line.get("bytes", 0), records=line.get("records", 0),
                   resumes=line.get("resumes", 0), line=line)

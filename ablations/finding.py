"""One line of `ablate doctor`; `ablate run` says some of them too, while it waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do.

    Attributes:
        state: `ok`; `note` for what a person may want to know; `fault` for what will stop a study.
        what: What was looked at.
        detail: What was found.
        advice: What to do about it.
    """

    state: Literal["ok", "note", "fault"]
    what: str
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        """As the doctor prints it."""
        return f"{self.state:5s}  {self.what:10s}  {self.said()}"

    def said(self) -> str:
        """What was found and what to do, without its place in a list."""
        return self.detail + (f"; {self.advice}" if self.advice else "")

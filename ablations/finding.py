"""One line of `ablate doctor`. `ablate run` prints some of them too, while trials wait for machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PROBE = "doctor-probe"
"""Study name with which the doctor tests the results location. It deletes the folder again."""


@dataclass(frozen=True)
class Finding:
    """What a check found, and what to do about it.

    Attributes:
        state: `ok`; `note` for something that a person may want to know; `fault` for what will stop a study.
        what: What was checked.
        detail: What was found.
        advice: What to do about it.
    """

    state: Literal["ok", "note", "fault"]
    what: str
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        """The line that the doctor prints."""
        return f"{self.state:5s}  {self.what:10s}  {self.message()}"

    def message(self) -> str:
        """Return the detail and the advice."""
        return self.detail + (f"; {self.advice}" if self.advice else "")

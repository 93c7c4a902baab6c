"""Ask `analysis` what the seeds so far decide, in a process of its own: the trials under way go on meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from ablations.errors import StudyError
from ablations.state.decisions import Decisions, read_decisions
from silhouette.results import Store

MODULE = "analysis.results.seeds.answer"
RESULTS = "ABLATE_DECIDE_RESULTS"
"""The location reaches the process in its environment: other users can read a command line, and keys may be in it."""
TRIES = 3
"""How often a question is asked whose process ends before it answers."""


class Decider:
    """Asks for the decisions on one study; a context manager. The process starts with the first question.

    Args:
        store: Where the plan and the records are.
        clock: Returns seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.clock = store, clock
        self.error = ""
        self._child: subprocess.Popen[str] | None = None
        self._changed = threading.Condition()
        self._asked_at: float | None = None
        self._questions = self._answered = 0
        self._latest: Decisions | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="decisions", daemon=True)

    def __enter__(self) -> Decider:
        """Start the thread that asks."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """End the process. An answer under way is not waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if (child := self._child) is not None:
            child.kill()
        self._thread.join(1.0)

    def request(self) -> None:
        """Ask now, or once more after the answer that is under way."""
        with self._changed:
            self._questions += 1
            if self._asked_at is None:
                self._asked_at = self.clock()
            self._changed.notify_all()

    @property
    def waits(self) -> float | None:
        """Seconds since the oldest question without an answer; None where each has one."""
        with self._changed:
            return None if self._asked_at is None else self.clock() - self._asked_at

    @property
    def latest(self) -> Decisions | None:
        """The newest answer; None before the first."""
        with self._changed:
            return self._latest

    def wait(self, seconds: float) -> None:
        """Wait for an answer, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._asked_at is None, seconds)

    def ask(self, may_wait: Callable[[], None]) -> Decisions:
        """Ask and wait for the answer.

        Args:
            may_wait: Called while nothing has come; may raise, as `raise_if_interrupted` does.

        Raises:
            StudyError: If there is none.
        """
        self.request()
        while self.waits is not None:
            self.wait(0.2)
            may_wait()
        if self.error or self._latest is None:
            raise StudyError(f"stop: what the seeds decide cannot be computed ({self.error or 'no answer'})")
        return self._latest

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._questions > self._answered)
                if self._closed:
                    return
                question = self._questions
            found = self._answer()
            with self._changed:
                self._latest = found or self._latest
                self._answered = question
                self._asked_at = self.clock() if self._questions > question else None
                self._changed.notify_all()

    def _answer(self) -> Decisions | None:
        """One answer; None, with `error` set, if there is none."""
        for _ in range(TRIES):
            with suppress(OSError, ValueError, KeyError, TypeError):  # it was killed, or the machine has no memory left
                said = json.loads(self._exchange())
                self.error = said.get("error", "")
                return None if self.error else read_decisions(said)
            self._end_child()
        self.error = f"the process {MODULE} ended {TRIES} times without an answer"
        return None

    def _exchange(self) -> str:
        if self._child is None:
            self._child = self._start()
        child = self._child
        if child.stdin is None or child.stdout is None:
            raise OSError("no pipes")
        child.stdin.write("\n")
        child.stdin.flush()
        return child.stdout.readline()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, self.store.study],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, RESULTS: self.store.uri},
            text=True,
        )

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None and not self._closed:
            child.kill()
            child.communicate()

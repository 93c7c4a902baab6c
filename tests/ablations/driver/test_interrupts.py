"""A study that was asked to stop says so, whatever its end makes of it; tests of whole studies are in test_faults."""

import os
import signal

import pytest

from ablations.driver import interrupts as signals
from ablations.driver.interrupts import Interrupted, interruptible, raise_if_interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_the_answer_also_where_its_exception_was_lost_or_became_another(monkeypatch, number):
    monkeypatch.setattr(signals, "GRACE_SECONDS", 3600)  # after which it ends the process, which is pytest

    def swallowed():
        try:
            os.kill(os.getpid(), number)
        except Interrupted:
            return

    def turned():
        try:
            os.kill(os.getpid(), number)
        except Interrupted as error:
            raise ImportError("half a module") from error

    before = signal.getsignal(number)
    for body in (swallowed, turned):
        with pytest.raises(Interrupted) as caught, interruptible(lambda _: None):
            body()
        assert caught.value.code == 128 + number
        assert signal.getsignal(number) is before


def test_an_error_without_a_signal_stays_what_it_is():
    with pytest.raises(ImportError), interruptible(lambda _: None):
        raise ImportError("a module")
    raise_if_interrupted()

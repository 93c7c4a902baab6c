"""`ablate` that starts a group again once, not three times, after its worker died. Run it as a module."""

from ablations.cli.process import command
from ablations.driver import callbacks, tuner

if __name__ == "__main__":
    callbacks.MAX_FAILURES = tuner.MAX_FAILURES = 1
    command()

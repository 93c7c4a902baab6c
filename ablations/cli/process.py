"""The entry point of the `ablate` command: `main`, and a fast end of the process."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn

from ablations.cli.parser import main


def command() -> NoReturn:
    """Run the command line and end the process with its exit code; a run starts again if Ray ends it."""
    if sys.argv[1:2] == ["run"] and not {"-h", "--help"} & {*sys.argv}:
        from ablations.driver.supervisor import supervised

        end(supervised(main, end))
    end(main())


def end(code: int) -> NoReturn:
    """End the process.

    After a run Python takes about half a second to free its modules one by one, so this is left out. Everything else
    that Python does at its end is done: it waits for threads, calls the functions of `atexit`, and writes the streams.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a closed terminal, or a closed stream
            stream.flush()
    os._exit(code)

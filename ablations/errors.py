"""The error of this package that ends a command with exit code 2, and the first line of any error."""

from silhouette.errors import InputError


class StudyError(InputError):
    """A study, option or results folder that cannot be used as given; the message is one line.

    >>> from ablations import load_study
    >>> load_study("absent.py")
    Traceback (most recent call last):
    ablations.errors.StudyError: STUDY: no such file, got 'absent.py'
    """


def first_line(error: BaseException) -> str:
    r"""The first line of an error's message, or its type where there is no message.

    >>> first_line(OSError("away\nTraceback")), first_line(OSError())
    ('away', 'OSError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0]

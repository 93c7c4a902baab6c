"""The error of this package that ends a command with exit code 2."""

from silhouette.errors import InputError


class StudyError(InputError):
    """A study, option or results folder that cannot be used as given."""

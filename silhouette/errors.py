"""The base of every error that is a person's input to put right."""


class InputError(ValueError):
    """Bad input; the message is one line: field, rule, value given, what to do. Commands end with exit code 2."""

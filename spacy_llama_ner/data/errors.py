"""The base class of all errors that this package raises about what it was given.

It stands apart because every other module may import it, and it imports none.
"""


class LlamaNERError(ValueError):
    """An input, a setting or an environment that does not fit.

    The message says what was given, what was expected and what to do now. Commands print it and exit with 1; any
    other exception is a bug of this package and shows its traceback.
    """

"""The base class of the package's errors, and the errors of this layer.

Every other module may import this one, so it imports none.
"""


class LlamaNERError(ValueError):
    """An input, a setting or an environment that does not fit.

    The message says what was given, what was expected and what to do now. Commands print it and exit with 1; any
    other exception is a bug of this package and shows its traceback.
    """


class DataError(LlamaNERError):
    """A file or a data set that does not hold what was expected of it."""


class MissingPackageError(LlamaNERError, ImportError):
    """A package that only some functions need, and that is not installed. The message says how to install it."""

"""What a job cannot work with."""


class ApplyError(ValueError):
    """An input, an output or an option that a job cannot work with; the message says what to do."""

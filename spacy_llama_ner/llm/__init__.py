"""Training data from language models: texts that a model labels, and labelled texts that it writes."""

from .backends.base import (
    Backend,
    BackendRefusedError,
    ChatRequest,
    Message,
    NoReplyError,
    RejectedReplyError,
    Reply,
    RetryableError,
)

__all__ = [
    "Backend",
    "BackendRefusedError",
    "ChatRequest",
    "Message",
    "NoReplyError",
    "RejectedReplyError",
    "Reply",
    "RetryableError",
]

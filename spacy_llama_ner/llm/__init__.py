"""Data made by language models: texts labelled by one, or written by one together with their labels."""

from .backends.base import Backend, Message, NoAnswer, Question, Refused, Reject, Reply, TryAgain

__all__ = ["Backend", "Message", "NoAnswer", "Question", "Refused", "Reject", "Reply", "TryAgain"]

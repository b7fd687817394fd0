"""Bases: pretrained decoders and encoders, found by name, fetched if need be, checked, and loaded."""

from __future__ import annotations

from .cache import cache_dir
from .check import DECODER, ENCODER, BaseKind, check_decoder, fingerprint
from .errors import BaseModelError
from .locate import locate_base

__all__ = [
    "DECODER",
    "ENCODER",
    "BaseKind",
    "BaseModelError",
    "cache_dir",
    "check_decoder",
    "fingerprint",
    "locate_base",
]

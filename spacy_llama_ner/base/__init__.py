"""Bases: pretrained decoders and encoders on disk, found by name, fetched where need be, checked and told apart."""

from __future__ import annotations

from .cache import cache_dir
from .check import check_decoder
from .errors import BaseModelError
from .fingerprint import fingerprint
from .kinds import DECODER, ENCODER, Kind
from .locate import locate

__all__ = ["DECODER", "ENCODER", "BaseModelError", "Kind", "cache_dir", "check_decoder", "fingerprint", "locate"]

"""Bases: pretrained decoders and encoders on disk, found by name, fetched where need be, checked and told apart."""

from __future__ import annotations

from .cache import cache_dir
from .check import DECODER, ENCODER, Kind, check_decoder, fingerprint
from .errors import BaseModelError
from .locate import locate_base

__all__ = ["DECODER", "ENCODER", "BaseModelError", "Kind", "cache_dir", "check_decoder", "fingerprint", "locate_base"]

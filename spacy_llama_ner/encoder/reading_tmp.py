from __future__ import annotations

import hashlib
from typing import Any

from .settings import DecoderSettings
from .words import WordModule


def reading_of(settings: DecoderSettings, module: WordModule) -> dict[str, Any]:
    """All that decides what vectors a frozen `module`, built from `settings`, gives."""
    spec = module.spec()
    tokenizer = hashlib.sha256(spec["tokenizer"].encode("utf8")).hexdigest()
    return {"base": spec["fingerprint"], "tokenizer": tokenizer, "dtype": str(module.dtype), **settings.reading}

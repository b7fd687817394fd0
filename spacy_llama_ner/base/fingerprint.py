"""What a base is, whatever it is called and wherever it lies."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .check import read_config
from .digest import file_sha256
from .weights import weight_files

# who wrote a config, not what it says
PROVENANCE = ("transformers_version", "_name_or_path")


def fingerprint(folder: Path) -> str:
    """Hex SHA-256 over the config and the content of the weights of the base in `folder`.

    The same for a copy in another folder, whatever version of transformers reads it. The weights' own digests
    are remembered, so that a second call reads no weights. Raises BaseModelError if the config or weights are
    not there.
    """
    config = {key: value for key, value in read_config(folder).items() if key not in PROVENANCE}
    weights = {file.name: file_sha256(file) for file in weight_files(folder)}
    content = json.dumps({"config": config, "weights": weights}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode("ascii")).hexdigest()

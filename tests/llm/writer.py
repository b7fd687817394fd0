"""A model that writes texts as it is told to, without a model."""

from __future__ import annotations

import hashlib
import json
import random
import re

SYLLABLES = ["ba", "den", "fir", "go", "lum", "mi", "nor", "pe", "ras", "tu", "vel", "wo"]
WORDS = [a + b for a in SYLLABLES for b in SYLLABLES if a != b]
FIRST = ["Ida", "Tomas", "Maria", "Chidi", "Yuki", "Omar", "Lena", "Pavel", "Amara", "Stefan", "Noor", "Hugo"]
LAST = ["Holm", "Okafor", "Silva", "Tanaka", "Novak", "Brook", "Castillo", "Weber", "Lund", "Haddad", "Moreau"]


def write_texts(said: str) -> str:
    """A reply to the prompt `generate`: texts of made-up words, with an entity of each label that is wanted.

    The same question gets the same reply. For the prompt `topics`, topics.
    """
    # a string seeds by its SHA-512, the same in every process
    lot = random.Random(hashlib.sha256(said.encode()).hexdigest())
    if "topics" in said and "Write" not in said:
        return json.dumps({"topics": lot.sample(WORDS, 6)})
    count = re.search(r"Write (\d+) texts", said)
    wanted = re.search(r"at least one of: ([^.]*)\.", said)
    labels = wanted[1].split(", ") if wanted else []
    return json.dumps({"texts": [_text(labels, lot) for _ in range(int(count[1]) if count else 1)]})


def _text(labels: list[str], lot: random.Random) -> str:
    parts = lot.sample(WORDS, 7)
    for label in labels:
        entity = f"{lot.choice(FIRST)} {lot.choice(LAST)}"
        parts.insert(lot.randint(1, 6), f"{label.lower()} [{entity}]({label})")
    return f"{' '.join(parts).capitalize() if not labels else ' '.join(parts)}."

"""Scripted replies to the prompts `generate` and `topics`."""

from __future__ import annotations

import hashlib
import json
import random
import re

SYLLABLES = ["ba", "den", "fir", "go", "lum", "mi", "nor", "pe", "ras", "tu", "vel", "wo"]
WORDS = [a + b for a in SYLLABLES for b in SYLLABLES if a != b]
FIRST = ["Ida", "Tomas", "Maria", "Chidi", "Yuki", "Omar", "Lena", "Pavel", "Amara", "Stefan", "Noor", "Hugo"]
LAST = ["Holm", "Okafor", "Silva", "Tanaka", "Novak", "Brook", "Castillo", "Weber", "Lund", "Haddad", "Moreau"]


def write_texts(prompt: str) -> str:
    """A reply to the prompt `generate`: texts of made-up words, with an entity of each label that is wanted.

    The same prompt gets the same reply. For the prompt `topics`, topics.
    """
    # a string seeds by its SHA-512, the same in every process
    rng = random.Random(hashlib.sha256(prompt.encode()).hexdigest())
    if "topics" in prompt and "Write" not in prompt:
        return json.dumps({"topics": rng.sample(WORDS, 6)})
    count = re.search(r"Write (\d+) texts", prompt)
    wanted = re.search(r"at least one of: ([^.]*)\.", prompt)
    labels = wanted[1].split(", ") if wanted else []
    return json.dumps({"texts": [_text(labels, rng) for _ in range(int(count[1]) if count else 1)]})


def _text(labels: list[str], rng: random.Random) -> str:
    parts = rng.sample(WORDS, 7)
    for label in labels:
        entity = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
        parts.insert(rng.randint(1, 6), f"{label.lower()} [{entity}]({label})")
    return f"{' '.join(parts).capitalize() if not labels else ' '.join(parts)}."

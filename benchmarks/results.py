"""What was measured, on what, as Markdown."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass
from datetime import date
from pathlib import Path

PACKAGES = ("spacy", "torch", "transformers", "peft")
FEATURES = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")


@dataclass(frozen=True)
class Table:
    """One table of results."""

    title: str
    how: str
    header: list[str]
    rows: list[list[str]]

    def to_markdown(self) -> str:
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return f"## {self.title}\n\n{self.how}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """The processor, its cores, what it multiplies natively, and the versions of the libraries."""
    model, flags = platform.processor() or platform.machine(), ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        names = {key.strip(): value.strip() for key, value in fields.items()}
        model, flags = names.get("model name", model), names.get("flags", "")
    features = ", ".join(feature for feature in FEATURES if feature in flags.split()) or "no vector units known"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    python = f"Python {platform.python_version()}"
    return f"{date.today()}, {os.cpu_count()} cores of {model} ({features}), {python}, {versions}"


def write(path: Path, command: str, corpus: str, tables: list[Table]) -> None:
    """Write all tables to `path`."""
    head = f"# Results\n\n`{command}`\n\n{machine()}. Corpus: {corpus}."
    path.write_text("\n\n".join([head, *(table.to_markdown() for table in tables)]) + "\n", encoding="utf8")

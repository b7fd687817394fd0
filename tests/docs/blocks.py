"""The fenced blocks of Markdown pages, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from thinc.api import Config

ROOT = Path(__file__).parent.parent.parent
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.md"))

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*) *(?P<options>[^\n]*)\n(?P<code>.*?)^(?P=indent)```$", re.M | re.S
)
_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    page: its file, relative to the repository.
    line: of its fence.
    title: the name of the file that it shows, if the page gives it one.
    """

    page: str
    line: int
    language: str
    title: str
    code: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def read_blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf8")
    return [
        Block(
            page=path.relative_to(ROOT).as_posix(),
            line=text[: match.start()].count("\n") + 1,
            language=match["language"],
            title=title[1] if (title := re.search(r'title="([^"]+)"', match["options"])) else "",
            code=dedent(match["code"]),
        )
        for match in _FENCE.finditer(text)
    ]


def commands(blocks: list[Block]) -> Iterator[tuple[Block, list[str]]]:
    """The commands of the bash blocks of a page, cut into words; variables that the page sets are put in."""
    variables: dict[str, str] = {}
    for block in blocks:
        if block.language != "bash":
            continue
        for line in block.code.replace("\\\n", " ").split("\n"):
            for name in sorted(variables, key=len, reverse=True):
                line = line.replace(f"${name}", variables[name])
            words = shlex.split(line, comments=True)
            if len(words) == 1 and (match := _ASSIGNMENT.fullmatch(words[0])):
                variables[match[1]] = match[2]
            elif words:
                yield block, words


def prose(path: Path) -> str:
    """The text of a page without its code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", path.read_text(encoding="utf8")))


def spans(path: Path) -> list[str]:
    """The pieces of code within the text of a page."""
    found = re.findall(r"`([^`]+)`", _FENCE.sub("", path.read_text(encoding="utf8")))
    return [" ".join(span.split()) for span in found]


def read_config(block: Block) -> Config:
    """The config that a block shows; sections around those that it shows are empty."""
    sections = re.findall(r"^\[(.*)\]$", block.code, re.M)
    parents = {".".join(parts[:i]) for name in sections for parts in [name.split(".")] for i in range(1, len(parts))}
    missing = "".join(f"[{name}]\n" for name in sorted(parents - set(sections)))
    return Config().from_str(missing + block.code, interpolate=False)

"""What the package registers can be found, by the name under which spaCy looks for it."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
import spacy

SETUP = Path(__file__).parent.parent / "setup.cfg"


def declared() -> list[tuple[str, str, str]]:
    """Group, name and object of each entry point in setup.cfg."""
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(SETUP, encoding="utf8")
    groups = parser["options.entry_points"].items()
    lines = [(group, line.split(" = ")) for group, block in groups for line in block.strip().splitlines()]
    return [(group, name, value) for group, (name, value) in lines]


DECLARED = declared()
each = pytest.mark.parametrize(("group", "name", "value"), DECLARED)


def test_every_kind_that_the_package_offers_is_declared() -> None:
    groups = {group for group, _, _ in DECLARED}
    assert {"spacy_factories", "spacy_architectures", "spacy_scorers", "spacy_readers", "spacy_misc"} <= groups
    assert {"spacy_cli", "thinc_schedules"} <= groups
    assert len(DECLARED) >= 10


@each
def test_resolves(group: str, name: str, value: str) -> None:
    assert EntryPoint(name, value, group).load() is not None


@each
def test_is_installed(group: str, name: str, value: str) -> None:
    installed = {(entry.name, entry.value) for entry in entry_points(group=group)}
    assert (name, value) in installed


@pytest.mark.parametrize(("group", "name", "value"), [row for row in DECLARED if row[0] != "spacy_cli"])
def test_is_found_in_its_registry(group: str, name: str, value: str) -> None:
    expected = EntryPoint(name, value, group).load()
    if group == "spacy_factories":
        assert spacy.blank("en").get_factory_meta(name).factory == name
        return
    kind = group.split("_", 1)[1]
    assert spacy.registry.get(kind, name) is expected


@pytest.mark.parametrize(
    "name", [name for group, name, _ in DECLARED if group not in ("spacy_cli", "spacy_factories")]
)
def test_names_carry_the_package_and_a_version(name: str) -> None:
    assert name.startswith("spacy_llama_ner.")
    assert name.rsplit(".v", 1)[1].isdigit()


def test_spacys_command_line_shows_the_commands() -> None:
    command = [sys.executable, "-m", "spacy", "llama-ner", "--help"]
    done = subprocess.run(command, capture_output=True, encoding="utf8", timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    names = (
        "fetch",
        "convert",
        "conll2003",
        "evaluate",
        "calibrate",
        "show",
        "apply",
        "pair",
        "difference",
        "generate",
        "annotate",
        "active-learn",
        "budget",
    )
    for name in (*names, "export-adapter", "import-adapter", "push"):
        assert name in done.stdout

"""The command group: its help, its options, and its errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import spacy
from spacy.cli._util import app as spacy_app
from typer.main import get_command
from typer.testing import CliRunner

from spacy_llama_ner.cli.app import GROUPS, app
from tests.cli.helpers import contents, fails, run, succeeds

GROUP: Any = get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
NAMES = [name for names in GROUPS.values() for name in names]
# commands that load a pipeline or a config, with as many arguments as they take
WITH_CODE = {
    "encode": ["config.cfg", "out.safetensors", "--data", "gold.spacy"],
    "evaluate": ["model", "gold.spacy"],
    "calibrate": ["model", "gold.spacy"],
    "difference": ["model", "model", "page.html", "--data", "gold.spacy"],
    "report": ["model", "gold.spacy", "page.html"],
    "show": ["model", "gold.spacy", "page.html"],
    "apply": ["model", "texts.jsonl", "out"],
    "export": ["model", "texts.txt", "out", "--format", "doccano"],
    "active-learn": ["config.cfg", "out"],
    "budget": ["config.cfg", "out"],
    "export-adapter": ["model", "out"],
    "import-adapter": ["adapter", "out"],
}


def help_of(*command: str) -> str:
    result = CliRunner().invoke(spacy_app, ["llama-ner", *command, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    return result.output


def test_every_command_is_in_one_group() -> None:
    assert sorted(NAMES) == sorted(COMMANDS)


def test_help_lists_the_commands_in_groups_and_cuts_nothing_off() -> None:
    lines = help_of().splitlines()
    assert [line[:-1] for line in lines if line.endswith(":") and line[:-1] in GROUPS] == list(GROUPS)
    rows = {line.split()[0]: line for line in lines if line.startswith("  ") and line.split()[0] in COMMANDS}
    assert list(rows) == NAMES
    for line in rows.values():
        assert line.endswith(".") and not line.endswith("..") and "…" not in line
        assert len(line) <= 80
    # the texts start in one column
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in rows.values()}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_and_option_has_a_help_text(name: str) -> None:
    assert all(param.help for param in COMMANDS[name].params)
    assert name in help_of(name)


def test_an_option_has_the_same_short_form_in_every_command() -> None:
    long: dict[str, set[str]] = {}
    short: dict[str, set[str]] = {}
    for command in COMMANDS.values():
        for param in command.params:
            names = [name for name in param.opts if name.startswith("-")]
            for name in (each for each in names if each.startswith("--")):
                rest = {each for each in names if each != name}
                assert long.setdefault(name, rest) == rest, name
                for each in rest:
                    short.setdefault(each, set()).add(name)
    assert all(len(names) == 1 for names in short.values()), short
    # as spaCy has them
    assert short["-c"] == {"--code"} and short["-g"] == {"--gpu-id"} and short["-n"] == {"--n-sents"}
    assert short["-b"] == {"--batch-size"} and short["-o"] == {"--output"} and short["-tk"] == {"--text-key"}


def test_a_command_that_loads_a_pipeline_or_a_config_takes_code() -> None:
    takes = {name for name, command in COMMANDS.items() if any("--code" in param.opts for param in command.params)}
    assert takes == set(WITH_CODE)


@pytest.mark.parametrize("name", WITH_CODE)
def test_code_is_imported_first(name: str, tmp_path: Path) -> None:
    assert "Path to Python code not found" in fails(name, *WITH_CODE[name], "--code", tmp_path / "none.py")
    code = tmp_path / "code.py"
    code.write_text("raise RuntimeError('it runs')", encoding="utf8")
    assert "Couldn't load Python code" in (said := fails(name, *WITH_CODE[name], "-c", code))
    assert "it runs" in said


@pytest.fixture
def custom(tmp_path: Path) -> tuple[Path, Path]:
    """A pipeline with a component that only a file of the user's knows, and that file."""
    factory = f"finder_{uuid4().hex}"
    code = tmp_path / "finder.py"
    code.write_text(
        f"""
from spacy.language import Language
from spacy.tokens import Span

@Language.component({factory!r}, assigns=["doc.ents"])
def find(doc):
    doc.ents = [Span(doc, 0, 1, label="FIRST")]
    return doc
""",
        encoding="utf8",
    )
    folder = tmp_path / "custom"
    nlp = spacy.blank("en")
    nlp.to_disk(folder)
    config = (folder / "config.cfg").read_text(encoding="utf8")
    config = config.replace("pipeline = []", f'pipeline = ["{factory}"]')
    config = config.replace("[components]", f'[components]\n[components.{factory}]\nfactory = "{factory}"')
    (folder / "config.cfg").write_text(config, encoding="utf8")
    return folder, code


def test_a_pipeline_with_functions_of_ones_own(custom: tuple[Path, Path], corpus: Path, tmp_path: Path) -> None:
    folder, code = custom
    said = fails("show", folder, corpus, tmp_path / "page.html")
    assert "cannot be loaded" in said and "name their Python file with --code" in said
    succeeds("show", folder, corpus, tmp_path / "page.html", "--code", code)
    assert "FIRST" in (tmp_path / "page.html").read_text(encoding="utf8")


@pytest.mark.skipif(sys.platform == "win32", reason="Ray has no more than a beta there")
def test_actors_of_ray_import_the_code_too(custom: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    folder, code = custom
    (tmp_path / "in.jsonl").write_text('{"text": "Nora calls."}\n', encoding="utf8")
    command = [sys.executable, "-m", "spacy", "llama-ner", "apply", str(folder), "in.jsonl", "out", "--engine", "ray"]
    command += ["--code", code.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf8", timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert b"FIRST" in contents(tmp_path / "out")["part-000000.jsonl"]


def test_an_expected_error_is_a_message(model: Path, tmp_path: Path) -> None:
    said = fails("evaluate", model, tmp_path / "nowhere.spacy")
    assert "llama-ner evaluate stopped" in said and "nowhere.spacy does not exist" in said
    assert "Give a .spacy file or a folder of them." in said


def test_a_file_that_cannot_be_written_is_a_message(
    model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert "No space left on device" in fails("show", model, corpus, tmp_path / "page.html")


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyError, ImportError])
def test_a_bug_shows_its_traceback(
    error: type[Exception], model: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error("a bug")

    monkeypatch.setattr("spacy_llama_ner.cli.evaluate.predict_and_score", fail)
    assert type(run("evaluate", model, corpus).exception) is error


def test_ctrl_c_stops_without_a_traceback(model: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spacy_llama_ner.cli.evaluate.predict_and_score", interrupt)
    result = run("evaluate", model, corpus)
    assert result.exit_code in (1, 130) and isinstance(result.exception, SystemExit)
    assert "Aborted" in result.output or not result.output.count("Traceback")

"""What an import costs, and which way imports may point."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import spacy_llama_ner

PACKAGE = Path(spacy_llama_ner.__file__).parent
NAME = PACKAGE.name
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "transformers", "peft", "sklearn", "seqeval", "torchcrf", "datasets", "gguf")
HEAVY += ("openai",)
# a package may import from those in the rows before it
LAYERS = [
    ("data",),
    ("shim", "base"),
    ("encoder", "head"),
    ("generative",),
    ("pipeline",),
    ("evaluate", "apply"),
    ("training", "experts"),
    ("llm",),
    ("active",),
    ("report",),
    ("cli",),
]

# other packages' factories may cost what they like
WITHOUT_OTHERS = f"""
import catalogue
class Own:
    everything = catalogue.AVAILABLE_ENTRY_POINTS
    @classmethod
    def select(cls, **what):
        return [entry for entry in cls.everything.select(**what) if entry.value.startswith("{NAME}")]
catalogue.AVAILABLE_ENTRY_POINTS = Own
"""


# of extras that the tests do not always have
OPTIONAL = {"bitsandbytes"}


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [module_name(file) for file in FILES]


def heavy_after(script: str) -> set[str]:
    """Which heavy packages a fresh interpreter has loaded after `script`."""
    code = f"{script}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    return {name for name in loaded if name.split(".")[0] in HEAVY}


@cache
def heavy_of_spacy() -> frozenset[str]:
    return frozenset(heavy_after("import spacy"))


def test_a_blank_pipeline_imports_nothing_heavy() -> None:
    script = f"import spacy{WITHOUT_OTHERS}nlp = spacy.blank('en')\nassert nlp.has_factory('llama_ner')"
    loaded = heavy_after(script)
    assert loaded == heavy_of_spacy()
    assert not {name.split(".")[0] for name in loaded} & {"transformers", "peft", "sklearn"}


def test_adding_the_component_imports_no_transformers() -> None:
    script = f"import spacy{WITHOUT_OTHERS}spacy.blank('en').add_pipe('llama_ner')"
    assert heavy_after(script) - heavy_of_spacy() <= {"torchcrf"}


def test_the_command_line_imports_nothing_heavy() -> None:
    modules = [name for name in MODULES if name.startswith(f"{NAME}.cli")]
    assert len(modules) > 5
    script = "\n".join(f"import {name}" for name in ["spacy.cli", *modules])
    assert heavy_after(script) == heavy_after("import spacy.cli")


def test_every_module_imports_alone() -> None:
    script = f"""
import importlib, sys
import spacy, torch, transformers
for name in {MODULES!r}:
    for loaded in [m for m in sys.modules if m == "{NAME}" or m.startswith("{NAME}.")]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in {sorted(OPTIONAL)!r}:
            raise
"""
    assert "torch" in heavy_after(script)


def imported(file: Path) -> Iterator[str]:
    """Absolute names of what `file` imports, anywhere in it."""
    package = module_name(file).split(".")
    if file.stem != "__init__":
        package = package[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*stem, alias.name]) for alias in node.names)


def test_imports_are_found() -> None:
    names = set(imported(PACKAGE / "pipeline" / "llama_ner.py"))
    assert {f"{NAME}.head.inference.Entity", f"{NAME}.pipeline.entity_pipe.EntityPipe", "spacy.tokens.Doc"} <= names


@pytest.mark.parametrize("index", range(len(LAYERS)), ids=["+".join(layer) for layer in LAYERS])
def test_a_layer_imports_only_from_those_below(index: int) -> None:
    for part in LAYERS[index]:
        above = {name for layer in LAYERS[index:] for name in layer} - {part}
        for file in sorted((PACKAGE / part).rglob("*.py")):
            forbidden = [
                name for name in imported(file) if name.split(".")[:1] == [NAME] and name.split(".")[1] in above
            ]
            assert not forbidden, f"{file.relative_to(PACKAGE)} imports {forbidden}"


def imported_modules(file: Path) -> set[str]:
    """Modules of this package that `file` imports, anywhere in it, type-only imports included."""
    found = set()
    for name in imported(file):
        module = name if name in MODULES else name.rpartition(".")[0]
        if module in MODULES and module != module_name(file):
            found.add(module)
    return found


def test_no_imports_run_in_a_circle() -> None:
    graph = {module_name(file): imported_modules(file) for file in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports run in a circle: {' <- '.join(error.args[1])}")


def test_every_package_has_its_layer() -> None:
    parts = {file.name for file in PACKAGE.iterdir() if file.is_dir() and file.name != "__pycache__"}
    assert parts == {part for layer in LAYERS for part in layer}


def test_no_module_stands_outside_the_packages() -> None:
    assert [file.name for file in PACKAGE.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("file", [file for file in FILES if file.stem == "__init__"], ids=str)
def test_a_packages_init_only_hands_on_names(file: Path) -> None:
    body = ast.parse(file.read_text(encoding="utf8")).body
    plain = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)
    assert all(isinstance(node, plain) for node in body)
    assert isinstance(body[0], ast.Expr)


def test_nothing_is_pickled_and_no_remote_code_is_trusted() -> None:
    for file in FILES:
        assert not {name.split(".")[0] for name in imported(file)} & {"pickle", "cloudpickle", "dill", "joblib"}
        for node in ast.walk(ast.parse(file.read_text(encoding="utf8"))):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert isinstance(node.value, ast.Constant) and node.value.value is False

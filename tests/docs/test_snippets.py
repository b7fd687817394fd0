"""Every command and every snippet on the pages works: they are run, page by page, on small stand-ins.

What cannot be run here is in `not_run`, with the reason; of that, names and options are checked.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import itertools
import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
import typer
from spacy.cli._util import app, parse_config_overrides
from spacy.language import Language
from spacy.util import load_config, registry

from tests.docs.blocks import BENCHMARKS, GUIDES, ROOT, Block, commands, prose, read_blocks, read_config, spans
from tests.docs.conftest import accept_suggestions, run_spacy
from tests.docs.not_run import NOT_RUN, NOT_RUN_PYTHON, NOT_RUN_WITH, reason_not_to_run
from tests.llm.server import ScriptedServer

PAGES = [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in GUIDES if read_blocks(path)]
ALL = [*PAGES, *(pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in BENCHMARKS)]
# what stands for something that a reader puts in
PLACEHOLDERS = {"MODEL": "scripted"}


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_in_their_order(
    page: Path, clone: Path, server: ScriptedServer, names: dict[str, Any]
) -> None:
    blocks = read_blocks(page)
    scripts = [(block, words) for block, words in commands(blocks)]
    for block in blocks:
        if block.title:
            (clone / block.title).write_text(block.code, encoding="utf8")
        if block.language == "python":
            run_python(block, names)
        elif block.language == "bash":
            for _, words in (each for each in scripts if each[0] is block):
                run_command(words, clone, server)
        elif block.language == "ini":
            check_config(read_config(block))
        elif block.language == "json":
            json.loads(block.code)
        else:
            assert block.language == "text", f"{block.place} is a block of {block.language!r}, which nobody checks"


def run_python(block: Block, names: dict[str, Any]) -> None:
    code = block.code
    if any(part in code for part in NOT_RUN_PYTHON):
        tree = ast.parse(code)
        tree.body = [line for line in tree.body if isinstance(line, ast.Import | ast.ImportFrom)]
        code = ast.unparse(tree)
    exec(compile(code, block.place, "exec"), names)


def run_command(words: list[str], clone: Path, server: ScriptedServer) -> None:
    if reason_not_to_run(" ".join(words)):
        return
    assert words[:3] == ["python", "-m", "spacy"], f"Neither run nor named in not_run: {' '.join(words)}"
    args = [PLACEHOLDERS.get(word, word) for word in words[3:]]
    options = {"--base-url": server.url, "--components.llama_ner.model.tok2vec.layer": "2"}
    args = [options.get(args[i - 1], arg) for i, arg in enumerate(args)]
    if args[:2] == ["llama-ner", "import"]:
        accept_suggestions(clone / "tasks", clone / args[2])
    run_spacy(args)


def check_config(section: Any) -> None:
    """Each function that a config names is registered, and has the arguments that it is given."""
    if not isinstance(section, dict):
        return
    for key, name in section.items():
        check_config(name)
        if key.startswith("@"):
            function = registry.get(key[1:], name)
            given = {argument for argument in section if not argument.startswith("@")}
            assert given <= set(inspect.signature(function).parameters), f"{name} has no such arguments: {given}"


@cache
def spacy_commands() -> Any:
    registry.cli.get_all()
    return typer.main.get_command(app)


@pytest.mark.parametrize("page", ALL)
def test_the_commands_of_a_page_exist_with_their_options(page: Path) -> None:
    for block, words in commands(read_blocks(page)):
        if words[0] in ("do", "for", "done") or "=$(" in words[0]:
            continue
        while "=" in words[0]:
            words = words[1:]
        with named_in_errors(block.place, words):
            check_command(words)
    for span in spans(page):
        words = shlex.split(span.replace("$", "")) if span.startswith("python -m ") else []
        if len(words) > 4 and "COMMAND" not in words:
            with named_in_errors(page.name, words):
                check_command(words)


@contextlib.contextmanager
def named_in_errors(place: str, words: list[str]) -> Any:
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{place}: {' '.join(words)}\n{type(error).__name__}: {error}") from error


def check_command(words: list[str]) -> None:
    program, *args = words
    if program == "make":
        assert re.search(rf"^{args[0]}:", (ROOT / "Makefile").read_text(encoding="utf8"), re.M)
    elif program == "pip":
        for extra in re.findall(r"\[(.*?)\]", " ".join(args)):
            assert set(extra.split(",")) <= extras()
    elif program == "torchrun":
        module, config = args[args.index("-m") + 1 :][:2]
        assert module_exists(module) and (ROOT / config).is_file()
    elif args[:2] == ["-m", "spacy"]:
        check_spacy(args[2:])
    elif args[:2] == ["-m", "pytest"]:
        assert all((ROOT / arg).exists() for arg in args[2:] if arg.startswith("tests"))
    elif program == "python" and args[0] == "-m":
        assert module_exists(args[1])
    else:
        assert program in ("source", "python")


def check_spacy(args: list[str]) -> None:
    command: Any = spacy_commands()
    name = ""
    while hasattr(command, "commands"):
        name, *args = args
        assert name in command.commands, f"There is no command {name}"
        command = command.commands[name]
    if name == "run":
        check_workflow(args)
        return
    # nothing is converted or run here: what an option's value is worth shows when it is run
    context = command.make_context(name, list(args), resilient_parsing=True)
    _, rest, _ = command.make_parser(context).parse_args(list(args))
    known = [arg for arg in args if arg.startswith("--") and "." not in arg]
    options = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    assert set(known) <= options, f"{name} has no option {sorted(set(known) - options)}"
    overrides = [arg for arg in args if arg.startswith("--") and "." in arg]
    configs = [arg for arg in rest if arg.startswith("configs/")]
    assert all((ROOT / config).is_file() for config in configs), configs
    if overrides and configs:
        check_overrides(ROOT / configs[0], [arg for arg in rest if arg not in configs])


def check_overrides(path: Path, rest: list[str]) -> None:
    start = next(i for i, arg in enumerate(rest) if arg.startswith("--"))
    overrides = parse_config_overrides(rest[start:], None)
    config = load_config(path, interpolate=False)
    for name, value in overrides.items():
        *sections, key = name.split(".")
        section = config
        for each in sections:
            section = section[each]
        if function := next((each for each in section if each.startswith("@")), None):
            changed = overrides.get(".".join([*sections, function]), section[function])
            if "$" not in changed and key != function:
                assert key in inspect.signature(registry.get(function[1:], changed)).parameters, name
        else:
            assert key in section, f"{path.name} has no {name}"
        check_config(value)


def check_workflow(args: list[str]) -> None:
    project = srsly.read_yaml(ROOT / "project.yml")
    known = [*project["workflows"], *(command["name"] for command in project["commands"])]
    assert args[0] in known or args[0] == "NAME", f"project.yml has no {args[0]}"
    variables = {arg.removeprefix("--vars.") for arg in args if arg.startswith("--")}
    assert variables <= set(project["vars"]), f"project.yml has not all of the variables {variables}"


def module_exists(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file() or name == "http.server"


def extras() -> set[str]:
    text = (ROOT / "setup.cfg").read_text(encoding="utf8")
    section = text.split("[options.extras_require]")[1].split("\n[")[0]
    return set(re.findall(r"^(\w+) =", section, re.M))


@pytest.mark.parametrize("page", ALL)
def test_the_names_in_the_text_of_a_page_exist(page: Path) -> None:
    setup = (ROOT / "setup.cfg").read_text(encoding="utf8")
    registered = set(re.findall(r"spacy_llama_ner\.(\w+\.v\d)", setup))
    options = {"--no-deps", *llama_ner_options()}
    for span in spans(page):
        for name in re.findall(r"^(?:spacy_llama_ner\.)?(\w+\.v\d)$", span):
            assert name in registered, span
        if re.fullmatch(r"spacy_llama_ner(\.\w+)+(?<!\.v\d)", span):
            assert resolve(span.split(".")[1:]), span
        if span.startswith(("--", "llama-ner ")):
            assert set(re.findall(r"(?:^| )(--[\w-]+)(?= |$)", span)) <= options, span


@cache
def llama_ner_options() -> set[str]:
    group = spacy_commands().commands["llama-ner"].commands.values()
    return {option for command in group for param in command.params for option in param.opts}


def resolve(names: list[str]) -> bool:
    found: Any = importlib.import_module("spacy_llama_ner")
    for i, name in enumerate(names):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(".".join(["spacy_llama_ner", *names[: i + 1]]))
        if not hasattr(found, name):
            return False
        found = getattr(found, name)
    return True


def test_all_that_is_not_run_is_on_some_page() -> None:
    lines = [" ".join(words) for page in GUIDES for _, words in commands(read_blocks(page))]
    code = [block.code for page in GUIDES for block in read_blocks(page)]
    assert all(any(f"{line} ".startswith(f"{start} ") for line in lines) for start in NOT_RUN)
    assert all(any(part in line for line in lines) for part in NOT_RUN_WITH)
    assert all(any(part in each for each in code) for part in NOT_RUN_PYTHON)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 10_240


@pytest.mark.parametrize("page", [*GUIDES, *BENCHMARKS], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_files_lead_somewhere(page: Path) -> None:
    generated = {"docs/reference/cli.md"}
    for target in re.findall(r"\]\((?!\w+:|#)([^)\s#]+)", prose(page)):
        path = (page.parent / target).resolve()
        assert path.exists() or path.relative_to(ROOT).as_posix() in generated, target


def test_the_page_of_configs_has_all_configs_workflows_and_variables() -> None:
    text = (ROOT / "docs" / "reference" / "configs.md").read_text(encoding="utf8")
    project = srsly.read_yaml(ROOT / "project.yml")
    told = set(re.findall(r"`([\w.-]+)`", text))
    assert {path.name for path in (ROOT / "configs").glob("*.cfg")} == {
        name for name in told if name.endswith(".cfg")
    }
    assert set(project["workflows"]) <= told
    variables = text.split("| variable | default |")[1].split("\n\n")[0]
    assert {name for row in variables.split("\n")[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])} <= set(
        project["vars"]
    )


def test_the_page_about_installing_has_all_extras() -> None:
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) - {"base"} == extras()


def test_the_page_of_components_has_all_registries_and_the_defaults() -> None:
    page = ROOT / "docs" / "reference" / "components.md"
    text = page.read_text(encoding="utf8")
    setup = (ROOT / "setup.cfg").read_text(encoding="utf8").split("[options.entry_points]")[1]
    groups = set(re.findall(r"^(\w+) =$", setup, re.M)) - {"spacy_cli"}
    assert set(re.findall(r"<!-- registered: (\w+) -->", text)) == groups
    shown = read_config(read_blocks(page)[0])["components"]["llama_ner"]
    assert shown.pop("factory") == "llama_ner"
    spacy.blank("en")
    assert shown == Language.get_factory_meta("llama_ner").default_config


def test_the_records_in_the_guide_are_read(clone: Path) -> None:
    page = ROOT / "docs" / "guides" / "training.md"
    (block,) = (block for block in read_blocks(page) if block.language == "json")
    (clone / "records.json").write_text(block.code, encoding="utf8")
    run_spacy(["llama-ner", "convert", "records.json", "records.spacy"])
    assert not (clone / "records.spacy.problems.jsonl").exists()


def test_contributing_has_the_layers_and_the_targets() -> None:
    from tests.test_imports import LAYERS

    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf8")
    table = text.split("| package | what it is |")[1].split("\n\n")[0]
    rows = [set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.split("\n")[2:]]
    place = {package: i for i, row in enumerate(rows) for package in row}
    assert set(place) == {package for layer in LAYERS for package in layer}
    for above, below in itertools.pairwise(LAYERS):
        assert max(place[package] for package in above) < min(place[package] for package in below)

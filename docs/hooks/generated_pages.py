"""Pages of the site that are made when it is built, so that they cannot fall behind what they are about.

- `benchmarks/*.md` with their pictures, CHANGELOG.md and CONTRIBUTING.md, which lie outside of `docs/`;
- the command-line reference, from the Typer app;
- one page of the Python API for each package, which mkdocstrings fills from the docstrings;
- the registered functions of `reference/components.md`, from the entry points in setup.cfg.

Links in Markdown files are right in the repository; where a file has another place in the site, they are rewritten.
"""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent.parent
PACKAGE = "spacy_llama_ner"
MOVED = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "README.md": "index.md"}
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)")
REGISTERED = re.compile(r"<!-- registered: (\w+) -->")
REMOTE = re.compile(
    r"<(?:script|img|iframe)[^>]+src=[\"']?(?:https?:)?//|<link[^>]+stylesheet[^>]+href=[\"']?(?:https?:)?//"
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in `docs/`."""
    pages = {site: (ROOT / repo).read_text(encoding="utf8") for repo, site in MOVED.items() if repo != "README.md"}
    for path in sorted((ROOT / "benchmarks").iterdir()):
        if path.suffix == ".md":
            pages[f"benchmarks/{path.name}"] = path.read_text(encoding="utf8")
        elif path.suffix == ".svg":
            files.append(File.generated(config, f"benchmarks/{path.name}", abs_src_path=str(path)))
    pages |= {"reference/cli.md": command_line()} | api_pages()
    for uri, content in pages.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    uri = page.file.src_uri
    here = posixpath.dirname(_repository_path(uri))

    def rewrite(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, match[1]))
        if not (ROOT / target).exists():
            return match[1]
        return posixpath.relpath(_site_path(target), posixpath.dirname(uri) or ".")

    return REGISTERED.sub(lambda match: registered(match[1]), LINK.sub(rewrite, markdown))


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that would load something from another server when it is opened."""
    if found := REMOTE.search(output):
        raise PluginError(f"{page.file.src_uri} loads from another server: {found[0]}")
    return output


def _repository_path(uri: str) -> str:
    if uri.startswith("benchmarks/"):
        return uri
    return next((repo for repo, site in MOVED.items() if site == uri and repo != "README.md"), f"docs/{uri}")


def _site_path(path: str) -> str:
    return MOVED.get(path, path.removeprefix("docs/"))


def command_line() -> str:
    """The command-line reference, as Markdown."""
    from spacy_llama_ner.cli.app import GROUPS, app

    commands: Any = typer.main.get_command(app)
    parts = [
        "# Command line",
        "The commands are a part of spaCy's own command line. `python -m spacy llama-ner` lists them, and "
        "`python -m spacy llama-ner COMMAND --help` says what stands here.",
    ]
    for group, names in GROUPS.items():
        parts.append(f"## {group}")
        for name in names:
            parts += command_page(name, commands.commands[name])
    return "\n\n".join(parts) + "\n"


def command_page(name: str, command: Any) -> list[str]:
    """Heading, usage, help and options of a command, each a paragraph of Markdown."""
    # Typer has click within it or beside it, depending on its version: what is asked of it is in both
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join([f"python -m spacy llama-ner {name}", *command.collect_usage_pieces(context)])
    usage = re.sub(r"\{([^}]+)\}", lambda match: match[1].upper(), usage).replace("......", "...")
    parts = [f"### {name}", f"```text\n{usage}\n```", *_paragraphs(command.help or "")]
    rows = [record for param in command.params if (record := param.get_help_record(context))]
    if rows:
        # in backticks, the backslash of \\| would be seen
        table = [f"| <code>{escape(flags).replace('|', '&#124;')}</code> | {_cell(help)} |" for flags, help in rows]
        parts.append("\n".join(["| argument or option | |", "| --- | --- |", *table]))
    return parts


def _cell(text: str) -> str:
    # brackets outside of code would be links
    pieces = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(piece if i % 2 else piece.replace("[", "\\[") for i, piece in enumerate(pieces))


def _paragraphs(help: str) -> Iterator[str]:
    for paragraph in help.split("\n\n"):
        text = "\n".join(line.strip() for line in paragraph.splitlines())
        # as click has it, lines behind a \b stay as they are
        kept = re.fullmatch(r"(?:\x08|\\b)\n(.*)", text, re.DOTALL)
        yield f"```text\n{kept[1]}\n```" if kept else text


def registered(group: str) -> str:
    """The functions that setup.cfg registers in a group of entry points, documented under their registered names."""
    setup = configparser.ConfigParser(delimiters="=")
    setup.read(ROOT / "setup.cfg", encoding="utf8")
    entries = dict(line.split(" = ") for line in setup["options.entry_points"].get(group, "").split("\n") if line)
    blocks = []
    for name, target in entries.items():
        options = [f"heading: {name}", f"toc_label: {name.removeprefix(f'{PACKAGE}.')}", "heading_level: 3"]
        options += ["members: false", "show_symbol_type_heading: false", "skip_local_inventory: true"]
        lines = [f"::: {target.replace(':', '.')}", "    options:", *(f"      {option}" for option in options)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def api_pages() -> dict[str, str]:
    """A page for each package but `cli`, and one that lists them."""
    pages, rows = {}, []
    for package in sorted((ROOT / PACKAGE).iterdir()):
        if not (package / "__init__.py").is_file() or package.name == "cli":
            continue
        modules = [path for path in sorted(package.rglob("*.py")) if not path.stem.startswith("_")]
        about = _docstring(package / "__init__.py")
        # summary first, then module by module
        names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules]
        table = [
            f"| [`{name.removeprefix(f'{PACKAGE}.')}`][{name}] | {_summary(path)} |"
            for name, path in zip(names, modules, strict=True)
        ]
        blocks = [f"::: {name}\n    options:\n      heading_level: 2" for name in names]
        text = [f"# {PACKAGE}.{package.name}", about, "\n".join(["| module | |", "| --- | --- |", *table]), *blocks]
        pages[f"reference/api/{package.name}.md"] = "\n\n".join(text) + "\n"
        rows.append(f"| [`{PACKAGE}.{package.name}`]({package.name}.md) | {_summary(package / '__init__.py')} |")
    intro = [
        "# Python API",
        "Made from the docstrings. What an app needs is in "
        f"[`{PACKAGE}.pipeline`](pipeline.md): the components, `add_adapter` and `export_adapter`; names that are "
        "used in configs are in [Components and registered functions](../components.md). The rest is for those who "
        "build on the parts.",
        "\n".join(["| package | |", "| --- | --- |", *rows]),
    ]
    return pages | {"reference/api/index.md": "\n\n".join(intro) + "\n"}


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf8"))) or ""


def _summary(path: Path) -> str:
    return " ".join(_docstring(path).split("\n\n")[0].split())

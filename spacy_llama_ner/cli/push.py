"""`python -m spacy llama-ner push`: a pipeline or an adapter to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option
from wasabi import msg

from .app import app

MAIN = "main"
# what a folder of each kind has
MARKS = {"pipeline": "meta.json", "adapter": "adapter_config.json"}
HIDDEN = [".*", "*/.*"]


class PushError(ValueError):
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

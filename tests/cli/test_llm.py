"""`annotate` and `generate`: replies become data, whatever happens, and no question is paid for twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.cli.train import train
from spacy.tokens import Doc

from spacy_llama_ner.cli import llm
from spacy_llama_ner.llm.runner import RetryPolicy
from tests.cli.helpers import fails, read_docs, succeeds
from tests.evaluate.sample import write_corpus
from tests.llm.bases import build_chat_llama
from tests.llm.server import CUT, GARBAGE, HANG, ScriptedServer
from tests.llm.writer import write_texts

TEXTS = [f"we met {name} at the mill, number {i}" for i in range(10) for name in ("Ida Holm", "Tomas", "nobody")]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that failed is repeated at once."""
    monkeypatch.setattr(llm, "RetryPolicy", partial(RetryPolicy, initial_wait=0.001))


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf8")
    return path


def on(server: ScriptedServer, model: str = "m") -> list[str]:
    """Options that ask a server for names."""
    return ["--labels", "NAME", "--base-url", server.url, "--model", model]


def ents(docs: list[Doc]) -> list[list[str]]:
    return [[ent.text for ent in doc.ents] for doc in docs]


def results(output: Path) -> dict[str, bytes]:
    """All files of a run but the log, in which the order of replies is by chance."""
    paths = [path for path in output.parent.glob(f"{output.name}*") if not path.name.endswith(".replies.jsonl")]
    return {path.name.removeprefix(output.name): path.read_bytes() for path in paths}


EXPECTED = [["Ida", "Holm"], ["Tomas"], []] * 10


def test_texts_become_a_corpus_a_report_and_a_log(texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "silver.spacy"
    with ScriptedServer() as server:
        said = succeeds("annotate", texts, output, *on(server), "--labels", "NAME,DATE")
    docs = read_docs(output)
    assert [doc.text for doc in docs] == TEXTS
    assert ents(docs) == EXPECTED
    assert all(token.ent_iob_ for doc in docs for token in doc), "every word is annotated"
    assert "30 replies to 30 questions" in said and "30 docs" in said
    report = srsly.read_json(tmp_path / "deep" / "silver.spacy.report.json")
    assert report["model"] == "m" and report["prompt"] == "brackets" and report["labels"] == ["NAME", "DATE"]
    assert (report["questions"], report["failed"], report["docs"], report["entities"]) == (30, 0, 30, {"NAME": 30})
    assert report["input_tokens"] > report["output_tokens"] == sum(len(text.split()) for text in TEXTS)
    assert sorted(path.name for path in output.parent.glob("[!.]*")) == [
        "silver.spacy",
        "silver.spacy.replies.jsonl",
        "silver.spacy.report.json",
    ]


def test_each_fault_is_got_over_or_recorded(texts: Path, tmp_path: Path) -> None:
    """Ten texts with a fault that passes, ten with one that stays."""
    kinds: list[Any] = [429, 500, HANG, CUT, GARBAGE, "", "{no marks}", "[Somebody](NAME) sang in another sentence."]
    faults = {f"Ida Holm at the mill, number {i}": [kind] for i, kind in enumerate(kinds)}
    faults |= {f"Tomas at the mill, number {i}": [kind] * 9 for i, kind in enumerate(kinds)}
    output = tmp_path / "silver.spacy"
    with ScriptedServer(faults=faults) as server:
        said = fails("annotate", texts, output, *on(server), "--timeout", 1.5, "--retries", 3)
    assert "8 of 30 questions got no usable reply" in said
    kept = [text for text in TEXTS if not any(part in text and len(turns) > 1 for part, turns in faults.items())]
    assert [doc.text for doc in read_docs(output)] == kept
    problems = list(srsly.read_jsonl(tmp_path / "silver.spacy.problems.jsonl"))
    assert [row["line"] for row in problems] == [2, 5, 8, 11, 14, 17, 20, 23]
    assert {row["problem"] for row in problems} == {"no usable reply"}
    reasons = [
        "HTTP 429",
        "HTTP 500",
        "time-out",
        "connection lost",
        "no chat",
        "empty reply",
        "another text",
        "another",
    ]
    assert all(row["detail"].startswith(reason) for row, reason in zip(problems, reasons, strict=True))
    report = srsly.read_json(tmp_path / "silver.spacy.report.json")
    assert report["failed"] == 8
    assert report["rejected_replies"] == {"another text": 2 * (1 + 3), "empty reply": 1 + 3}


def test_too_many_failures_are_an_error_and_few_are_not(texts: Path, tmp_path: Path) -> None:
    with ScriptedServer(faults={"Tomas at the mill, number 1": [500] * 9}) as server:
        succeeds("annotate", texts, tmp_path / "few.spacy", *on(server), "--retries", 1)
        said = fails("annotate", texts, tmp_path / "many.spacy", *on(server), "--retries", 1, "--max-failed", 0.01)
    assert "1 of 30 questions got no usable reply" in said
    assert len(read_docs(tmp_path / "few.spacy")) == len(read_docs(tmp_path / "many.spacy")) == 29


def test_a_second_run_asks_what_failed_and_nothing_else(texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "silver.spacy"
    with ScriptedServer(faults={"Tomas at the mill, number 1": [500] * 2}) as server:
        succeeds("annotate", texts, output, *on(server), "--retries", 1)
        assert len(server.bodies) == 31
        succeeds("annotate", texts, output, *on(server), "--retries", 1)
        assert len(server.bodies) == 32
    assert ents(read_docs(output)) == EXPECTED
    assert not (tmp_path / "silver.spacy.problems.jsonl").exists()


def test_another_prompt_or_model_is_asked_anew_with_the_same_log(texts: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ScriptedServer() as server:
        for model, prompt in (("m", "brackets"), ("m", "brackets-brief"), ("n", "brackets"), ("m", "brackets")):
            options = [*on(server, model), "--prompt", prompt, "--replies", log]
            succeeds("annotate", texts, tmp_path / "s.spacy", *options)
    assert len(server.bodies) == 90


def test_a_killed_run_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    source, output = tmp_path / "texts.jsonl", tmp_path / "silver.spacy"
    many = [f"{text}, part {i}" for i in range(10) for text in TEXTS]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in many), encoding="utf8")
    command = [sys.executable, "-m", "spacy", "llama-ner", "annotate", str(source), str(output)]
    command += ["--labels", "NAME", "--model", "m"]
    log = tmp_path / "silver.spacy.replies.jsonl"
    with ScriptedServer(delay=0.02) as server:
        command += ["--base-url", server.url]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(server.bodies) < 100 and running.poll() is None:
            time.sleep(0.005)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        assert not output.exists()
        whole = [line for line in log.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        assert 80 < len(whole) < len(many)
        # as it is when the power goes in the middle of a write
        with log.open("ab") as torn:
            torn.write(whole[0][:40])
        first = server.request_counts.copy()
        succeeds("annotate", source, output, *on(server))
        twice = [text for text, count in server.request_counts.items() if count > 1]
        assert len(many) - len(whole) == len(server.bodies) - first.total()
        # only what was under way when it was killed
        assert len(twice) == first.total() - len(whole) <= 8
        succeeds("annotate", source, tmp_path / "whole.spacy", *on(server))
    assert len(read_docs(output)) == len(many)
    assert results(output) == results(tmp_path / "whole.spacy")


def test_a_run_that_was_refused_goes_on_when_it_is_not(texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "silver.spacy"
    answered = iter(range(10))
    with ScriptedServer(
        refuse=lambda body: None if next(answered, None) is not None else (402, "no credit")
    ) as server:
        assert "no credit" in fails("annotate", texts, output, *on(server))
        assert not output.exists()
        answered = iter(range(100))
        before = server.request_counts.total()
        succeeds("annotate", texts, output, *on(server))
    assert server.request_counts.total() == before + 20
    assert ents(read_docs(output)) == EXPECTED


def test_words_of_tokenised_texts_stay_and_examples_are_shown(tmp_path: Path) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text('{"tokens": ["do", "n\'t", "ask", "Ida"]}\n{"id": 2}\n', encoding="utf8")
    gold = write_corpus(tmp_path / "gold.spacy")
    with ScriptedServer() as server:
        options = ["--examples", gold, "--shots", 2, "--choose", "fixed"]
        succeeds("annotate", source, tmp_path / "silver.spacy", *on(server), *options)
    (doc,) = read_docs(tmp_path / "silver.spacy")
    assert [token.text for token in doc] == ["do", "n't", "ask", "Ida"]
    assert ents([doc]) == [["Ida"]]
    said = [message["content"] for message in server.bodies[0]["messages"][1:]]
    assert sorted(said[:4]) == [
        "Call Ida Holm on Friday.",
        "Call [Ida Holm](NAME) on Friday.",
        "Wake Tomas at noon!",
        "Wake [Tomas](NAME) at noon!",
    ]
    (problem,) = srsly.read_jsonl(tmp_path / "silver.spacy.problems.jsonl")
    assert problem["line"] == 2 and problem["problem"] == "unusable record"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--labels", "NAME,name"], "differ in case alone"),
        (["--labels", "NAME", "--prompt", "nonsense"], "no prompt 'nonsense'"),
        (["--labels", "NAME", "--prompt", "none.jinja"], "none.jinja"),
        (["--labels", "none.cfg"], "none.cfg"),
        (["--labels", "texts.cfg"], "texts.cfg"),
        (["--labels", "NAME", "--lang", "qq"], "spaCy has no language 'qq'"),
        (["--labels", "NAME", "--prices", "none.yml"], "There is no price list none.yml"),
        (["--labels", "NAME", "--examples", "none.spacy"], "none.spacy"),
        (["--labels", "NAME", "--examples", "texts.txt"], "The corpus texts.txt cannot be read; is it whole?"),
        (["--labels", "NAME", "--examples", "gold.spacy", "--choose", "luck"], "by 'luck'"),
        (["--labels", "NAME", "--base-url", "localhost:1"], "does not begin with http"),
        (["--labels", "NAME", "--base-url", "http://127.0.0.1:1/v1"], "There is no server at http://127.0.0.1:1/v1"),
        (
            ["--labels", "NAME", "--replies", "texts.txt", "--base-url", "http://127.0.0.1:1/v1"],
            "does not begin like a log",
        ),
    ],
)
def test_what_does_not_fit_is_said_without_a_traceback(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.cfg").write_text("[labels\nNAME", encoding="utf8")
    write_corpus(tmp_path / "gold.spacy")
    before = texts.read_bytes()
    url = [] if "--base-url" in options else ["--base-url", "http://127.0.0.1:1/v1"]
    assert problem in fails("annotate", texts, tmp_path / "silver.spacy", "--model", "m", *url, *options)
    assert not (tmp_path / "silver.spacy").exists()
    assert texts.read_bytes() == before


@pytest.mark.parametrize(("name", "problem"), [("silver.json", "does not end in .spacy"), (".", "is a folder")])
def test_the_output_is_a_spacy_file(texts: Path, tmp_path: Path, name: str, problem: str) -> None:
    options = ["--labels", "NAME", "--model", "m", "--base-url", "http://127.0.0.1:1/v1"]
    assert problem in fails("annotate", texts, tmp_path / name, *options)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("none.txt", None, "There is no file"),
        ("texts.txt", b"Zo\xeb", "no usable text"),
        ("texts.jsonl", b'{"text": "Zo\xeb"}\n', "no usable text"),
        ("texts.parquet", b"PAR1 and nothing more", "texts.parquet"),
        ("texts.spacy", b"\x00\x01", "texts.spacy"),
        ("texts.odt", b"", "texts.odt"),
    ],
)
def test_texts_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with ScriptedServer() as server:
        assert problem in fails("annotate", tmp_path / name, tmp_path / "silver.spacy", *on(server))
    assert not server.bodies and not (tmp_path / "silver.spacy").exists()


def test_without_the_package_of_the_servers(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with ScriptedServer() as server:
        said = fails("annotate", texts, tmp_path / "silver.spacy", *on(server))
    assert 'pip install "spacy_llama_ner[llm]"' in said


FEW_TEXTS = "Mia called Omar.\nIt rained in Bern.\n"
POOL = [("Lena called Ida.", [("Lena", "NAME"), ("Ida", "NAME")]), ("Bern sleeps.", [("Bern", "PLACE")])]
PRICES = "currency: EUR\nmodels:\n  small: {input: 1000, output: 0}\n"


@pytest.fixture
def few_texts(tmp_path: Path) -> Path:
    (tmp_path / "texts.txt").write_text(FEW_TEXTS, encoding="utf8")
    (tmp_path / "prices.yml").write_text(PRICES, encoding="utf8")
    return tmp_path / "texts.txt"


def report(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.with_name(f"{output.name}.report.json").read_text(encoding="utf8"))
    return found


def test_a_base_in_process_is_asked_once(few_texts: Path, tmp_path: Path) -> None:
    """The tiny base writes nonsense, so nothing comes of it; but its replies are kept as all are."""
    base, output = build_chat_llama(tmp_path / "base"), tmp_path / "silver.spacy"
    args = [few_texts, output, "--labels", "NAME", "--base-url", "local", "--model", base, "--attempts", 1]
    fails("annotate", *args, "--max-tokens", 8)
    assert not output.exists()
    log = output.with_name("silver.spacy.replies.jsonl").read_bytes()
    assert log.count(b"\n") == 2
    fails("annotate", *args, "--max-tokens", 8)
    assert output.with_name("silver.spacy.replies.jsonl").read_bytes() == log


@pytest.mark.real
def test_the_default_base_answers_in_process(few_texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "silver.spacy"
    args = [few_texts, output, "--labels", "NAME,PLACE", "--base-url", "local", "--model", "smollm2-135m"]
    args += ["--examples", write_corpus(tmp_path / "pool.spacy", POOL), "--attempts", 1, "--max-failed", 1]
    succeeds("annotate", *args, "--max-tokens", 40)
    found = report(output)
    assert found["model"] == "smollm2-135m" and found["docs"] == 2
    files = {path.name: path.read_bytes() for path in tmp_path.glob("silver.spacy*")}
    (output.with_name("silver.spacy.replies.jsonl")).unlink()
    succeeds("annotate", *args, "--max-tokens", 40)
    again = {path.name: path.read_bytes() for path in tmp_path.glob("silver.spacy*")}
    assert again["silver.spacy"] == files["silver.spacy"]


@pytest.mark.parametrize(
    ("choose", "shown"),
    [("words", ["Lena called Ida.", "Bern sleeps."]), ("fixed", ["Bern sleeps.", "Bern sleeps."])],
)
def test_examples_are_chosen_as_it_is_said(choose: str, shown: list[str], few_texts: Path, tmp_path: Path) -> None:
    pool = write_corpus(tmp_path / "pool.spacy", POOL)
    with ScriptedServer() as server:
        options = ["--labels", "NAME,PLACE", "--concurrency", 1, "--examples", pool, "--shots", 1, "--choose", choose]
        succeeds("annotate", few_texts, tmp_path / "silver.spacy", *on(server), *options)
    assert [body["messages"][-3]["content"] for body in server.bodies] == shown


def test_with_prices_the_cost_is_told(few_texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "silver.spacy"
    with ScriptedServer() as server:
        succeeds("annotate", few_texts, output, *on(server, "small"), "--prices", tmp_path / "prices.yml")
    found = report(output)
    assert found["cost"] == pytest.approx(found["input_tokens"] / 1000) and found["cost"] > 0


def test_what_has_no_price_is_not_asked(few_texts: Path, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        options = [*on(server, "other"), "--prices", tmp_path / "prices.yml"]
        said = fails("annotate", few_texts, tmp_path / "silver.spacy", *options)
    assert "no price for the model 'other'; it lists small" in said
    assert not server.bodies


ROOT = Path(__file__).parent.parent.parent
GENERATE_LABELS = '[labels]\nGUEST = "who comes"\nCOOK = "who cooks"\nWAITER = null\n'


def write_recipe(folder: Path, **settings: object) -> Path:
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    path = folder / "recipe.cfg"
    path.write_text("\n".join([GENERATE_LABELS, "[generate]", *lines, ""]), encoding="utf8")
    return path


def generate(config: Path, output: Path, server: ScriptedServer) -> list[object]:
    """The arguments of the command."""
    return ["generate", config, output, "--model", "m", "--base-url", server.url]


def generate_results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.name != "replies.jsonl"}


def test_from_three_label_names_to_a_pipeline_in_three_commands(tiny_llama: Path, tmp_path: Path) -> None:
    folder, corpus = tmp_path / "orders", tmp_path / "corpus"
    with ScriptedServer(answer=write_texts) as server:
        said = succeeds(*generate(write_recipe(tmp_path, count=60), folder, server))
    assert "54 records to train, 6 for dev" in said

    succeeds("convert", folder / "train.json", folder / "dev.json", corpus)
    assert not list(corpus.glob("*.problems.jsonl"))

    overrides = {
        "paths.train": str(corpus / "train.spacy"),
        "paths.dev": str(corpus / "dev.spacy"),
        "components.llama_ner.model.tok2vec.base": str(tiny_llama),
        "components.llama_ner.model.tok2vec.attention": "bidirectional",
        "training.optimizer.learn_rate.total_steps": 30,
        "training.optimizer.learn_rate.warmup_steps": 2,
        "training.optimizer.learn_rate.initial_rate": 0.01,
        "training.eval_frequency": 15,
    }
    train(ROOT / "configs" / "requests.cfg", tmp_path / "training", overrides=overrides)
    nlp = spacy.load(tmp_path / "training" / "model-best")
    assert set(nlp.get_pipe("llama_ner").labels) == {"GUEST", "COOK", "WAITER"}
    assert nlp.meta["performance"]["ents_f"] > 0.3


def test_the_folder_tells_what_was_made_and_what_was_rejected(tmp_path: Path) -> None:
    def answer(said: str) -> str:
        texts = json.loads(write_texts(said))
        return json.dumps({"texts": ["No entity at all here.", *texts["texts"]]} if "texts" in texts else texts)

    folder = tmp_path / "orders"
    recipe = write_recipe(tmp_path, count=20, dev=0.2, negatives=0.0)
    with ScriptedServer(answer=answer) as server:
        succeeds(*generate(recipe, folder, server))
    assert [len(srsly.read_json(folder / name)) for name in ("train.json", "dev.json")] == [16, 4]
    rejects = list(srsly.read_jsonl(folder / "rejects.jsonl"))
    assert {row["reason"] for row in rejects} == {"no entity where some were asked for"}
    assert {row["record"] for row in rejects} == {"No entity at all here."}
    report = srsly.read_json(folder / "report.json")
    assert report["records"] == {"train": 16, "dev": 4}
    assert report["labels"] == {"GUEST": "who comes", "COOK": "who cooks", "WAITER": ""}
    assert len(report["topics"]) == 6
    assert report["rejects"] == {"no entity where some were asked for": len(rejects)}
    assert report["replies"] == len(server.bodies) == report["questions"]
    prompts = [body["messages"][-1]["content"] for body in server.bodies[1:]]
    assert len(set(prompts)) == len(prompts), "no two questions are the same"


def test_the_same_command_again_asks_nothing_and_writes_the_same(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, count=20)
    with ScriptedServer(answer=write_texts) as server:
        for _ in range(2):
            succeeds(*generate(recipe, tmp_path / "out", server))
            asked = len(server.bodies)
        # half the log, as after a kill
        log = tmp_path / "out" / "replies.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        whole = generate_results(tmp_path / "out")
        log.write_bytes(b"".join(lines[: len(lines) // 2]) + b"{torn")
        said = succeeds(*generate(recipe, tmp_path / "out", server))
    assert asked == len(lines)
    assert "1 lines of" in said
    assert len(server.bodies) == asked + len(lines) - len(lines) // 2
    assert generate_results(tmp_path / "out") == whole


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("I am sorry.", "No text came out: 0 were rejected, 6 questions got no usable reply"),
        ('{"texts": ["Ask [Ida](GUEST) to come."]}', "There are 1 records, not 16"),
    ],
)
def test_too_few_records_are_an_error(tmp_path: Path, answer: str, problem: str) -> None:
    recipe = write_recipe(tmp_path, count=16, negatives=0.0, topics=["lunch"])
    with ScriptedServer(answer=lambda said: answer) as server:
        assert problem in fails(*generate(recipe, tmp_path / "out", server), "--attempts", 1)
    assert (tmp_path / "out" / "rejects.jsonl").exists()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"count": -1}, "expected is a whole number"), ({"language": "qq"}, "spaCy has no language 'qq'")],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        assert problem in fails(*generate(write_recipe(tmp_path, **settings), tmp_path / "out", server))


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file"), (b"[labels\n", "cannot be read"), (b"Zo\xeb", "cannot be read"), (b"", "no section")],
)
def test_a_config_that_cannot_be_read(content: bytes | None, problem: str, tmp_path: Path) -> None:
    config = tmp_path / "broken.cfg"
    if content is not None:
        config.write_bytes(content)
    with ScriptedServer() as server:
        assert problem in fails(*generate(config, tmp_path / "out", server))


def test_questions_without_a_reply_are_listed_with_the_reason(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, count=20, topics=["a", "b"])
    with ScriptedServer(refuse=lambda body: (400, "context too long")) as server:
        said = fails(*generate(recipe, tmp_path / "out", server))
    assert "0 replies to" in said
    rows = list(srsly.read_jsonl(tmp_path / "out" / "rejects.jsonl"))
    assert rows and all("context too long" in row["detail"] for row in rows)
    assert srsly.read_json(tmp_path / "out" / "report.json")["failed"] == len(rows)


def test_no_dev_data_of_an_earlier_run_are_left(tmp_path: Path) -> None:
    with ScriptedServer(answer=write_texts) as server:
        for dev in (0.2, 0.0):
            recipe = write_recipe(tmp_path, count=20, dev=dev)
            succeeds(*generate(recipe, tmp_path / "out", server))
            assert (tmp_path / "out" / "dev.json").exists() == bool(dev)

"""What a budget buys."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llama_ner.active import make_bald
from spacy_llama_ner.active.acquisition import AcquisitionScore, Unit, labelling_cost, select_docs
from spacy_llama_ner.data.docs import unlabelled
from spacy_llama_ner.head import uncertainty
from tests.pipeline.samples import CORPUS, ents, make_examples, make_nlp, train

TEXTS = [
    "the boat to the island leaves at dawn",  # 8 words
    "who painted this wall",  # 4
    "a wall",  # 2
    "the boat to the island leaves at noon",  # 8, nearly the first one
    "rain",  # 1
    "",
]
VOCAB = Vocab()
DOCS = [Doc(VOCAB, words=text.split()) for text in TEXTS]
SCORES = [0.9, 0.5, 0.7, 0.8, 0.5, 1.0]


def chosen(budget: int, unit: Unit = "words", near: float | None = None, bought: tuple[int, ...] = ()) -> list[int]:
    return select_docs(DOCS, SCORES, budget=budget, unit=unit, near=near, bought=[DOCS[i] for i in bought])


def test_the_highest_scores_come_first_and_among_equals_the_first() -> None:
    assert chosen(100) == [0, 3, 2, 1, 4]
    assert chosen(3, "sentences") == [0, 3, 2]


@pytest.mark.parametrize("budget", range(1, 24))
def test_a_budget_of_words_is_kept(budget: int) -> None:
    assert 0 < sum(labelling_cost(DOCS[i], "words") for i in chosen(budget)) <= budget


def test_what_is_too_dear_is_passed_over_for_the_next() -> None:
    # the boat takes 8 of 11; of the 3 that are left, 2 go to the wall and 1 to the rain
    assert chosen(11) == [0, 2, 4]


def test_nothing_is_bought_twice() -> None:
    again = select_docs([*DOCS, *DOCS], SCORES * 2, budget=1000, unit="words", near=None)
    assert again == [0, 3, 2, 1, 4]
    assert chosen(100, bought=(0, 4)) == [3, 2, 1]


def test_near_duplicates_are_bought_once() -> None:
    assert chosen(100, near=0.7) == [0, 2, 1, 4]
    assert chosen(100, near=0.7, bought=(3,)) == [2, 1, 4]
    assert 3 in chosen(100, near=0.9)


def test_without_anything_that_fits_nothing_is_chosen() -> None:
    assert select_docs(DOCS[:2], SCORES[:2], budget=3, unit="words", near=None) == []
    assert select_docs([], [], budget=3, unit="words", near=0.8) == []
    assert chosen(0) == []


UNCERTAINTY_TEXTS = [text for text, _ in CORPUS] + ["", "Tell Mia Brook that the boat is late", "Omar"]
MEASURED = {
    "token_entropy": uncertainty.token_entropy,
    "mnlp": uncertainty.mnlp,
    "least_entity": uncertainty.least_entity,
    "margin": uncertainty.margin,
}


@pytest.fixture(scope="module")
def nlp(tiny_llama: object) -> Language:
    """A pipeline that is not sure of anything yet."""
    nlp = make_nlp(tiny_llama)  # type: ignore[arg-type]
    train(nlp, make_examples(nlp), steps=3)
    return nlp


def get(name: str, **settings: object) -> AcquisitionScore:
    return spacy.registry.misc.get(f"spacy_llama_ner.{name}.v1")(**settings)


def make_docs(nlp: Language) -> list[Doc]:
    return [nlp.make_doc(text) for text in UNCERTAINTY_TEXTS]


@pytest.mark.parametrize("name", MEASURED)
def test_scores_are_those_of_the_crf(nlp: Language, name: str) -> None:
    ner = nlp.get_pipe("llama_ner")
    docs = make_docs(nlp)
    found = get(name)(nlp, docs)
    emissions = ner.model.predict(make_docs(nlp))  # type: ignore[attr-defined]
    assert found == pytest.approx(uncertainty.measure_uncertainty(ner.model, emissions, MEASURED[name]), abs=1e-5)  # type: ignore[attr-defined]
    assert found[UNCERTAINTY_TEXTS.index("")] == 0
    assert len(set(found)) == len(UNCERTAINTY_TEXTS)


@pytest.mark.parametrize("name", [*MEASURED, "bald"])
def test_one_pass_gives_scores_and_entities(nlp: Language, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tok2vec = nlp.get_pipe("llama_ner").model.get_ref("tok2vec")  # type: ignore[attr-defined]
    read, forward = [], tok2vec._func
    monkeypatch.setattr(
        tok2vec, "_func", lambda model, docs, is_train: (read.extend(docs), forward(model, docs, is_train))[1]
    )
    docs = make_docs(nlp)
    get(name)(nlp, docs)
    assert len(read) == len(docs)
    assert [ents(doc) for doc in docs] == [ents(doc) for doc in nlp.pipe(map(unlabelled, docs))]


def test_disagreement_follows_from_its_seed_and_leaves_the_random_state_alone(nlp: Language) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, again, other = (get("bald", passes=3, seed=seed)(nlp, make_docs(nlp)) for seed in (1, 1, 2))
    assert first == again != other
    assert max(first) > 0 == first[UNCERTAINTY_TEXTS.index("")]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_pass_alone_cannot_disagree() -> None:
    for settings in ({"passes": 1}, {"dropout": 0.0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match="expected 2 passes or more"):
            make_bald(**settings)  # type: ignore[arg-type]


def test_random_scores_depend_on_words_and_seed_alone(nlp: Language) -> None:
    docs = make_docs(nlp)
    first = get("random", seed=1)(nlp, docs)
    assert get("random", seed=1)(nlp, docs[::-1]) == first[::-1]
    assert get("random", seed=2)(nlp, docs) != first
    assert 0 <= min(first) < max(first) <= 1


def test_a_sample_favours_what_scores_high(nlp: Language) -> None:
    docs = [nlp.make_doc(f"text number {number}") for number in range(400)]
    # a tenth of the docs has nine times the score of the others
    high = {doc.text for doc in docs[::10]}

    def score(nlp: Language, docs: Sequence[Doc]) -> list[float]:
        return [0.9 if doc.text in high else 0.1 for doc in docs]

    def share(power: float, seed: int = 0) -> float:
        found = get("sampled", score=score, power=power, seed=seed)(nlp, docs)
        first = sorted(range(len(docs)), key=lambda at: -found[at])[:40]
        return sum(docs[at].text in high for at in first) / len(first)

    blind, sampled, strict = (mean(share(power, seed) for seed in range(20)) for power in (0.0, 1.0, 100.0))
    assert blind == pytest.approx(0.1, abs=0.05)
    # half of all odds, until the best are taken
    assert 0.3 < sampled < 0.5
    assert strict == 1


def test_a_sample_depends_on_the_seed_and_on_what_is_left(nlp: Language) -> None:
    docs = make_docs(nlp)
    sampled = get("sampled", score=get("longest"), seed=1)
    assert sampled(nlp, docs) == sampled(nlp, docs)
    assert sampled(nlp, docs) != get("sampled", score=get("longest"), seed=2)(nlp, docs)
    assert sampled(nlp, docs)[0] != sampled(nlp, docs[:2])[0]
    with pytest.raises(ValueError, match="power = -1; expected 0 or more"):
        get("sampled", score=get("longest"), power=-1)


def test_the_longest_have_the_most_words(nlp: Language) -> None:
    docs = make_docs(nlp)
    assert get("longest")(nlp, docs) == [len(doc) for doc in docs]


def test_a_pipeline_without_the_component_is_refused() -> None:
    with pytest.raises(ValueError, match="works with one llama_ner component"):
        get("mnlp")(spacy.blank("en"), [])

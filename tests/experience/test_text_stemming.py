"""Porter's stemmer: his examples, and two other programs."""

import pytest

from peira.experience.porter import porter

EXAMPLES = {  # Porter (1980), the examples of the steps, after all steps
    "caresses": "caress", "ponies": "poni", "ties": "ti", "cats": "cat", "feed": "feed", "agreed": "agre",
    "plastered": "plaster", "bled": "bled", "motoring": "motor", "sing": "sing", "conflated": "conflat",
    "troubled": "troubl", "sized": "size", "hopping": "hop", "tanned": "tan", "falling": "fall", "hissing": "hiss",
    "fizzed": "fizz", "failing": "fail", "filing": "file", "happy": "happi", "sky": "sky", "relational": "relat",
    "conditional": "condit", "rational": "ration", "triplicate": "triplic", "formative": "form", "electrical": "electr",
    "hopeful": "hope", "goodness": "good", "revival": "reviv", "allowance": "allow", "adoption": "adopt",
    "probate": "probat", "rate": "rate", "cease": "ceas", "controll": "control", "roll": "roll",
    "generalizations": "gener", "oscillators": "oscil",
}  # fmt: skip


def test_the_examples_of_the_paper():
    assert {word: porter(word) for word in EXAMPLES} == EXAMPLES


def test_short_and_foreign_words_stay():
    assert [porter(word) for word in ("", "a", "by", "is", "été", "123", "日本")] == [
        "",
        "a",
        "by",
        "is",
        "été",
        "123",
        "日本",
    ]


def made_words(seed):
    import numpy as np

    rng = np.random.default_rng(seed)
    stems = ["", "tr", "hop", "abl", "rel", "sizz", "yell", "gener", "oyster", "log", "sky", "aa", "bb", "comply"]
    ends = ["ational", "tional", "bli", "logi", "iveness", "ed", "ing", "eed", "s", "sses", "ies", "ion", "sion", "y",
            "ement", "ment", "ent", "e", "ll", "icate", "able", "izer", "ou", "alism", ""]  # fmt: skip
    return {"".join(rng.choice(stems, 2)) + "".join(rng.choice(ends, rng.integers(1, 4))) for _ in range(3000)}


def test_every_step_agrees_with_nltk(seed):
    nltk = pytest.importorskip("nltk.stem.porter")
    other = nltk.PorterStemmer(mode="MARTIN_EXTENSIONS")
    assert [w for w in made_words(seed) if porter(w) != other.stem(w)] == []


def test_only_the_authors_three_changes_differ_from_snowball(seed):
    snowball = pytest.importorskip("snowballstemmer").stemmer("porter").stemWord
    assert [
        w for w in made_words(seed) if porter(w) != snowball(w) and not any(part in w for part in ("bl", "log"))
    ] == []

"""Vocabularies and byte pairs: brute force, the paper's own program, another library, and back again."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

import peira
from peira.core.errors import DataError
from peira.experience.byte_pair_merges import apply_merges, count_pairs, merge_pairs
from peira.experience.byte_pairs import BytePairEncoder
from peira.experience.sequences import Sequences
from peira.experience.text import Text
from peira.experience.text_runs import coded_runs, placed_runs
from peira.experience.vocabulary import Vocabulary

WRITTEN = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)


def merged_by_the_paper(words, counts, A, R):
    """Sennrich, Haddow & Birch (2016), Algorithm 1: count all pairs anew for each merge."""
    words, merges = [list(word) for word in words], []
    for r in range(R):
        seen = Counter()
        for word, n in zip(words, counts, strict=True):
            for pair in pairwise(word):
                seen[pair] += n
        if not seen:
            break
        best = max(seen, key=seen.__getitem__)
        merges.append((*best, seen[best]))
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [A + r]
                i += 1
    return merges, words


@pytest.mark.parametrize("trial", range(40))
def test_merges_are_those_of_the_paper_whatever_ties_there_are(seed, trial):
    rng = np.random.default_rng([seed, trial])
    A = int(rng.integers(1, 5))
    words = [rng.integers(0, A, rng.integers(1, 12)).tolist() for _ in range(rng.integers(1, 30))]
    counts = rng.integers(1, 4, len(words))
    expected, left = merged_by_the_paper(words, counts.tolist(), A, 40)
    flat, lengths = np.concatenate(words), np.array([len(word) for word in words])
    state = count_pairs(flat.astype(np.int32), lengths, counts.astype(np.int64))
    parts = [merge_pairs(state, A + done, 8, 1) for done in range(0, 40, 8)]
    merges, found = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert [(*pair, n) for pair, n in zip(merges.tolist(), found.tolist(), strict=True)] == [
        tuple(int(v) for v in merge) for merge in expected
    ]
    encoded = apply_merges(flat.astype(np.int64), lengths, merges, A)
    assert encoded.tolist() == [symbol for word in left for symbol in word]
    assert lengths.tolist() == [len(word) for word in left]


def test_merging_is_watched_and_may_be_cut_short(seed):
    text = ["".join(np.random.default_rng(seed).choice(list("abcdefgh "), 20_000))]
    whole = BytePairEncoder(n_merges=600).fit(text)
    assert whole.n_iter_ == 3 and whole.history_["count"] == sorted(whole.history_["count"], reverse=True)
    with peira.limiting(seconds=0):
        cut = BytePairEncoder(n_merges=600).fit(text)
    assert cut.stopped_ == "out of time" and len(cut.merges_) == 256
    assert cut.merges_.tolist() == whole.merges_[:256].tolist()
    assert cut.inverse_transform(cut.transform(text)) == text
    few = BytePairEncoder(n_merges=600).fit(["abab"])
    assert few.stopped_ == "no pair is frequent enough" and few.tokens_[256:].tolist() == ["ab"]
    assert len(BytePairEncoder(n_merges=0).fit(text).merges_) == 0


def test_the_toy_of_the_paper():
    pairs = BytePairEncoder(n_merges=5, alphabet="characters").fit(
        ["low " * 5 + "lower " * 2 + "newest " * 6 + "widest " * 3]
    )
    assert pairs.tokens_[-5:].tolist() == ["es", "est", "est</w>", "lo", "low"]
    assert pairs.inverse_transform(pairs.transform(["lowest  new", "lowest zoo"])) == ["lowest new", "lowest <unk>oo"]


@settings(max_examples=60)
@given(st.lists(WRITTEN, max_size=4), WRITTEN)
def test_bytes_lose_nothing_of_any_text(documents, other):
    pairs = BytePairEncoder(n_merges=30, min_count=1).fit([*documents, other])
    assert pairs.inverse_transform(pairs.transform([*documents, other])) == [*documents, other]
    strange = ["\u2028 x\u00a0\t\n  🙂é", other[::-1]]
    assert pairs.inverse_transform(pairs.transform(strange)) == strange


@settings(max_examples=60)
@given(st.lists(WRITTEN, min_size=1, max_size=4))
def test_codes_are_those_of_the_tokenizers_library(documents):
    pytest.importorskip("tokenizers")
    documents = ["".join(c for c in d if c.isprintable() or c in "\n\t") for d in documents]
    pairs = BytePairEncoder(n_merges=40, min_count=1).fit(["the then there other", "aaa aaaa aaaaa", "¼½", *documents])
    library = pairs.to_tokenizers()
    assert [codes.tolist() for codes in pairs.transform(documents)] == [library.encode(d).ids for d in documents]


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch):
    pairs = BytePairEncoder(n_merges=2).fit(["ababab"])
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(DataError, match=r"pip install 'peira\[text\]'"):
        pairs.to_tokenizers()
    with pytest.raises(DataError, match="alphabet='bytes'"):
        BytePairEncoder(n_merges=2, alphabet="characters").fit(["ababab"]).to_tokenizers()


def test_a_long_word_costs_no_square():
    pairs = BytePairEncoder(n_merges=20).fit(["abcabcabd" * 50_000])
    assert pairs.inverse_transform(pairs.transform(["abd" * 100_000])) == ["abd" * 100_000]


@pytest.mark.parametrize("method", [Vocabulary(), Vocabulary(unit="characters"), BytePairEncoder(n_merges=3)])
def test_empty_documents_are_empty_and_nothing_is_an_error(method):
    method.fit(["", "ab ab", ""])
    assert [len(codes) for codes in method.transform(["", "ab", ""])][::2] == [0, 0]
    assert len(method.fit([""]).transform(["never seen"])) == 1
    for nothing in ([], Text([])):
        with pytest.raises(DataError, match=r"0 sample|no document"):
            method.fit(nothing)
    with pytest.raises(DataError, match=r"numbers already|whole numbers or texts"):
        method.fit([[1, 2], [3]])
    with pytest.raises(NotFittedError):
        type(method)().transform(["a"])


def test_vocabulary_counts_like_a_counter(seed):
    rng = np.random.default_rng(seed)
    documents = [" ".join(f"w{k}" for k in rng.geometric(0.1, n)) for n in rng.integers(0, 50, 40)]
    counts = Counter(word for document in documents for word in document.split())
    expected = sorted((w for w, n in counts.items() if n >= 3), key=lambda w: (-counts[w], w))[:12]
    words = Vocabulary(min_count=3, max_size=12).fit(documents)
    assert words.tokens_.tolist() == ["<unk>", *expected]
    assert words.counts_[1:].tolist() == [counts[w] for w in expected]
    assert words.counts_.sum() == sum(counts.values())
    for document, codes in zip(documents, words.transform(documents), strict=True):
        assert codes.tolist() == [expected.index(w) + 1 if w in expected else 0 for w in document.split()]


def test_unknown_rare_and_never_seen_are_one():
    words = Vocabulary(min_count=2).fit(["a a b <unk>"])
    assert words.tokens_.tolist() == ["<unk>", "a"] and words.counts_.tolist() == [2, 2]
    assert words.transform(["a b zebra <unk>"])[0].tolist() == [1, 0, 0, 0]
    with pytest.raises(DataError, match="knows tokens 0 to 1; step 1 of document 0 is 2"):
        words.inverse_transform([[0, 2]])
    with pytest.raises(DataError, match="whole numbers"):
        words.inverse_transform([[0.5]])


def test_documents_their_words_and_sequences_of_words_are_one(seed):
    text = Text(["The cat, the CAT", "", "dogs"])
    by_text = Vocabulary().fit(text)
    for form in (
        text.documents.tolist(),
        text.documents,
        text.tokens("words"),
        [["The", "cat", ",", "the", "CAT"], [], ["dogs"]],
    ):
        other = Vocabulary().fit(form)
        assert other.tokens_.tolist() == by_text.tokens_.tolist() and other.counts_.tolist() == by_text.counts_.tolist()
        assert [c.tolist() for c in other.transform(form)] == [c.tolist() for c in by_text.transform(text)]
    assert Vocabulary(lowercase=True).fit(text).tokens_.tolist() == ["<unk>", "cat", "the", ",", "dogs"]
    assert Vocabulary(stem="porter").fit(text).tokens_.tolist() == ["<unk>", "cat", "the", ",", "dog"]


def test_subwords_of_a_text_are_symbols_that_models_take():
    text = Text(["the cat the cat", "the hat"])
    pairs = BytePairEncoder(n_merges=6).fit(text)
    parts = text.tokens("subwords", encoder=pairs)
    assert isinstance(parts, Sequences) and parts.symbolic and "".join(parts.values[:1]) in pairs.tokens_
    assert [p.tolist() for p in parts] == [pairs.tokens_[c].tolist() for c in pairs.transform(text)]
    letters = BytePairEncoder(n_merges=6).fit(text.tokens("characters"))
    assert letters.tokens_.tolist() == pairs.tokens_.tolist()
    with pytest.raises(DataError, match="pass the texts themselves"):
        BytePairEncoder().fit(text.tokens("words"))


@pytest.mark.parametrize(
    "method",
    [Vocabulary(min_count=2), BytePairEncoder(n_merges=9), BytePairEncoder(n_merges=9, alphabet="characters")],
    ids=["vocabulary", "bytes", "characters"],
)
def test_a_stored_tokeniser_comes_back(method, tmp_path):
    text = ["naïve naïve cats", "cats and dogs and cats 🙂"]
    back = peira.load(method.fit(text).save(tmp_path / "model"))
    assert [c.tolist() for c in back.transform(text)] == [c.tolist() for c in method.transform(text)]
    assert np.array_equal(
        back.inverse_transform(back.transform(text))[0], method.inverse_transform(method.transform(text))[0]
    )


@settings(max_examples=60)
@given(documents=st.lists(WRITTEN, min_size=1, max_size=6), n_known=st.integers(0, 4))
def test_runs_are_what_python_finds_between_spaces(documents, n_known):
    documents = [*documents, "a\u2003b\x85c " * 3, "é" * 205 + " z"]
    expected = [[run[i : i + 100] for run in doc.split() for i in range(0, len(run), 100)] for doc in documents]
    words, codes, lengths, cut = coded_runs(documents, 100)
    assert words == list(dict.fromkeys(word for row in expected for word in row))
    assert [words[k] for k in codes] == [word for row in expected for word in row]
    assert lengths.tolist() == [len(row) for row in expected] and cut >= 3
    known = sorted(words)[:n_known]
    found, sizes = placed_runs(known, documents, 100)
    place = {word: k for k, word in enumerate(known)}
    assert found.tolist() == [place.get(words[k], n_known) for k in codes] and sizes.tolist() == lengths.tolist()
    assert placed_runs(["no run"], documents, 100) is None and placed_runs(["a", "a"], documents, 100) is None


def test_tables_grow_with_the_words():
    words, codes, _, _ = coded_runs([" ".join(str(k % 9000) for k in range(12_000))], 100)
    assert words == [str(k) for k in range(9000)] and codes.tolist() == [k % 9000 for k in range(12_000)]

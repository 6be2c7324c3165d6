"""n-gram models: the trie holds the right counts, smoothing is the formula, and the same model answers every way."""

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

import peira
from peira.core import DataError, ParameterError
from peira.experience.sequences import Sequences
from peira.sequences import NGramModel
from peira.sequences.ngram_trie import count, without_gaps
from peira.sequences.smoothing import CONVENTIONAL, discounts

START = "<s>"


def texts(seed, letters="abc", N=30, T=9):
    """Words of a chain that likes some letters more than others, so that counts differ."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(len(letters)), len(letters))
    made = []
    for n in rng.integers(0, T, N):
        word = [int(rng.integers(len(letters)))]
        while len(word) < n:
            word.append(int(rng.choice(len(letters), p=share[word[-1]])))
        made.append("".join(letters[k] for k in word[:n]))
    return made


def grams(X, n, ends=True):
    """Every n-gram with its count; as tuples, opened by <s> and closed by ""."""
    found = Counter()
    for x in X:
        steps = [START, *x, ""] if ends else list(x)
        found.update(tuple(steps[t : t + n]) for t in range(len(steps) - n + 1))
    return found


class Spelled:
    """The formulas of Chen & Goodman with dictionaries, n-gram by n-gram."""

    def __init__(self, X, N, vocabulary, smoothing, alpha=1.0, discount=None):
        self.N, self.V, self.smoothing, self.alpha = N, len(vocabulary), smoothing, alpha
        raw = {n: grams(X, n) for n in range(1, N + 1)}
        unseen = [w for w in vocabulary if (w,) not in raw[1]]
        self.bottom = {w: float(w in unseen) if unseen == ["<unk>"] else 1 / self.V for w in vocabulary}
        self.c = {}
        for n in range(1, N + 1):
            counts = dict(raw[n])
            if smoothing == "kneser_ney" and n < N:
                before = Counter(g[1:] for g in raw[n + 1])
                counts = {g: c if g[0] == START else before[g] for g, c in raw[n].items()}
            self.c[n] = {g: c for g, c in counts.items() if g != (START,)}
        self.D = {}
        for n in self.c:
            estimated = discounts(np.array(list(self.c[n].values())))[0]
            self.D[n] = [0.0, *(estimated if discount is None else [discount] * 3)]
        self.after = defaultdict(dict)
        for n in self.c:
            for g, c in self.c[n].items():
                self.after[g[:-1]][g[-1]] = c

    def p(self, w, h):
        h = h[max(0, len(h) - self.N + 1) :]
        seen, shorter = self.after.get(h, {}), (lambda: self.p(w, h[1:]) if h else self.bottom[w])
        total = sum(seen.values())
        if self.smoothing == "additive":
            whole = len(h) == self.N - 1 or h[:1] == (START,)
            if not whole or not total + self.alpha:
                return 1 / self.V
            return (seen.get(w, 0) + self.alpha) / (total + self.alpha * self.V)
        if not total:
            return shorter()
        if self.smoothing == "interpolated":
            return (seen.get(w, 0) + len(seen) * shorter()) / (total + len(seen))
        D = self.D[len(h) + 1]
        gamma = sum(D[min(c, 3)] for c in seen.values()) / total
        own = seen.get(w, 0)
        return (own - D[min(own, 3)]) / total + gamma * shorter()


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_trie_holds_every_ngram_and_its_count(seed, order, weighted):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 7, 25)
    steps, w = rng.integers(0, 4, lengths.sum()), rng.uniform(0.5, 2.0, 25) if weighted else None
    steps[np.cumsum(lengths)[lengths > 0] - lengths[lengths > 0]] = 4  # each opens
    trie, counts = count(steps, lengths, 4, order, w)
    trie.check("test")
    expected = Counter()
    for i, part in enumerate(np.split(steps, np.cumsum(lengths)[:-1])):
        for n in range(1, order + 1):
            for t in range(len(part) - n + 1):
                expected[tuple(part[t : t + n].tolist())] += 1.0 if w is None else w[i]
    parents, found = trie.parents(), {}
    for node in range(1, len(trie.words)):
        gram, i = [], node
        while i:
            gram.insert(0, int(trie.words[i]))
            i = parents[i]
        suffix, i = [], int(trie.suffixes[node])
        while i:
            suffix.insert(0, int(trie.words[i]))
            i = parents[i]
        assert suffix == gram[1:]
        assert trie.opens()[node] == (gram[0] == 4)
        found[tuple(gram)] = counts[node]
    assert {g for g in found if len(g) > 1} == {g for g in expected if len(g) > 1}
    for gram, c in found.items():
        assert c == pytest.approx(expected[gram])
    assert counts[0] == pytest.approx(sum(c for g, c in expected.items() if len(g) == 1 and g != (4,)))


def test_sequences_are_cut_at_their_gaps():
    steps, lengths = np.array([0, -1, 1, 2, -1, -1, 3, 4]), np.array([1, 6, 1])
    kept, sizes, weights = without_gaps(steps, lengths, np.array([1.0, 2.0, 3.0]))
    assert kept.tolist() == [0, 1, 2, 3, 4] and sizes.tolist() == [1, 2, 1, 1] and weights.tolist() == [1, 2, 2, 3]
    assert without_gaps(np.array([-1, -1]), np.array([2]), None)[1].tolist() == []


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "options",
    [
        {"smoothing": "kneser_ney"},
        {"smoothing": "kneser_ney", "discount": 0.75},
        {"smoothing": "interpolated"},
        {"smoothing": "additive", "alpha": 0.3},
        {"smoothing": "additive", "alpha": 0.0},
    ],
)
def test_every_smoothing_is_its_formula(seed, order, options):
    X = texts(seed, N=60)
    model = NGramModel(order=order, **options).fit(X)
    spelled = Spelled(X, order, model.vocabulary_, **options)
    prefixes = [*X[:12], "", "c", "aaaa", "cbacba"]
    P = model.predict_dist(prefixes).probs
    for i, prefix in enumerate(prefixes):
        np.testing.assert_allclose(P[i].sum(), 1.0, rtol=1e-12)
        expected = [spelled.p(w, (START, *prefix)) for w in model.vocabulary_.tolist()]
        np.testing.assert_allclose(P[i], expected, rtol=1e-10, atol=1e-15)


def test_discounts_are_those_of_the_formula_or_conventional():
    D, known = discounts(np.repeat([1, 2, 3, 4, 9], [40, 15, 8, 5, 3]))
    Y = 40 / 70
    np.testing.assert_allclose(D, [1 - 2 * Y * 15 / 40, 2 - 3 * Y * 8 / 15, 3 - 4 * Y * 5 / 8])
    assert known
    for counts in ([], [1.0], [5, 6, 7], [1, 2, 4], [1] * 10 + [2] + [3] * 3 + [4]):
        D, known = discounts(np.array(counts, dtype=float))
        assert not known and D is CONVENTIONAL


def test_steps_add_up_and_follow_from_the_prefixes(seed):
    X = texts(seed)
    model = NGramModel(order=4).fit(X)
    steps = model.step_log_prob(X)
    np.testing.assert_allclose([s.sum() for s in steps], model.log_prob(X), rtol=1e-12)
    for x, logs in zip(X[:8], steps, strict=False):
        for t, log in enumerate(logs):
            after = x[t] if t < len(x) else ""
            np.testing.assert_allclose(model.predict_dist([x[:t]]).log_prob([after]), log, rtol=1e-9)
    H = -np.concatenate(steps).mean()
    assert model.perplexity(X) == pytest.approx(np.exp(H)) and model.bits_per_symbol(X) == pytest.approx(H / np.log(2))


@pytest.mark.parametrize("smoothing", ["additive", "interpolated", "kneser_ney"])
def test_all_sequences_of_all_lengths_sum_to_one(seed, smoothing):
    X = texts(seed, letters="ab", N=20, T=6)
    model = NGramModel(order=3, smoothing=smoothing, open_vocabulary=False).fit(X)
    L = 7
    total = 0.0
    for n in range(L + 1):
        sequences = ["".join(s) for s in itertools.product("ab", repeat=n)]
        logs = model.step_log_prob(sequences)
        total += sum(np.exp(s.sum()) for s in logs)
        if n == L:  # those that go on
            total += sum(np.exp(s[:-1].sum()) * (1 - np.exp(s[-1])) for s in logs)
    assert total == pytest.approx(1.0, rel=1e-10)


def test_pieces_of_text_have_no_ends(seed):
    text = "".join(texts(seed, N=60))
    model = NGramModel(order=3, ends=False).fit(text)
    assert "" not in model.vocabulary_ and model.end_ == -1
    assert len(model.step_log_prob([text])[0]) == len(text)
    # what was seen does not depend on where the text was begun
    tail = model.step_log_prob([text[5:]])[0][2:]
    np.testing.assert_allclose(tail, model.step_log_prob([text])[0][7:], rtol=1e-12)
    assert len(model.sample(1, length=25, random_state=0)[0]) == 25


def test_words_in_any_form_are_the_same_words(seed):
    lists = [list(x) for x in texts(seed, N=20)]
    numbers = [["abc".index(s) for s in x] for x in lists]
    one, two, three = (
        NGramModel(order=3).fit(X) for X in (lists, Sequences.from_list(["".join(x) for x in lists]), numbers)
    )
    np.testing.assert_array_equal(one.log_prob(lists), two.log_prob(["".join(x) for x in lists]))
    np.testing.assert_array_equal(one.log_prob(lists), three.log_prob(numbers))
    assert three.vocabulary_.tolist() == [0, 1, 2, 4, 3]
    assert three.predict_dist([[0]]).labels.tolist() == [0, 1, 2, 4, 3]
    assert [len(d) for d in three.sample(3, random_state=seed)] == [len(d) for d in one.sample(3, random_state=seed)]


@pytest.mark.parametrize("X", [[["a", 1]], [["a", ["b"]]], [["a", None]], [["a"], [2]], [["a", 1.5]]])
def test_what_is_no_word_is_refused(X):
    with pytest.raises(DataError):
        NGramModel().fit(X)
    with pytest.raises(DataError):
        NGramModel().fit([["a", "b"]]).log_prob(X)


def test_rare_and_unknown_words_are_one_word():
    X = [["the", "cat", "sat"], ["the", "dog", "sat"], ["the", "cat", "ran"]]
    model = NGramModel(order=2, min_count=2).fit(X)
    assert model.symbols_.tolist() == ["cat", "sat", "the"] and model.vocabulary_.tolist()[3:] == ["<unk>", ""]
    same = NGramModel(order=2).fit([[w if w in ("cat", "sat", "the") else "<unk>" for w in x] for x in X])
    assert same.symbols_.tolist() == ["<unk>", "cat", "sat", "the"] and same.unknown_ == 0
    asked = [["the", "emu", "sat"], ["emu"]]
    np.testing.assert_allclose(model.log_prob(asked), same.log_prob(asked), rtol=1e-12)
    np.testing.assert_allclose(model.log_prob([["dog"]]), model.log_prob([["<unk>"]]))
    closed = NGramModel(order=2, open_vocabulary=False).fit(X)
    with pytest.raises(DataError, match="'emu'"):
        closed.log_prob(asked)
    with pytest.raises(ParameterError, match="closed vocabulary"):
        NGramModel(min_count=2, open_vocabulary=False).fit(X)
    with pytest.raises(DataError, match="no word"):
        NGramModel(min_count=9).fit(X)


def test_declared_words_need_not_be_seen():
    model = NGramModel(order=2).fit(["abab"], symbols=list("abcd"))
    assert model.vocabulary_.tolist() == ["a", "b", "c", "d", ""] and model.unknown_ == -1
    P = model.predict_dist(["a"]).probs[0]
    assert P[2] == P[3] > 0
    with pytest.raises(DataError, match="'e'"):
        model.log_prob(["e"])
    words = NGramModel(order=2).fit([["so", "it", "is"]], symbols=["is", "it", "not", "so"])
    assert words.symbols_.tolist() == ["is", "it", "not", "so"]
    with pytest.raises(DataError, match="has not seen"):
        NGramModel().fit(["abc"], symbols=["a", "b"])


@pytest.mark.parametrize("smoothing", ["additive", "interpolated", "kneser_ney"])
def test_weights_are_repetition(seed, smoothing):
    X = texts(seed, N=15)
    w = np.random.default_rng(seed).integers(0, 4, len(X))
    weighted = NGramModel(order=3, smoothing=smoothing).fit(X, sample_weight=w)
    repeated = NGramModel(order=3, smoothing=smoothing).fit([x for x, k in zip(X, w, strict=True) for _ in range(k)])
    assert weighted.symbols_.tolist() == repeated.symbols_.tolist()
    np.testing.assert_allclose(weighted.log_prob(X), repeated.log_prob(X), rtol=1e-10)


def test_kneser_ney_refuses_parts_of_counts():
    with pytest.raises(DataError, match="whole numbers"):
        NGramModel().fit(["ab", "ba"], sample_weight=[0.5, 1.0])
    NGramModel(smoothing="interpolated").fit(["ab", "ba"], sample_weight=[0.5, 1.0])


def test_what_is_drawn_has_the_frequencies_of_the_model(seed):
    model = NGramModel(order=3, open_vocabulary=False).fit(texts(seed, N=80))
    n = 20_000
    drawn = model.sample(n, given="ab", length=1, random_state=seed)
    P = dict(zip(model.vocabulary_.tolist(), model.predict_dist(["ab"]).probs[0], strict=True))
    found = Counter(drawn)
    for w, p in P.items():
        assert abs(found[w] - n * p) <= 5 * np.sqrt(n * p) + 1, w
    lengths = [len(x) for x in model.sample(4000, random_state=seed)]
    assert max(lengths) <= 200
    whole = model.sample(4000, random_state=seed + 1)
    empty = np.exp(model.log_prob([""]))[0]
    assert abs(sum(x == "" for x in whole) / 4000 - empty) <= 5 * np.sqrt(empty / 4000)


def test_unknown_words_are_drawn_only_if_there_were_any():
    seen = NGramModel(order=1, min_count=2).fit([["a", "a", "b", "c", "d"]])
    assert any("<unk>" in x for x in seen.sample(50, random_state=0))
    assert not any("<unk>" in x for x in NGramModel(order=1).fit([["a", "bb"]]).sample(200, random_state=0))


def test_cold_and_narrow_drawing_takes_the_likeliest(seed):
    model = NGramModel(order=3).fit(texts(seed, N=50))
    likeliest, prefix = "", ""
    for _ in range(6):
        likeliest += (w := model.predict_dist([prefix]).mode()[0])
        prefix += w
        if not w:
            break
    assert model.sample(2, length=6, top_k=1, random_state=seed) == [likeliest] * 2
    for cold in model.sample(2, length=6, temperature=1e-3, random_state=seed):
        P = model.predict_dist([cold[:t] for t in range(len(cold))]).probs
        assert all(p[model.vocabulary_ == w] > 0.97 * p.max() for p, w in zip(P, cold, strict=True)), "or nearly so"
    assert model.sample(3, length=6, random_state=seed) == model.sample(3, length=6, random_state=seed)
    for wrong in ({"temperature": 0.0}, {"top_k": 0}, {"length": 0}, {"n": 0}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            model.sample(**wrong)
    with pytest.raises(DataError, match="has not seen|not seen"):
        NGramModel(open_vocabulary=False).fit(["ab"]).sample(given="z")


def read_arpa(path):
    """Probabilities and weights of backing off by n-gram, natural logarithms."""
    p, gamma, n = {}, {}, 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.endswith("-grams:"):
            n = int(line[1])
        elif n and line and line != "\\end\\":
            parts = line.split("\t")
            words = tuple(parts[1].split(" "))
            assert len(words) == n
            p[words] = float(parts[0]) * np.log(10)
            gamma[words] = float(parts[2]) * np.log(10) if len(parts) > 2 else 0.0
    return p, gamma


@pytest.mark.parametrize("smoothing", ["additive", "interpolated", "kneser_ney"])
def test_arpa_text_holds_the_same_model(seed, tmp_path, smoothing):
    X = [list(x) for x in texts(seed)]
    model = NGramModel(order=3, smoothing=smoothing).fit(X)
    p, gamma = read_arpa(model.write_arpa(tmp_path / "model.arpa"))

    def log(w, h):
        h = h[-2:]
        return p[(*h, w)] if (*h, w) in p else gamma.get(h, 0.0) + log(w, h[1:])

    for x in [*X[:10], list("ccab"), list("az")]:
        words = [w if (w,) in p else "<unk>" for w in x]
        total = sum(log(w, ("<s>", *words[:t])) for t, w in enumerate([*words, "</s>"]))
        np.testing.assert_allclose(model.log_prob([x]), [total], rtol=1e-5)
    with pytest.raises(FileExistsError):
        model.write_arpa(tmp_path / "model.arpa")


def test_arpa_text_names_blanks_and_refuses_two_words_of_one_name(tmp_path):
    path = NGramModel(order=2, ends=False).fit("a b\nc").write_arpa(tmp_path / "m.arpa")
    p, _ = read_arpa(path)
    assert ("a", "<U+0020>") in p and ("<U+000A>", "c") in p and p[("</s>",)] < -200
    with pytest.raises(DataError, match="<U\\+0020>"):
        NGramModel(order=2).fit([[" ", "<U+0020>"]]).write_arpa(tmp_path / "n.arpa")
    with pytest.raises(DataError, match="<s>"):
        NGramModel(order=2).fit([["<s>", "a"]]).write_arpa(tmp_path / "o.arpa")


def test_kenlm_agrees(seed, tmp_path):
    kenlm = pytest.importorskip("kenlm", reason="kenlm reads the ARPA text; it is not installed")
    X = [list(x) for x in texts(seed, N=80)]
    model = NGramModel(order=4).fit(X)
    peer = kenlm.Model(str(model.write_arpa(tmp_path / "model.arpa")))
    asked = [*X[:20], list("abz"), []]
    theirs = [peer.score(" ".join(x)) * np.log(10) for x in asked]
    np.testing.assert_allclose(model.log_prob(asked), theirs, rtol=2e-5, atol=1e-5)


def test_a_new_word_gets_what_the_discounts_leave():
    lines = [["the", "cat", "sat"], ["the", "dog", "ran"], ["a", "cat", "ran"]]
    p = NGramModel(order=1, smoothing="interpolated").fit(lines).predict_dist([[]]).probs[0]
    np.testing.assert_allclose(p[-2], 7 / (12 + 7))  # Witten & Bell: 7 different words and ends among 12
    assert (p > 0).all()


@pytest.mark.parametrize("X", [[""], ["a"], ["", ""], ["ab", ""], "a", [["a"]], [[0]]])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_next_to_nothing_is_learned_from(X, order, tmp_path):
    if X in ([""], ["", ""]):
        with pytest.raises(DataError, match="no word"):
            NGramModel(order=order).fit(X)
        return
    model = NGramModel(order=order).fit(X)
    asked = [[], X[0]] if isinstance(X, list) else ["", X]
    asked[0] = type(asked[1])()
    assert np.isfinite(model.log_prob(asked)).all()
    np.testing.assert_allclose(model.predict_dist(asked).probs.sum(1), 1.0)
    back = peira.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(back.log_prob(asked), model.log_prob(asked))


def test_many_sequences_of_different_lengths(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 9, 100_000)
    X = Sequences(rng.integers(0, 5, lengths.sum()), lengths)
    model = NGramModel(order=3).fit(X)
    logs = model.log_prob(X)
    assert logs.shape == (100_000,) and np.isfinite(logs).all()
    assert model.perplexity(X) == pytest.approx(np.exp(-logs.sum() / (lengths + 1).sum()))
    np.testing.assert_array_equal(model.log_prob(X[30_001:]), logs[30_001:])  # wherever the blocks of a walk end

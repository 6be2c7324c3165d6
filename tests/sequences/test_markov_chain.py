"""Markov chains: transitions are counts, and every closed form agrees with what it means."""

import itertools
import math

import numpy as np
import pytest

import peira
from peira.core import DataError, ParameterError
from peira.sequences import MarkovChain
from peira.sequences.chain_analysis import classes, hitting, mixing_time, stationary


def matrix(seed, K, zeros=0.0):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(K), K) * (rng.uniform(size=(K, K)) >= zeros)
    P[np.arange(K), rng.integers(0, K, K)] += 0.05
    return P / P.sum(1, keepdims=True)


def texts(seed, letters="abc", N=20):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(letters), n, p=[0.6, 0.3, 0.1][: len(letters)])) for n in rng.integers(1, 12, N)]


# ------------------------------------------------------------------ learning


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_transitions_are_counts(seed, order, alpha):
    X = texts(seed)
    chain = MarkovChain(order, alpha=alpha).fit(X)
    assert chain.symbols_.tolist() == ["a", "b", "c"]
    first = np.array([sum(x[0] == s for x in X) for s in "abc"])
    np.testing.assert_allclose(chain.startprob_, (first + alpha) / (len(X) + 3 * alpha))
    assert chain.transmat_.shape == (3**order, 3)
    for row, context in zip(chain.transmat_, itertools.product("abc", repeat=order), strict=True):
        h = "".join(context)
        n = np.array([sum(x[t : t + order + 1] == h + s for x in X for t in range(len(x))) for s in "abc"])
        total = n.sum() + 3 * alpha
        np.testing.assert_allclose(row, (n + alpha) / total if total else np.full(3, 1 / 3), atol=1e-14)


@pytest.mark.parametrize("smoothing", ["additive", "interpolated", "kneser_ney"])
@pytest.mark.parametrize("order", [1, 2])
def test_densities_of_one_length_sum_to_one(seed, order, smoothing):
    chain = MarkovChain(order, smoothing=smoothing).fit(texts(seed))
    for T in (1, 2, 4):
        X = ["".join(x) for x in itertools.product("abc", repeat=T)]
        assert np.exp(chain.log_prob(X)).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(chain.transmat_.sum(1), 1.0)


def test_a_likelihood_is_the_product_of_its_transitions(seed):
    X = texts(seed)
    chain = MarkovChain(alpha=0.5).fit(X)
    P, start = chain.transmat_, chain.startprob_
    for x, log in zip(X, chain.log_prob(X), strict=True):
        codes = ["abc".index(s) for s in x]
        expected = start[codes[0]] * math.prod(P[a, b] for a, b in itertools.pairwise(codes))
        assert log == pytest.approx(math.log(expected))


def test_maximum_likelihood_is_a_maximum(seed):
    X = texts(seed)
    best = MarkovChain(alpha=0.0).fit(X).score(X)
    assert all(MarkovChain(alpha=a).fit(X).score(X) < best for a in (0.1, 1.0, 10.0))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_missing_steps_are_summed_over(seed, order):
    chain = MarkovChain(order, alpha=0.3).fit([["abc".index(s) for s in x] for x in texts(seed)])
    for pattern in ([0, None, 1], [None], [None, None, 0], [0, 1, None], [0, None, None, 1, 2, None, 0], [None] * 4):
        total = 0.0
        for filling in itertools.product(range(3), repeat=pattern.count(None)):
            rest = iter(filling)
            total += np.exp(chain.log_prob([[next(rest) if s is None else s for s in pattern]]))[0]
        whole = [0, 1, 2, 0, 1]
        logs = chain.log_prob([whole, pattern, whole, pattern])
        np.testing.assert_allclose(np.exp(logs[[1, 3]]), total, rtol=1e-10)
        np.testing.assert_allclose(logs[[0, 2]], chain.log_prob([whole])[0], rtol=1e-14)


def test_missing_steps_interrupt_the_counts():
    gapped = MarkovChain(alpha=0.0).fit([["a", "b", None, "b", "a", "a"], [None, "a", "b"]])
    np.testing.assert_allclose(gapped.transmat_, [[1 / 3, 2 / 3], [1.0, 0.0]])
    np.testing.assert_allclose(gapped.startprob_, [1.0, 0.0])
    with pytest.raises(DataError, match="missing"):
        gapped.sample(given=["a", None])
    certain = MarkovChain.of([[0.0, 1.0], [1.0, 0.0]], ["a", "b"], [1.0, 0.0])
    assert certain.log_prob([["a", None, "a"], ["a", None, "b"], ["b", None, None]]).tolist() == [
        0.0,
        -math.inf,
        -math.inf,
    ]


def test_weights_count(seed):
    X, w = texts(seed), np.random.default_rng(seed).uniform(0.0, 2.0, 20)
    chain = MarkovChain(alpha=0.0).fit(X, sample_weight=w)
    n = np.zeros((3, 3))
    for x, share in zip(X, w, strict=True):
        for a, b in itertools.pairwise(x):
            n["abc".index(a), "abc".index(b)] += share
    np.testing.assert_allclose(chain.transmat_, n / n.sum(1, keepdims=True))


@pytest.mark.parametrize("smoothing", ["additive", "interpolated", "kneser_ney"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_parts_are_learned_as_one_whole(seed, order, smoothing, tmp_path):
    """Symbols are added as they come, gaps interrupt, weights count, and it does not matter what comes first."""
    rng = np.random.default_rng(seed)
    X = [[None if rng.random() < 0.05 and t else s for t, s in enumerate(x)] for x in texts(seed, "bcd") + texts(seed)]
    w = rng.integers(1, 4, len(X)).astype(float)
    whole = MarkovChain(order, smoothing=smoothing).fit(X, sample_weight=w)
    for cuts in ([1, 20], [20, 21, 30], []):
        rows = rng.permutation(len(X)) if cuts else np.arange(len(X))
        chain = MarkovChain(order, smoothing=smoothing)
        for part in np.split(rows, cuts):
            assert chain.partial_fit([X[i] for i in part], sample_weight=w[part]) is chain
            chain = peira.load(chain.save(tmp_path / "chain"))
        assert chain.symbols_.tolist() == list("abcd")
        np.testing.assert_array_equal(chain.counts_, whole.counts_)
        for name, nodes in whole.trie_.items():
            np.testing.assert_allclose(chain.trie_[name], nodes, rtol=1e-12)
        assert vars(chain.fit(["ab"])).keys() == vars(whole).keys() and chain.counts_[0] == 2


def test_parts_that_do_not_fit_are_refused_and_change_nothing(seed):
    chain = MarkovChain().fit(texts(seed))
    before = chain.transmat_
    for X, settings, words in (
        ([[0, 1]], {}, "texts and numbers"),
        (["ab"], {"order": 2}, "order=1"),
        ([], {"order": 1}, "sequence"),
    ):
        with pytest.raises(ValueError, match=words):
            chain.set_params(**settings).partial_fit(X)
        np.testing.assert_array_equal(chain.transmat_, before)
    with pytest.raises(DataError, match="no counts"):
        MarkovChain.of(np.eye(2)).partial_fit([[0, 1]])


def test_the_order_is_found(seed):
    rng = np.random.default_rng(seed)
    P = np.array([[0.9, 0.3], [0.5, 0.1]])  # of a one, after each pair
    x = [0, 1]
    for _ in range(4000):
        x.append(int(rng.uniform() < P[x[-2], x[-1]]))
    bic = {m: MarkovChain(m, alpha=0.0).fit(x).bic(x) for m in (1, 2, 3, 4)}
    assert min(bic, key=bic.get) == 2
    chain = MarkovChain(2, alpha=0.0).fit(x)
    p = 1 + 2 + 4
    assert chain.aic(x) == pytest.approx(-2 * chain.log_prob(x)[0] + 2 * p)


def test_what_is_drawn_has_the_transitions(seed):
    P = matrix(seed, 4)
    chain = MarkovChain.of(P, startprob=[0.5, 0.5, 0.0, 0.0])
    drawn = np.array(chain.sample(2000, length=30, random_state=seed))
    assert drawn.shape == (2000, 30) and set(drawn[:, 0]) <= {0, 1}
    learned = MarkovChain(alpha=0.0).fit(drawn.tolist())
    n = np.bincount(drawn[:, :-1].ravel(), minlength=4)[:, None]
    assert (np.abs(learned.transmat_ - P) <= 5 * np.sqrt(P * (1 - P) / n) + 1e-12).all()
    on = np.array(chain.sample(4000, given=[0, 2], length=1, random_state=seed))[:, 0]
    assert (np.abs(np.bincount(on, minlength=4) / 4000 - P[2]) <= 5 * np.sqrt(P[2] / 4000)).all()
    assert MarkovChain().fit(["abab"]).sample(1, length=3, random_state=0)[0] in {"aaa"} | {
        "".join(s) for s in itertools.product("ab", repeat=3)
    }
    for wrong in ({"length": 0}, {"n": 1.5}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            chain.sample(**wrong)


# ------------------------------------------------------------------ what it implies


@pytest.mark.parametrize("K", [1, 2, 3, 6])
def test_the_stationary_distribution_stays(seed, K):
    P = matrix(seed, K)
    pi = MarkovChain.of(P).stationary()
    np.testing.assert_allclose(pi @ P, pi, rtol=1e-12)
    assert pi.sum() == pytest.approx(1.0)


def test_rare_states_have_all_their_digits():
    e = 1e-12
    P = np.array([[1 - e, e, 0], [0.5, 0.5 - e, e], [0, 1, 0]])
    pi = MarkovChain.of(P / P.sum(1, keepdims=True)).stationary()
    expected = np.array([1, 2 * e, 2 * e * e])  # detailed balance, as it is a chain of births and deaths
    np.testing.assert_allclose(pi, expected / expected.sum(), rtol=1e-11)


@pytest.mark.parametrize("zeros", [0.5, 0.75, 0.9])
def test_classes_and_periods_are_those_of_the_powers(seed, zeros):
    K = 6
    P = matrix(seed + int(100 * zeros), K, zeros)
    powers = [np.eye(K) > 0]
    for _ in range(K * K):
        powers.append((powers[-1].astype(float) @ P) > 0)
    reach = np.logical_or.reduce(powers)
    both = reach & reach.T
    found = classes(P)
    assert sorted(i for c in found for i in c.states) == list(range(K))
    for c in found:
        i = c.states[0]
        assert list(c.states) == np.flatnonzero(both[i]).tolist()
        assert c.recurrent == (not (reach[i] & ~both[i]).any())
        assert c.period == math.gcd(*(t for t in range(1, K * K + 1) if powers[t][i, i]))
    pis = stationary(P)
    assert len(pis) == sum(c.recurrent for c in found)
    np.testing.assert_allclose(pis @ P, pis, atol=1e-14)


@pytest.mark.parametrize("p", [0.5, 0.4])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_gambler_is_ruined_as_in_the_closed_form(p, n):
    K = n + 1
    P = np.zeros((K + 1, K + 1))
    P[0, 0] = P[K, K] = 1.0
    for i in range(1, K):
        P[i, i + 1], P[i, i - 1] = p, 1 - p
    chain, i = MarkovChain.of(P), np.arange(1, K)
    r = (1 - p) / p
    win = i / K if p == 0.5 else (1 - r**i) / (1 - r**K)
    steps = i * (K - i) if p == 0.5 else (i - K * win) / (1 - 2 * p)
    left = chain.absorption()
    assert left.transient.tolist() == i.tolist() and [c.absorbing for c in left.classes] == [True, True]
    np.testing.assert_allclose(left.probabilities, np.stack([1 - win, win], 1), atol=1e-12)
    np.testing.assert_allclose(left.steps, steps)
    np.testing.assert_allclose(chain.hitting_probabilities([K])[i], win, atol=1e-12)
    np.testing.assert_allclose(chain.hitting_times([0, K])[i], steps)
    assert (chain.hitting_times([K])[:K] == np.inf).all()
    with pytest.raises(DataError, match="2 classes"):
        chain.stationary()
    with pytest.raises(DataError, match="irreducible"):
        chain.first_passages()


def test_visits_steps_and_their_variance_are_sums_over_time(seed):
    P = matrix(seed, 5)
    P[4] = [0, 0, 0, 0, 1]
    left = MarkovChain.of(P).absorption()
    Q, power, visits, mean, square = P[:4, :4], np.eye(4), np.zeros((4, 4)), np.zeros(4), np.zeros(4)
    for t in range(4000):
        visits += power
        gone = power @ P[:4, 4]  # at step t + 1
        mean += (t + 1) * gone
        square += (t + 1) ** 2 * gone
        power = power @ Q
    np.testing.assert_allclose(left.visits, visits, rtol=1e-8)
    np.testing.assert_allclose(left.steps, mean, rtol=1e-8)
    np.testing.assert_allclose(left.variance, square - mean**2, rtol=1e-6)


def test_without_transient_states_nothing_is_absorbed():
    left = MarkovChain.of(np.eye(2)).absorption()
    assert left.steps.shape == (0,) and left.probabilities.shape == (0, 2) and len(left.classes) == 2


@pytest.mark.parametrize("K", [1, 2, 3, 6])
def test_first_passages_are_hitting_times(seed, K):
    chain = MarkovChain.of(P := matrix(seed, K))
    M, pi = chain.first_passages(), chain.stationary()
    for j in range(K):
        others = np.arange(K) != j
        h = chain.hitting_times([j])
        np.testing.assert_allclose(M[others, j], h[others])
        np.testing.assert_allclose(M[j, j], 1 + P[j] @ h)  # the first step, and then to it
    kemeny = (M * pi).sum(1)
    np.testing.assert_allclose(kemeny, kemeny[0])


def test_a_way_that_may_miss_takes_for_ever():
    #      0 <-> 1 -> 2 (absorbing), 1 -> 3 (absorbing), 4 -> 3
    P = np.array([[0, 1, 0, 0, 0], [0.5, 0, 0.25, 0.25, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 0]])
    reach, steps = hitting(P, np.array([2]))
    np.testing.assert_allclose(reach, [0.5, 0.5, 1, 0, 0])
    assert steps.tolist() == [np.inf, np.inf, 0, np.inf, np.inf]
    reach, steps = hitting(P, np.array([2, 3]))
    np.testing.assert_allclose(reach, 1.0)
    np.testing.assert_allclose(steps, [4, 3, 0, 0, 1])  # 1: s = 1 + (1 + s) / 2
    reach, steps = hitting(P, np.array([1]))
    assert reach.tolist() == [1, 1, 0, 0, 0] and steps.tolist() == [1, 0, np.inf, np.inf, np.inf]


@pytest.mark.parametrize("epsilon", [0.25, 0.01])
def test_the_mixing_time_is_the_first_step_that_is_near(seed, epsilon):
    for K in (1, 2, 5):
        P = 0.1 * matrix(seed + K, K) + 0.9 * np.eye(K)
        chain = MarkovChain.of(P)
        pi, Q, t = chain.stationary(), np.eye(K), 0
        while 0.5 * np.abs(Q - pi).sum(1).max() > epsilon:
            Q, t = Q @ P, t + 1
        assert chain.mixing_time(epsilon) == t
    turning = MarkovChain.of([[0.0, 1.0], [1.0, 0.0]])
    assert turning.mixing_time() == np.inf and turning.spectral_gap() == pytest.approx(0.0)
    assert mixing_time(np.full((2, 2), 0.5), np.array([0.5, 0.5]), 0.25) == 1
    with pytest.raises(ParameterError, match="epsilon"):
        chain.mixing_time(0.0)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.2), (0.9, 0.8), (0.5, 0.5)])
def test_two_states_have_closed_forms(a, b):
    chain = MarkovChain.of([[1 - a, a], [b, 1 - b]], ["off", "on"])

    def H(p):
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    np.testing.assert_allclose(chain.stationary(), [b / (a + b), a / (a + b)])
    assert chain.spectral_gap() == pytest.approx(1 - abs(1 - a - b))
    assert chain.entropy_rate() == pytest.approx((b * H(a) + a * H(b)) / (a + b))
    np.testing.assert_allclose(chain.hitting_times("on"), [1 / a, 0])
    np.testing.assert_allclose(chain.hitting_times(["off"]), [0, 1 / b])


def test_a_chain_of_higher_order_is_one_over_its_contexts(seed):
    chain = MarkovChain(2, alpha=0.5).fit(texts(seed))
    assert chain.contexts[:4] == [("a", "a"), ("a", "b"), ("a", "c"), ("b", "a")]
    pi = chain.stationary().reshape(3, 3)
    np.testing.assert_allclose(pi.sum(0), pi.sum(1))  # a pair's first and second symbol have one distribution
    # the entropy of triples less that of pairs
    T = chain.transmat_.reshape(3, 3, 3)
    triples = pi[:, :, None] * T

    def H(p):
        return -(p * np.log(p)).sum()

    assert chain.entropy_rate() == pytest.approx(H(triples) - H(pi))
    assert chain.hitting_times([("a", "b")])[1] == 0.0
    assert len(chain.classes()) == 1


def test_more_contexts_than_are_analysed():
    chain = MarkovChain(20).fit([[0, 1] * 20])
    assert np.isfinite(chain.log_prob([[0, 1, 1]])).all()
    with pytest.raises(DataError, match=r"2\^20 contexts"):
        chain.stationary()


def test_a_matrix_that_is_given_is_the_matrix(seed, tmp_path):
    P, start = matrix(seed, 3, 0.4), np.array([0.2, 0.0, 0.8])
    chain = MarkovChain.of(P, ["x", "y", "z"], start)
    np.testing.assert_allclose(chain.transmat_, P, atol=1e-15)
    np.testing.assert_allclose(chain.startprob_, start, atol=1e-15)
    back = peira.load(chain.save(tmp_path / "chain"))
    np.testing.assert_array_equal(back.transmat_, chain.transmat_)
    for wrong, words in (
        ({"transmat": [[0.5, 0.4], [0.0, 1.0]]}, "row 0"),
        ({"transmat": [[1.5, -0.5], [0.0, 1.0]]}, "row 0"),
        ({"transmat": [[1.0, 0.0]]}, "square"),
        ({"transmat": [[np.nan, 1.0], [0.0, 1.0]]}, "row 0"),
        ({"transmat": np.eye(2), "symbols": ["b", "a"]}, "ascending"),
        ({"transmat": np.eye(2), "startprob": [1.0]}, "startprob"),
        ({"transmat": np.eye(2), "startprob": [0.5, 0.6]}, "startprob"),
    ):
        with pytest.raises(DataError, match=words):
            MarkovChain.of(**wrong)


@pytest.mark.parametrize("X", [["a"], ["a", "b"], [[0]], "ab", [[0, 1, 1, 0]]])
@pytest.mark.parametrize("smoothing", ["additive", "interpolated", "kneser_ney"])
def test_next_to_nothing_is_learned_from(X, smoothing):
    for order in (1, 2):
        chain = MarkovChain(order, smoothing=smoothing).fit(X)
        assert np.isfinite(chain.log_prob(X)).all()
        np.testing.assert_allclose(chain.transmat_.sum(1), 1.0)


def test_symbols_that_are_not_states_are_refused():
    chain = MarkovChain().fit(["abab"])
    with pytest.raises(DataError, match="'c'"):
        chain.log_prob(["abc"])
    with pytest.raises(DataError, match="targets"):
        chain.hitting_times("c")
    wider = MarkovChain(alpha=1.0).fit(["abab"], symbols=["a", "b", "c"])
    np.testing.assert_allclose(wider.transmat_[2], 1 / 3)
    with pytest.raises(DataError, match="single step"):
        MarkovChain().fit(["ab", ""])


def test_messages_show_symbols_as_people_write_them():
    chain = MarkovChain().fit(["abba"])
    with pytest.raises(DataError, match=r"such as 'a'; got \['z'\]$"):
        chain.hitting_times(np.array(["a", "z"]))
    with pytest.raises(DataError, match="symbols such as 'a', got 1: texts and numbers"):
        chain.partial_fit([[1, 2]])


def test_the_graph_is_drawn(seed):
    ax = MarkovChain.of(matrix(seed, 5, 0.4), list("abcde")).plot()
    assert {"a", "e"} <= {text.get_text() for text in ax.texts}
    MarkovChain(2).fit(texts(seed)).plot(ax=ax, least=0.2)
    assert "not drawn" in ax.get_title()
    MarkovChain.of(np.eye(2)).plot()
    MarkovChain().fit(["aa"]).plot()
    with pytest.raises(DataError, match="at most 60"):
        MarkovChain.of(np.eye(61)).plot()

"""Learning of hidden Markov models: hmmlearn's steps, topologies, gaps, bounds, taggers, classifiers, pictures."""

import itertools

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp, multigammaln
from sklearn.exceptions import ConvergenceWarning

from peira.core.iteration import limiting
from peira.sequences import (
    GMMHMM,
    CategoricalHMM,
    GaussianHMM,
    GaussianHMMTagger,
    HMMClassifier,
    HMMTagger,
    MultinomialHMM,
    PoissonHMM,
    SymbolHMMClassifier,
    VariationalCategoricalHMM,
    VariationalGaussianHMM,
)
from peira.sequences.hmm_order import choose_states
from peira.sequences.posterior_paths import draw_states

A3 = np.full((3, 3), 0.2) + 0.4 * np.eye(3)


def regimes(rng, T=80, D=2, n=4):
    z = np.repeat(rng.integers(0, 3, n * T // 10), 10).reshape(n, T)
    return list(4.0 * z[:, :, None] + rng.normal(size=(n, T, D)))


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
def test_ten_steps_are_hmmlearns(shape, seed):
    hmm = pytest.importorskip("hmmlearn.hmm")
    rng = np.random.default_rng([seed, 1])
    X, K, D = regimes(rng), 3, 2
    C = {"full": np.stack([np.eye(D)] * K), "tied": np.eye(D), "diag": np.ones((K, D)), "spherical": np.ones(K)}[shape]
    prior = 0.01 * np.eye(D) if shape in ("full", "tied") else 0.01
    means = rng.normal(size=(K, D)) * 4
    peer = hmm.GaussianHMM(K, shape, init_params="", n_iter=10, tol=-np.inf, covars_prior=prior)
    peer.startprob_, peer.transmat_, peer.means_, peer.covars_ = np.full(K, 1 / K), A3, means, C
    peer.fit(np.concatenate(X), [80] * 4)
    given = {"startprob_init": np.full(K, 1 / K), "transmat_init": A3, "means_init": means, "covars_init": C}
    ours = GaussianHMM(K, covariance_type=shape, n_iter=10, tol=0.0, covars_prior=prior, **given).fit(X)
    np.testing.assert_allclose(ours.means_, peer.means_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ours.transmat_, peer.transmat_, rtol=1e-8, atol=1e-8)
    theirs = peer._covars_[:, 0] if shape == "spherical" else peer._covars_
    np.testing.assert_allclose(ours.covars_, theirs, rtol=1e-8, atol=1e-8)


def test_ten_steps_of_counts_and_symbols_are_hmmlearns(seed):
    hmm = pytest.importorskip("hmmlearn.hmm")
    rng = np.random.default_rng([seed, 2])
    given = {"startprob_init": np.full(3, 1 / 3), "transmat_init": A3, "n_iter": 10, "tol": 0.0}
    counts, B = rng.poisson(np.repeat([2, 9, 20], 30)).astype(float), rng.dirichlet(np.ones(4), 3)
    peer = hmm.PoissonHMM(3, init_params="", n_iter=10, tol=-np.inf)
    peer.startprob_, peer.transmat_, peer.lambdas_ = np.full(3, 1 / 3), A3, np.array([[1.0], [10.0], [15.0]])
    peer.fit(counts[:, None].astype(int))
    ours = PoissonHMM(3, lambdas_init=[[1.0], [10.0], [15.0]], **given).fit([counts])
    np.testing.assert_allclose(ours.lambdas_, peer.lambdas_, rtol=1e-9)
    x = rng.integers(0, 4, 90)
    peer = hmm.CategoricalHMM(3, init_params="", n_iter=10, tol=-np.inf)
    peer.startprob_, peer.transmat_, peer.emissionprob_ = np.full(3, 1 / 3), A3, B
    peer.fit(x[:, None])
    ours = CategoricalHMM(3, emissionprob_init=B, **given).fit([x])
    np.testing.assert_allclose(ours.emissionprob_, peer.emissionprob_, rtol=1e-8, atol=1e-12)
    assert ours.log_prob([x])[0] == pytest.approx(peer.score(x[:, None]), rel=1e-10)


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
def test_em_with_gaps_never_falls(shape, seed):
    rng = np.random.default_rng([seed, 3])
    X = regimes(rng, D=3)
    for x in X:
        x[rng.random(x.shape) < 0.2] = np.nan
        x[rng.random(len(x)) < 0.1] = np.nan
    model = GaussianHMM(3, covariance_type=shape, tol=1e-6, n_iter=2000, random_state=seed).fit(X)
    assert np.diff(model.history_["log_posterior"]).min() > -1e-8
    assert np.sort(model.means_[:, 0]).round() == pytest.approx([0, 4, 8], abs=1)


@pytest.mark.parametrize("topology", ["left-right", "linear", "bakis", "cycle"])
def test_forbidden_transitions_stay_forbidden(topology, seed):
    rng = np.random.default_rng([seed, 4])
    X = [np.r_[rng.normal(0, 1, 20), rng.normal(5, 1, 20), rng.normal(10, 1, 20)][:, None] for _ in range(5)]
    model = GaussianHMM(3, topology=topology, transmat_prior=1.5, random_state=seed).fit(X)
    i, j = np.indices((3, 3))
    there = {"left-right": j >= i, "linear": (j - i) % 3 <= 1, "bakis": j >= i, "cycle": (j - i) % 3 <= 1}[topology]
    there = there & ((j >= i) | (topology == "cycle"))
    assert (model.transmat_[~there] == 0).all()
    if topology != "cycle":
        assert model.startprob_.tolist() == [1.0, 0.0, 0.0]
        assert model.means_[:, 0] == pytest.approx([0, 5, 10], abs=0.7)


def test_viterbi_training_never_falls_and_params_hold_parts_fixed(seed):
    X = regimes(np.random.default_rng([seed, 5]))
    model = GaussianHMM(3, learning="viterbi", tol=1e-9, random_state=seed).fit(X)
    assert np.diff(model.history_["log_posterior"]).min(initial=0) > -1e-9 and model.converged_
    start = {"startprob_init": [0.2, 0.3, 0.5], "transmat_init": A3}
    held = GaussianHMM(3, params="mc", random_state=seed, **start).fit(X)
    assert held.transmat_.tolist() == A3.tolist() and held.startprob_.tolist() == [0.2, 0.3, 0.5]
    with pytest.warns(ConvergenceWarning, match="raise n_iter"):
        GaussianHMM(3, n_iter=1, random_state=seed).fit(X)


def test_restarts_keep_the_best_and_aic_finds_the_states(seed):
    rng = np.random.default_rng([seed, 6])
    counts = rng.poisson(np.repeat([2, 12, 30, 2, 30, 12], 40))
    model = PoissonHMM(3, n_init=4, random_state=seed).fit([counts])
    assert model.restarts_.max() == model.history_["log_posterior"][-1]
    found = choose_states(PoissonHMM(n_init=3, random_state=seed), [counts], (2, 3, 4))
    assert found.answer == 3 and found.table["n_parameters"].tolist() == [5, 11, 19]


def test_samples_have_the_models_moments(seed):
    model = GaussianHMM.from_parts([1.0, 0.0], [[0.9, 0.1], [0.3, 0.7]], [[0.0], [10.0]], [[1.0], [4.0]])
    X, Z = model.sample(1, 40_000, random_state=seed)
    share = Z[0].mean()
    assert share == pytest.approx(0.25, abs=0.03)
    assert X[0][Z[0] == 1].std() == pytest.approx(2.0, abs=0.1)
    on = model.sample(200, 1, given=[0.0, 10.0], random_state=seed)[1]
    assert np.mean(np.concatenate(on)) == pytest.approx(0.7, abs=0.12)
    assert model.forecast([[0.0, 10.0]], 50).mean[0, [0, 49], 0] == pytest.approx([7.0, 2.5], abs=1e-6)


def test_drawn_paths_have_the_posteriors_shares(seed):
    rng = np.random.default_rng([seed, 7])
    model = CategoricalHMM.from_parts(np.ones(3) / 3, A3, rng.dirichlet(np.ones(4), 3))
    x = rng.integers(0, 4, 6)
    drawn = np.array([paths[0] for paths in draw_states(model, [x], 4000, random_state=seed)])
    shares = np.stack([(drawn == k).mean(0) for k in range(3)], 1)
    np.testing.assert_allclose(shares, model.predict_proba([x])[0], atol=0.04)


def test_the_variational_bound_is_below_the_evidence(seed):
    """The exact evidence: over every path, Dirichlet-multinomial probabilities of its counts."""
    x, K, V = [0, 1, 1, 0, 1], 2, 2

    def log_marginal(counts, prior):
        total = gammaln(prior * counts.shape[-1]) - gammaln(prior * counts.shape[-1] + counts.sum(-1))
        return (total + (gammaln(counts + prior) - gammaln(prior)).sum(-1)).sum()

    logs = []
    for path in itertools.product(range(K), repeat=len(x)):
        first, moves, shown = np.zeros((1, K)), np.zeros((K, K)), np.zeros((K, V))
        first[0, path[0]] = 1
        np.add.at(moves, (list(path[:-1]), list(path[1:])), 1)
        np.add.at(shown, (list(path), x), 1)
        logs.append(log_marginal(first, 0.5) + log_marginal(moves, 0.5) + log_marginal(shown, 0.5))
    evidence = logsumexp(logs)
    model = VariationalCategoricalHMM(K, tol=1e-9, n_iter=2000, n_init=5, random_state=seed).fit([x])
    assert model.restarts_.max() <= evidence
    assert np.diff(model.history_["log_posterior"]).min() > -1e-10


def test_with_one_state_the_variational_bound_is_the_evidence(seed):
    """Nothing is hidden then, and the posteriors are exact (Murphy 2007, eq. 266, for the Gaussian)."""
    x = [0, 1, 1, 0, 1, 2]
    n = np.bincount(x)
    exact = gammaln(1.5) - gammaln(7.5) + (gammaln(n + 0.5) - gammaln(0.5)).sum()
    model = VariationalCategoricalHMM(1, emissionprob_prior=0.5, random_state=seed).fit([x])
    assert model.restarts_[0] == pytest.approx(exact, rel=1e-12)
    X = np.random.default_rng([seed, 12]).normal(size=(30, 2)) @ np.array([[2.0, 1.0], [0.0, 1.0]])
    settings = {"means_prior": 0.3, "beta_prior": 2.0, "dof_prior": 4.0, "scale_prior": 1.5, "random_state": seed}
    for shape in ("full", "diag"):
        model = VariationalGaussianHMM(1, covariance_type=shape, **settings).fit([X])
        blocks = [X] if shape == "full" else [X[:, [0]], X[:, [1]]]
        exact = 0.0
        for Z in blocks:
            N, D = Z.shape
            off = Z.mean(0) - 0.3
            S = 1.5 * np.eye(D) + (Z - Z.mean(0)).T @ (Z - Z.mean(0)) + 2 * N / (2 + N) * np.outer(off, off)
            exact += (
                multigammaln((4 + N) / 2, D) - multigammaln(2.0, D) + 2 * np.log(1.5) * D + D / 2 * np.log(2 / (2 + N))
            )
            exact -= (4 + N) / 2 * np.linalg.slogdet(S)[1] + N * D / 2 * np.log(np.pi)
        assert model.restarts_[0] == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("shape", ["full", "diag"])
def test_variational_gaussians_need_only_the_states_there_are(shape, seed):
    rng = np.random.default_rng([seed, 8])
    X = [np.repeat(rng.integers(0, 2, 30), 10)[:, None] * 8.0 + rng.normal(size=(300, 2)) for _ in range(3)]
    model = VariationalGaussianHMM(5, covariance_type=shape, n_iter=2000, n_init=3, random_state=seed).fit(X)
    used = np.bincount(np.concatenate(model.predict(X)), minlength=5)
    assert (used > 0.02 * used.sum()).sum() == 2
    assert model.converged_


def test_taggers_count(seed):
    rng = np.random.default_rng([seed, 9])
    labels = [np.repeat(rng.integers(0, 3, 10), 5) for _ in range(8)]
    X = [4.0 * y[:, None] + rng.normal(size=(50, 2)) for y in labels]
    tagger = GaussianHMMTagger(alpha=0.0).fit(X, labels)
    moves = np.zeros((3, 3))
    for y in labels:
        np.add.at(moves, (y[:-1], y[1:]), 1)
    np.testing.assert_allclose(tagger.transmat_, moves / moves.sum(1, keepdims=True), rtol=1e-12)
    assert tagger.score(X, labels) > 0.97
    words = HMMTagger().fit([["the", "dog"], ["a", "cat"], ["the", "axolotl"]], [["D", "N"]] * 3)
    assert words.predict([["the", "quokka", None]])[0].tolist()[:2] == ["D", "N"]


def test_classifiers_tell_orders_apart(seed):
    rng = np.random.default_rng([seed, 10])
    up = [np.r_[rng.normal(0, 1, 15), rng.normal(4, 1, 15)] for _ in range(10)]
    down = [x[::-1].copy() for x in up]
    y = ["up"] * 10 + ["down"] * 10
    for topology in ("ergodic", "left-right"):
        model = HMMClassifier(2, topology=topology, random_state=seed).fit(up + down, y)
        assert model.score(up + down, y) == 1.0
    mixed = HMMClassifier(2, n_mix=2, random_state=seed, n_iter=300).fit(up + down, y)
    assert isinstance(mixed.models_[0], GMMHMM) and mixed.score(up + down, y) == 1.0
    texts = ["ab" * 6, "ba" * 6, "aabb" * 3, "bbaa" * 3]
    symbols = SymbolHMMClassifier(4, n_init=8, random_state=seed, n_iter=300).fit(texts, [0, 0, 1, 1])
    assert symbols.predict([*texts, "abzab"]).tolist()[:4] == [0, 0, 1, 1]


def test_a_spent_budget_leaves_a_model_of_every_class(seed):
    rng = np.random.default_rng([seed, 11])
    X, y = [rng.normal(4.0 * c, 1, 20) for c in (0, 0, 1, 2)], [0, 0, 1, 2]
    with limiting(0.0):
        model = HMMClassifier(2, random_state=seed).fit(X, y)
    assert model.stopped_ == "out of time" and [m.n_iter_ for m in model.models_] == [1, 1, 1]
    np.testing.assert_allclose(model.class_prior_, [0.5, 0.25, 0.25])
    assert model.predict(X).tolist() == y


def test_counts_that_are_none_and_starts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="whole numbers"):
        PoissonHMM().fit([[1.0, 2.5]])
    with pytest.raises(ValueError, match="whole numbers"):
        MultinomialHMM().fit([[[1.0, -2.0]]])
    with pytest.raises(ValueError, match="add up to 1"):
        CategoricalHMM(2, startprob_init=[0.5, 0.6]).fit([[0, 1]])
    with pytest.raises(ValueError, match="no value at all"):
        GaussianHMM().fit([[[np.nan, 1.0], [np.nan, 2.0]]])
    with pytest.raises(ValueError, match="takes the letters"):
        GaussianHMM(params="xyz").fit([[1.0, 2.0]])
    with pytest.raises(ValueError, match="raise covars_prior"):
        GaussianHMM(covars_prior=0.0).fit([[1.0, 1.0]])
    with pytest.raises(ValueError, match="positive definite; raise covars_prior"):
        GaussianHMM(covars_prior=0.0, covariance_type="full").fit([[[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]])
    with pytest.raises(ValueError, match="impossible"):
        CategoricalHMM(1, emissionprob_init=[[1.0, 0.0]]).fit([[0, 1]])


@pytest.mark.parametrize("model", [GaussianHMM(2, random_state=0), CategoricalHMM(2, random_state=0)])
def test_lengths_in_the_place_of_y_are_refused(model):
    X = np.array([[0], [1], [0], [2], [1]])
    for lengths in ([3, 2], np.array([1, 1, 3])):
        with pytest.raises(ValueError, match=r"add up to its 5 steps: .* pass Sequences\(X, lengths\)"):
            model.fit(X, lengths)
    for y in (None, [5], [0, 1, 0, 2, 2], [3, 1], ["a", "b"]):
        assert model.fit(X, y).log_prob(X).shape == (1,)
    assert model.fit([X, X], [3, 2]).log_prob([X, X]).shape == (2,)


def test_one_step_one_sequence_and_constant_steps():
    for model in (GaussianHMM(2, random_state=0), GMMHMM(2, 2, random_state=0)):
        assert np.isfinite(model.fit([[1.0]]).log_prob([[1.0]])).all()
        assert np.isfinite(model.fit([[2.0] * 5]).log_prob([[2.0, 2.0]])).all()
    assert CategoricalHMM(2, random_state=0).fit([["x"]]).log_prob([["x"]])[0] == pytest.approx(0.0)


def test_pictures(seed):
    rng = np.random.default_rng([seed, 11])
    X = regimes(rng)
    model = GaussianHMM(3, random_state=seed).fit(X)
    X[0][3:5, 1] = np.nan
    assert model.plot([X[0]]).get_xlabel() == "step"
    assert {"0", "1", "2"} <= {text.get_text() for text in model.plot_transitions().texts}
    letters = CategoricalHMM(2, random_state=seed, n_iter=1000).fit(["abba" * 5])
    assert [t.get_text() for t in letters.plot(["abba"]).get_yticklabels()] == ["a", "b"]

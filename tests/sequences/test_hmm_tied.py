"""States that share one emission, against brute force over every path of states, and what they are for."""

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp

import peira
from peira.core.seeds import derive
from peira.sequences import GMMHMM, CategoricalHMM, GaussianHMM, MultinomialHMM, PoissonHMM, VariationalGaussianHMM
from peira.sequences.baum_welch import expect
from tests.sequences.test_hmm_gradient import FAMILIES, sequences

K, TIED, GROUP = 4, [[0, 2], [1, 3]], np.array([0, 1, 0, 1])


@pytest.mark.parametrize("learning", ["baum-welch", "viterbi"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_of_learning_adds_the_counts_of_a_group_over_all_paths(family, learning, seed):
    rng = np.random.default_rng([seed, 1])
    cls, settings = FAMILIES[family]
    X = [x[:4] for x in sequences(family, rng)]
    given = {"startprob_init": rng.dirichlet(np.ones(K)), "transmat_init": rng.dirichlet(np.ones(K), K)}
    model = cls(K, tied=TIED, learning=learning, n_iter=1, tol=0.0, random_state=seed, **given, **settings)
    data = model._open_fit(X, None)
    steps = model._steps(data)
    chain, emissions = model._start(steps, derive(seed, 0), again=False)
    log_pi, log_A = chain.logs()
    G, first, between, at = np.zeros((len(steps.X), 2)), np.zeros(K), np.zeros((K, K)), 0
    for x in X:
        log_b = emissions.shared.log_densities(steps.X[at : at + len(x)])[:, GROUP]
        paths, moves = list(itertools.product(range(K), repeat=len(x))), itertools.pairwise
        values = np.array([
            log_pi[z[0]] + sum(log_b[t, k] for t, k in enumerate(z)) + sum(log_A[i, j] for i, j in moves(z))
            for z in paths
        ])  # fmt: skip
        p = np.exp(values - logsumexp(values))
        if learning == "viterbi":
            best = values.max() - values < 1e-9
            assert best.sum() == 1
            p = best.astype(float)
        for z, share in zip(paths, p, strict=True):
            first[z[0]] += share
            np.add.at(G, (at + np.arange(len(x)), GROUP[list(z)]), share)
            np.add.at(between, (list(z[:-1]), list(z[1:])), share)
        at += len(x)
    by_hand = emissions.shared.maximise(emissions.shared.statistics(steps.X, G), emissions.letters)
    model._keep(by_hand.take(GROUP))
    expected = {name: getattr(model, name) for name in ("means_", "covars_", "lambdas_", "emissionprob_", "weights_")
                if hasattr(model, name)}  # fmt: skip
    model.fit(X)
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(model, name), value, rtol=1e-8, atol=1e-10)
        if settings.get("covariance_type") != "tied" or name != "covars_":
            np.testing.assert_array_equal(getattr(model, name)[[0, 1]], getattr(model, name)[[2, 3]])
    np.testing.assert_allclose(model.startprob_, first / first.sum(), atol=1e-10)
    rows = between.sum(1) > 0
    np.testing.assert_allclose(model.transmat_[rows], between[rows] / between[rows].sum(1, keepdims=True), atol=1e-9)


def test_states_that_show_the_same_say_how_long_it_lasts(seed):
    """Runs of two and four steps: one state a symbol has a geometric length, as many in a row count them."""
    x = "aabbbb" * 20
    loose = CategoricalHMM(2, n_init=3, n_iter=500, random_state=seed).fit([x])
    ring = np.roll(np.eye(6), 1, axis=1) + 0.2 * np.eye(6)
    given = {"emissionprob_init": [[0.8, 0.2]] * 2 + [[0.2, 0.8]] * 4, "topology": ring, "tied": [[0, 1], [2, 3, 4, 5]]}
    chained = CategoricalHMM(6, n_iter=500, random_state=seed, **given).fit([x])
    assert chained.log_prob([x])[0] > loose.log_prob([x])[0] + 20
    assert chained.log_prob([x])[0] > -10
    assert chained.n_parameters() == 5 + 6 + 2  # first states, one of two ways out of each, two rows of two symbols
    assert np.diff(chained.history_["log_posterior"]).min() > -1e-9
    assert np.abs(chained.forecast([x], 2).probs[0].max(1)).min() > 0.9


def test_any_family_ties_and_comes_back(seed, tmp_path):
    rng = np.random.default_rng([seed, 2])
    for family, cls in (("diag", VariationalGaussianHMM), ("full", GMMHMM), ("poisson", PoissonHMM)):
        X = sequences(family, rng)
        model = cls(3, tied=[[0, 1]], n_iter=500, random_state=seed).fit(X)
        back = peira.load(model.save(tmp_path / family))
        np.testing.assert_array_equal(back.log_prob(X), model.log_prob(X))
        assert np.diff(model.history_["log_posterior"]).min() > -1e-9
        drawn, states = model.sample(2, 50, random_state=seed)
        assert drawn[0].shape == (50, 2) and states[0].max() < 3
        found = expect(model._chain(), model._emissions(), model._asked(X)[1])
        assert found.first.sum() == pytest.approx(len(X))
    one = MultinomialHMM(2, tied=[[0, 1]], random_state=seed).fit(sequences("multinomial", rng))
    assert one.emissionprob_[0].tolist() == one.emissionprob_[1].tolist()


@pytest.mark.parametrize("tied", [[[0, 2]], [[0, 0]], [[0], [0, 1]], [["a", 1]], [[-1]], [[0.0, 1]]])
def test_groups_that_are_none_are_refused(tied):
    with pytest.raises(ValueError, match="groups of different states from 0 to 1"):
        GaussianHMM(2, tied=tied).fit([[1.0, 2.0]])

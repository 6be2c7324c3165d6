"""Hidden Markov models against brute force over every path of states, for every family of emissions."""

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multinomial, multivariate_normal, norm, poisson

from peira.sequences import GMMHMM, CategoricalHMM, GaussianHMM, MultinomialHMM, PoissonHMM
from peira.sequences.baum_welch import Steps, evaluate, expect
from peira.sequences.forward_backward import forward_backward_logs
from peira.sequences.state_chain import Chain

K = 3
FAMILIES = ("categorical", "poisson", "full", "tied", "diag", "spherical", "mixture", "multinomial")


def positive_definite(rng, *ends, D=2):
    R = rng.normal(size=(*ends, D, D))
    return R @ R.mT + np.eye(D)


def model_and_density(family, rng):
    """A model of K states with chance parts, sequences for it, and its density of one step by scipy."""
    pi, A = rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(K), K)
    lengths = (4, 1, 5)
    if family == "categorical":
        B = rng.dirichlet(np.ones(4), K)
        X = [rng.integers(0, 4, T) for T in lengths]
        return CategoricalHMM.from_parts(pi, A, B), X, lambda k, x: np.log(B[k, x])
    if family == "poisson":
        rates = rng.uniform(1, 9, (K, 2))
        X = [rng.poisson(4, (T, 2)).astype(float) for T in lengths]
        return PoissonHMM.from_parts(pi, A, rates), X, lambda k, x: poisson.logpmf(x, rates[k]).sum()
    if family == "multinomial":
        B = rng.dirichlet(np.ones(3), K)
        X = [rng.multinomial(6, [0.2, 0.3, 0.5], T).astype(float) for T in lengths]
        return MultinomialHMM.from_parts(pi, A, B), X, lambda k, x: multinomial.logpmf(x, x.sum(), B[k])
    X = [rng.normal(size=(T, 2)) * 2 for T in lengths]
    if family == "mixture":
        c, mu, v = rng.dirichlet(np.ones(2), K), rng.normal(size=(K, 2, 2)), rng.uniform(0.5, 2, (K, 2, 2))

        def density(k, x):
            return logsumexp([np.log(c[k, m]) + norm.logpdf(x, mu[k, m], v[k, m] ** 0.5).sum() for m in range(2)])

        return GMMHMM.from_parts(pi, A, c, mu, v), X, density
    mu = rng.normal(size=(K, 2))
    C = {
        "full": positive_definite(rng, K), "tied": positive_definite(rng),
        "diag": rng.uniform(0.5, 2, (K, 2)), "spherical": rng.uniform(0.5, 2, K),
    }[family]  # fmt: skip
    model = GaussianHMM.from_parts(pi, A, mu, C, covariance_type=family)
    matrices = model._emissions().matrices()
    return model, X, lambda k, x: multivariate_normal.logpdf(x, mu[k], matrices[k])


def all_paths(model, density, x):
    """Every path of states with its joint log probability."""
    with np.errstate(divide="ignore"):
        log_pi, log_A = np.log(model.startprob_), np.log(model.transmat_)
    log_b = np.array([[density(k, step) for k in range(K)] for step in x])
    for path in itertools.product(range(K), repeat=len(x)):
        value = log_pi[path[0]] + log_b[0, path[0]]
        value += sum(log_A[i, j] for i, j in itertools.pairwise(path)) + sum(
            log_b[t, path[t]] for t in range(1, len(x))
        )
        yield path, value


@pytest.mark.parametrize("family", FAMILIES)
def test_likelihoods_paths_and_counts_are_sums_over_all_paths(family, seed):
    rng = np.random.default_rng([seed, 1])
    model, X, density = model_and_density(family, rng)
    logs, states, posteriors = model.log_prob(X), model.predict(X), model.predict_proba(X)
    first, between = np.zeros(K), np.zeros((K, K))
    for n, x in enumerate(X):
        paths = list(all_paths(model, density, x))
        total = logsumexp([value for _, value in paths])
        assert logs[n] == pytest.approx(total, rel=1e-12)
        best = max(paths, key=lambda pair: pair[1])
        assert tuple(states[n]) == best[0]
        assert model.path_log_prob([x])[0] == pytest.approx(best[1], rel=1e-12)
        gamma = np.zeros((len(x), K))
        for path, value in paths:
            p = np.exp(value - total)
            gamma[np.arange(len(x)), path] += p
            first[path[0]] += p
            for i, j in itertools.pairwise(path):
                between[i, j] += p
        np.testing.assert_allclose(posteriors[n], gamma, rtol=1e-10, atol=1e-13)
    queries, steps = model._asked(X)
    found = expect(model._chain(), model._emissions(), steps)
    np.testing.assert_allclose(found.first, first, rtol=1e-11)
    np.testing.assert_allclose(found.between, between, rtol=1e-11)
    assert len(queries) == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_expected_counts_are_the_gradient_of_the_log_likelihood(family, seed):
    """Fisher's identity: d log p / d A = xi / A, by central differences, without the rows adding up to one."""
    model, X, _ = model_and_density(family, np.random.default_rng([seed, 2]))
    chain, emissions, steps = model._chain(), model._emissions(), model._asked(X)[1]
    found, h = expect(chain, emissions, steps), 1e-6
    for i, j in itertools.product(range(K), repeat=2):
        up, down = chain.A.copy(), chain.A.copy()
        up[i, j] += h
        down[i, j] -= h
        rise = evaluate(Chain(chain.pi, up), emissions, steps) - evaluate(Chain(chain.pi, down), emissions, steps)
        assert rise.sum() / (2 * h) == pytest.approx(found.between[i, j] / chain.A[i, j], rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_route_by_logarithms_agrees(family, seed):
    model, X, _ = model_and_density(family, np.random.default_rng([seed, 3]))
    chain, emissions = model._chain(), model._emissions()
    for x in X:
        steps = model._asked([x])[1]
        kept, posterior = np.empty((len(x), K)), np.empty((len(x), K))
        found = expect(chain, emissions, steps, kept)
        first, between = np.zeros(K), np.zeros((K, K))
        total = forward_backward_logs(emissions.log_densities(steps.X), *chain.logs(), 1.0, posterior, first, between)
        assert total == pytest.approx(found.logs[0], rel=1e-12)
        np.testing.assert_allclose(posterior, kept, atol=1e-12)
        np.testing.assert_allclose(between, found.between, atol=1e-12)


def test_a_million_steps_do_not_underflow(seed):
    rng = np.random.default_rng(seed)
    model = CategoricalHMM.from_parts([1.0, 0.0], [[0.5, 0.5], [0.5, 0.5]], [[0.3, 0.7], [0.3, 0.7]])
    x = rng.integers(0, 2, 1_000_000)
    expected = (x == 0).sum() * np.log(0.3) + (x == 1).sum() * np.log(0.7)
    assert model.log_prob([x])[0] == pytest.approx(expected, rel=1e-11)


def test_an_outlier_under_forbidden_transitions_is_possible():
    """Scaled by the other state's density, the only possible one underflows; logarithms do not."""
    model = GaussianHMM.from_parts([1.0, 0.0], [[0.9, 0.1], [0.0, 1.0]], [[0.0], [60.0]], [[1.0], [1.0]])
    x = np.array([[60.0], [0.0], [60.0]])
    paths = {(0, 0, 0): 0.81, (0, 0, 1): 0.09, (0, 1, 1): 0.1}
    mu = np.array([0.0, 60.0])
    expected = logsumexp([np.log(p) + norm.logpdf(x[:, 0], mu[list(z)]).sum() for z, p in paths.items()])
    assert model.log_prob([x])[0] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(model.predict_proba([x])[0], [[1, 0], [1, 0], [0, 1]], atol=1e-12)
    assert model.predict([x])[0].tolist() == [0, 0, 1]
    assert model.forecast([x]).mean[0, 0, 0] == pytest.approx(60.0)


def test_impossible_sequences_have_probability_zero():
    model = CategoricalHMM.from_parts([1.0, 0.0], np.eye(2), [[1.0, 0.0], [0.0, 1.0]])
    assert model.log_prob([[0, 0], [0, 1], [1]]).tolist() == [0.0, -np.inf, -np.inf]
    assert model.path_log_prob([[0, 0], [0, 1]]).tolist() == [0.0, -np.inf]
    each = CategoricalHMM.from_parts([1.0, 0.0], np.eye(2), [[1.0, 0.0], [0.0, 1.0]], algorithm="map")
    for ask in (model.predict, each.predict, model.predict_proba, model.forecast):
        with pytest.raises(ValueError, match="1 of 2 sequences are impossible under this model, first sequence 1"):
            ask([[0, 0], [0, 1]])


def test_no_component_of_a_mixture_reaches_a_far_step():
    far, near = np.full((2, 1), 1e200), np.zeros((2, 1))
    model = GMMHMM.from_parts([1.0], [[1.0]], [[0.5, 0.5]], [[[-1.0], [1.0]]], [[[1.0], [1.0]]])
    assert model.log_prob([far, near])[0] == -np.inf
    np.testing.assert_array_equal(model.log_prob([far, near])[1:], model.log_prob([near]))


@pytest.mark.parametrize("family", FAMILIES)
def test_missing_steps_are_summed_out(family, seed):
    rng = np.random.default_rng([seed, 4])
    model, _, density = model_and_density(family, rng)
    x = model.sample(1, 4, random_state=seed)[0][0]
    gone = [None if t == 2 else v for t, v in enumerate(x)] if family == "categorical" else np.array(x, dtype=float)
    if family != "categorical":
        gone[2] = np.nan
    logs = []
    for path in itertools.product(range(K), repeat=4):
        value = np.log(model.startprob_[path[0]]) + sum(
            np.log(model.transmat_[i, j]) for i, j in itertools.pairwise(path)
        )
        logs.append(value + sum(density(path[t], x[t]) for t in (0, 1, 3)))
    assert model.log_prob([gone])[0] == pytest.approx(logsumexp(logs), rel=1e-11)


@pytest.mark.parametrize("shape", ["full", "diag"])
def test_gaps_within_a_step_are_integrated_out(shape, seed):
    rng = np.random.default_rng([seed, 5])
    C = positive_definite(rng, K, D=3) if shape == "full" else rng.uniform(0.5, 2, (K, 3))
    mu, A = rng.normal(size=(K, 3)), rng.dirichlet(np.ones(K), K)
    model = GaussianHMM.from_parts(np.ones(K) / K, A, mu, C, covariance_type=shape)
    x = np.array([[0.3, np.nan, -1.0], [np.nan, np.nan, 2.0]])
    matrices = model._emissions().matrices()
    b = np.empty((2, K))
    for t, k in itertools.product(range(2), range(K)):
        o = ~np.isnan(x[t])
        b[t, k] = multivariate_normal.pdf(x[t, o], mu[k, o], matrices[k][np.ix_(o, o)])
    expected = np.log(((b[0] / K) @ A * b[1]).sum())
    assert model.log_prob([x])[0] == pytest.approx(expected, rel=1e-12)


def test_sequences_are_cut_into_blocks_without_a_seam(seed, monkeypatch):
    model, X, _ = model_and_density("diag", np.random.default_rng([seed, 6]))
    X = X * 7
    whole, paths = model.log_prob(X), model.predict(X)
    counts = expect(model._chain(), model._emissions(), model._asked(X)[1])
    monkeypatch.setattr("peira.sequences.baum_welch.BLOCK", 20)
    np.testing.assert_allclose(model.log_prob(X), whole, rtol=1e-13)
    assert all((a == b).all() for a, b in zip(paths, model.predict(X), strict=True))
    for a, b in zip(counts.sums, expect(model._chain(), model._emissions(), model._asked(X)[1]).sums, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_weights_count_sequences(seed):
    model, X, _ = model_and_density("diag", np.random.default_rng([seed, 7]))
    chain, emissions, steps = model._chain(), model._emissions(), model._asked(X)[1]
    weighted = expect(chain, emissions, Steps(steps.X, steps.lengths, np.array([2.0, 0.0, 1.0])))
    repeated = expect(chain, emissions, model._asked([X[0], X[0], X[2]])[1])
    np.testing.assert_allclose(weighted.between, repeated.between, rtol=1e-12)
    for a, b in zip(weighted.sums, repeated.sums, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)

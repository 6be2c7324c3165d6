"""Boltzmann machines: enumeration by another route, gradients by differences, log Z, and what they learn."""

import itertools

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from peira.core.seeds import torch_generator
from peira.sequences import BernoulliRBM, BoltzmannMachine
from peira.sequences.boltzmann_states import AllStates, sweep
from peira.sequences.restricted_boltzmann import Machine

XOR = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])


def machine(seed, H=3, D=4):
    rng = np.random.default_rng(seed)
    return Machine(*(torch.from_numpy(rng.normal(size=shape)) for shape in ((H, D), (D,), (H,))))


def energies(m):
    """E of every pair of visible and hidden states, written out."""
    V, H = (np.array(list(itertools.product([0.0, 1.0], repeat=n))) for n in (len(m.b), len(m.c)))
    W, b, c = (t.numpy() for t in (m.W, m.b, m.c))
    return V, H, -(V @ b)[:, None] - (H @ c) - V @ W.T @ H.T


@pytest.mark.parametrize(("H", "D"), [(1, 1), (2, 5), (5, 2)])
def test_free_energies_and_log_z_sum_over_what_is_hidden(seed, H, D):
    m = machine(seed, H, D)
    V, hidden, E = energies(m)
    np.testing.assert_allclose(m.free_energy(torch.from_numpy(V)), -logsumexp(-E, axis=1), rtol=1e-12)
    assert m.exact_log_partition() == pytest.approx(logsumexp(-E), rel=1e-12)
    given = np.exp(-E - logsumexp(-E, axis=1, keepdims=True))
    np.testing.assert_allclose(m.hidden(torch.from_numpy(V)), given @ hidden, rtol=1e-10)
    given = np.exp(-E - logsumexp(-E, axis=0, keepdims=True))
    np.testing.assert_allclose(m.visible(torch.from_numpy(hidden)), given.T @ V, rtol=1e-10)


def test_annealing_finds_log_z_within_its_error(seed):
    m = machine(seed, 6, 8)
    found, error = m.annealed_log_partition(torch.zeros(8, dtype=torch.float64), 300, 300, torch_generator(seed))
    assert abs(found - m.exact_log_partition()) < 5 * error < 0.2
    alone = Machine(torch.zeros(2, 3, dtype=torch.float64), m.b[:3], m.c[:2])
    found, error = alone.annealed_log_partition(m.b[:3], 1, 5, torch_generator(0))
    shifted = float(torch.nn.functional.softplus(m.b[:3]).sum() + torch.nn.functional.softplus(m.c[:2]).sum())
    assert found == pytest.approx(shifted, abs=1e-9) and error < 1e-9, "without weights the chains say nothing new"


def test_gibbs_sampling_has_the_machines_distribution(seed):
    m = machine(seed, 2, 3)
    _V, _, E = energies(m)
    p = np.exp(logsumexp(-E, axis=1) - logsumexp(-E))
    S = m.step(torch.zeros(20_000, 3, dtype=torch.float64), torch_generator(seed), 60).numpy()
    shares = np.bincount((S @ [4, 2, 1]).astype(int), minlength=8) / len(S)
    np.testing.assert_allclose(shares, p, atol=5 * np.sqrt(p.max() / 20_000))


def test_probabilities_of_all_rows_sum_to_one(seed):
    X = np.random.default_rng(seed).integers(0, 2, (40, 4))
    every = np.array(list(itertools.product([0, 1], repeat=4)))
    for model in (BernoulliRBM(3, n_iter=5, random_state=seed), BoltzmannMachine(2, random_state=seed, max_iter=5000)):
        assert np.exp(model.fit(X).log_prob(every)).sum() == pytest.approx(1, rel=1e-10)


def test_the_pseudo_likelihood_is_the_sum_of_conditionals(seed):
    X = np.random.default_rng(seed).integers(0, 2, (40, 4))
    model = BernoulliRBM(3, n_iter=5, random_state=seed).fit(X)
    logs = {tuple(x): v for x, v in zip(X, model.log_prob(X), strict=True)}
    for x in X[:5]:
        total = 0.0
        for j in range(4):
            other = x.copy()
            other[j] = 1 - x[j]
            total += logs[tuple(x)] - np.logaddexp(logs[tuple(x)], model.log_prob([other])[0])
        assert model.pseudo_likelihood([x])[0] == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("method", ["cd", "pcd"])
def test_an_rbm_learns_what_goes_together(seed, method):
    X = np.array([[1, 1, 0, 0], [0, 0, 1, 1]] * 50)
    model = BernoulliRBM(4, n_iter=150, method=method, decay=True, random_state=seed).fit(X)
    assert model.score(X) > 4 * np.log(0.5) + 0.8
    drawn = model.sample(200, random_state=seed)
    assert (drawn[:, 0] == drawn[:, 1]).mean() > 0.7 and (drawn[:, 0] != drawn[:, 2]).mean() > 0.7
    assert set(np.unique(model.gibbs(X, random_state=0))) <= {0.0, 1.0}


def test_probabilities_between_zero_and_one_are_taken_and_others_made_binary(seed):
    X = np.random.default_rng(seed).uniform(size=(30, 3))
    model = BernoulliRBM(2, n_iter=2, random_state=seed).fit(X)
    with pytest.raises(ValueError, match="between 0 and 1; row 1, column 2 holds 2"):
        model.transform([[0, 1, 0.5], [0, 0, 2]])
    wide = BernoulliRBM(2, n_iter=2, random_state=seed).fit(10 * X)
    binary = BernoulliRBM(2, n_iter=2, random_state=seed).fit((10 * X > 0.5) * 1.0)
    np.testing.assert_array_equal(wide.components_, binary.components_)


def test_exact_steps_follow_the_gradient(seed):
    rng = np.random.default_rng(seed)
    every, q = AllStates(5, 3), torch.from_numpy(rng.dirichlet(np.ones(8)))
    theta = torch.from_numpy(rng.normal(size=15)).requires_grad_()
    (q @ torch.logsumexp(every.logs(theta), 0)).backward()
    logs = every.logs(theta.detach())
    slope = every.moments(logs.softmax(0) * q) - every.moments(logs.exp())
    np.testing.assert_allclose(slope, theta.grad, atol=1e-12)
    F = torch.autograd.functional.hessian(lambda t: (every.phi @ t).logsumexp(0), theta.detach())
    np.testing.assert_allclose(every.covariance(logs.exp()), F, atol=1e-12)


def test_without_hidden_units_means_and_correlations_are_the_datas(seed):
    X = np.random.default_rng(seed).integers(0, 2, (200, 4)).astype(float)
    model = BoltzmannMachine(alpha=0.0, tol=1e-14).fit(X)
    every = AllStates(4, 4)
    P = every.logs(every.packed(model.weights_, model.intercept_)).exp()
    np.testing.assert_allclose(P.reshape(-1) @ every.phi[:, :4], X.mean(0), atol=1e-7)
    np.testing.assert_allclose(
        every.moments(P)[4:],
        [(X[:, i] * X[:, j]).mean() for i, j in np.argwhere(np.triu(np.ones((4, 4)), 1))],
        atol=1e-7,
    )
    drawn = model.sample(20_000, random_state=seed)
    np.testing.assert_allclose(drawn.mean(0), X.mean(0), atol=0.02)


def test_xor_needs_a_hidden_unit():
    pairs = BoltzmannMachine(0, alpha=1e-6).fit(XOR).score(XOR)
    best = max(BoltzmannMachine(1, alpha=1e-6, random_state=s).fit(XOR).score(XOR) for s in range(3))
    assert pairs == pytest.approx(3 * np.log(0.5), abs=1e-6)
    assert best == pytest.approx(np.log(0.25), abs=0.01)


def test_gibbs_learns_the_means_and_correlations_too(seed):
    X = np.random.default_rng(seed).integers(0, 2, (100, 3)).astype(float)
    X[:, 1] = X[:, 0]
    exact = BoltzmannMachine(alpha=0.01).fit(X).score(X)
    walked = BoltzmannMachine(alpha=0.01, method="gibbs", learning_rate=1.0, max_iter=400, random_state=seed)
    assert exact - 0.02 < walked.fit(X).score(X) <= exact + 0.02


def test_sweeps_have_the_machines_moments(seed):
    rng = np.random.default_rng(seed)
    every = AllStates(4, 4)
    theta = torch.from_numpy(rng.normal(size=10))
    S = np.zeros((5000, 4))
    sweep(S, *every.unpacked(theta), rng.random((40, 5000, 4)), 0)
    np.testing.assert_allclose(S.mean(0), every.moments(every.logs(theta).exp())[:4], atol=0.035)
    held = S.copy()
    sweep(held, *every.unpacked(theta), rng.random((3, 5000, 4)), 2)
    np.testing.assert_array_equal(held[:, :2], S[:, :2])


def test_too_many_units_are_refused():
    with pytest.raises(ValueError, match="14 columns and 3 hidden units"):
        BoltzmannMachine(3).fit(np.eye(14))

"""Mixtures of Bernoullis and multinomials: all rows enumerated, gradients of zero, floors, thresholds."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from peira.latent import BernoulliMixture, MultinomialMixture
from peira.latent.binary_components import floored_shares


def answers(seed, N=300):
    rng = np.random.default_rng(seed)
    return (rng.random((N, 4)) < np.array([[0.9, 0.8, 0.2, 0.3], [0.2, 0.3, 0.7, 0.9]])[rng.integers(0, 2, N)]).astype(
        float
    )


def words(seed, N=200):
    rng = np.random.default_rng(seed)
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    return np.stack([rng.multinomial(rng.integers(3, 9), p[k]) for k in rng.integers(0, 2, N)]).astype(float)


def test_bernoulli_densities_of_all_rows_add_up_to_one(seed):
    mixture = BernoulliMixture(2, random_state=0).fit(answers(seed))
    every = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    assert np.exp(mixture.log_prob(every)).sum() == pytest.approx(1.0, rel=1e-12)
    for x, said in zip(every, mixture.log_prob(every), strict=True):
        p = mixture.probabilities_
        assert said == pytest.approx(np.log(mixture.weights_ @ np.prod(np.where(x, p, 1 - p), axis=1)), abs=1e-12)


def test_multinomial_densities_of_all_rows_of_a_total_add_up_to_one(seed):
    mixture = MultinomialMixture(2, random_state=0).fit(words(seed))
    every = np.array([x for x in itertools.product(range(6), repeat=3) if sum(x) == 5], dtype=float)
    assert np.exp(mixture.log_prob(every)).sum() == pytest.approx(1.0, rel=1e-12)
    x = np.array([3.0, 1.0, 1.0])
    by_scipy = [stats.multinomial(5, p / p.sum()).pmf(x) for p in mixture.probabilities_]
    assert mixture.log_prob([x])[0] == pytest.approx(np.log(mixture.weights_ @ by_scipy), abs=1e-9)


@pytest.mark.parametrize("kind", [BernoulliMixture, MultinomialMixture])
def test_the_gradient_is_zero_for_every_parameter(kind, seed):
    X = answers(seed) if kind is BernoulliMixture else words(seed)
    mixture = kind(2, random_state=0, tol=1e-13, max_iter=20_000).fit(X)
    p = mixture.probabilities_
    table = np.log(p / (1 - p)) if kind is BernoulliMixture else np.log(p)
    logits, table = (torch.tensor(v, requires_grad=True) for v in (np.log(mixture.weights_), table))
    x = torch.tensor(X)
    if kind is BernoulliMixture:
        logs = x @ torch.nn.functional.logsigmoid(table).T + (1 - x) @ torch.nn.functional.logsigmoid(-table).T
    else:
        logs = x @ table.log_softmax(1).T
    value = torch.logsumexp(logs + logits.log_softmax(0), 1).mean()
    for part in torch.autograd.grad(value, [logits, table]):
        assert float(part.abs().max()) < 1e-5


def test_one_component_counts(seed):
    X = answers(seed)
    np.testing.assert_allclose(BernoulliMixture().fit(X).probabilities_[0], X.mean(0), rtol=1e-12)
    X = words(seed)
    np.testing.assert_allclose(MultinomialMixture().fit(X).probabilities_[0], X.sum(0) / X.sum(), rtol=1e-12)


def test_what_never_occurred_stays_possible():
    X = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    mixture = BernoulliMixture(floor=0.01).fit(X)
    np.testing.assert_allclose(mixture.probabilities_, [[0.99, 1 / 3]])
    assert np.isfinite(mixture.log_prob([[0.0, 0.0]])).all()
    counts = MultinomialMixture(floor=0.3).fit([[3.0, 6.0, 0.0]])
    np.testing.assert_allclose(counts.probabilities_, [[0.3, 0.6, 0.1]])


def test_floored_shares_are_the_constrained_maximum(seed):
    rng = np.random.default_rng(seed)
    p = torch.tensor(rng.dirichlet([0.3] * 4, size=20))
    q = floored_shares(p, 0.1)
    np.testing.assert_allclose(q.sum(1), 1.0, rtol=1e-12)
    assert (q >= 0.1 - 1e-12).all()
    others = torch.tensor(0.1 + 0.6 * rng.dirichlet([1.0] * 4, size=2000))
    best = (p * q.log()).sum(1)
    assert (p @ others.log().T <= best[:, None] + 1e-12).all()


def test_thresholds_make_zeros_and_ones(seed):
    X = answers(seed)
    plain = BernoulliMixture(2, random_state=0, binarize=None).fit(X)
    for other in (
        BernoulliMixture(2, random_state=0).fit(10 * X + 5),
        BernoulliMixture(2, random_state=0, binarize=6).fit(10 * X + 5),
    ):
        np.testing.assert_array_equal(other.labels_, plain.labels_)
    with pytest.raises(ValueError, match=r"column 'x1' holds 5 in row 0"):
        BernoulliMixture(binarize=None).fit(np.array([[0.0, 5.0], [1.0, 0.0]]))
    with pytest.raises(ValueError, match=r"Negative values.*holds -1 in row 1"):
        MultinomialMixture().fit(np.array([[1.0, 2.0], [-1.0, 2.0]]))

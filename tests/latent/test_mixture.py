"""Mixtures by EM: one driver, its starts, moves and reports, for every kind of component."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from peira.core import observing
from peira.latent import (
    BernoulliMixture,
    GaussianMixture,
    MixtureOfFactorAnalysers,
    MultinomialMixture,
    StudentMixture,
)
from peira.latent.mixture import MixtureWarning, disagreement
from peira.measures import adjusted_rand_score

KINDS = {
    "full": lambda **p: GaussianMixture(**p),
    "tied": lambda **p: GaussianMixture(covariance_type="tied", **p),
    "diag": lambda **p: GaussianMixture(covariance_type="diag", **p),
    "spherical": lambda **p: GaussianMixture(covariance_type="spherical", **p),
    "student": lambda **p: StudentMixture(**p),
    "student diag": lambda **p: StudentMixture(covariance_type="diag", df=4.0, **p),
    "factors": lambda **p: MixtureOfFactorAnalysers(n_factors=1, **p),
    "components": lambda **p: MixtureOfFactorAnalysers(n_factors=2, noise="spherical", **p),
    "bernoulli": lambda **p: BernoulliMixture(**p),
    "multinomial": lambda **p: MultinomialMixture(**p),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def rows(kind, seed, N=240, D=4):
    """Three groups that overlap, as zeros and ones or counts where the kind asks for them."""
    rng = np.random.default_rng([seed, 1])
    group = rng.integers(0, 3, N)
    if kind == "bernoulli":
        return (rng.random((N, D)) < rng.uniform(0.1, 0.9, (3, D))[group]).astype(float)
    if kind == "multinomial":
        p = rng.dirichlet(np.ones(D), 3)
        return np.stack([rng.multinomial(12, p[k]) for k in group]).astype(float)
    return 2.5 * rng.normal(size=(3, D))[group] + rng.normal(size=(N, D)) @ rng.normal(size=(D, D))


def fitted(kind, X, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", MixtureWarning)
        return KINDS[kind](**({"n_components": 3, "random_state": 0, "tol": 1e-7, "max_iter": 150} | more)).fit(X)


@kinds
def test_the_likelihood_never_decreases_and_responsibilities_add_up_to_one(kind, seed):
    X = rows(kind, seed)
    for how in ("kmeans", "k-means++", "random", "random_from_data"):
        mixture = fitted(kind, X, init_params=how, max_iter=25)
        L = mixture.history_["log_likelihood"]
        assert (np.diff(L) >= -1e-11 * abs(L[-1])).all()
        R = mixture.predict_proba(X)
        np.testing.assert_allclose(R.sum(1), 1.0, rtol=1e-13)
        np.testing.assert_array_equal(R.argmax(1), mixture.labels_)
        assert mixture.lower_bound_ == pytest.approx(mixture.score(X), rel=1e-12)
        assert L[-1] <= mixture.lower_bound_ + 1e-11


@kinds
def test_weights_equal_repetition_and_zero_weight_is_absence(kind, seed):
    X = rows(kind, seed)
    counts = np.random.default_rng(seed).integers(0, 3, len(X))
    weighted = KINDS[kind](n_components=3, random_state=0, max_iter=20, tol=0.0)
    repeated = KINDS[kind](n_components=3, random_state=0, max_iter=20, tol=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighted.fit(X, sample_weight=counts)
        repeated.fit(np.repeat(X, counts, axis=0))
    np.testing.assert_allclose(weighted.log_prob(X), repeated.log_prob(X), rtol=1e-7, atol=1e-8)


@kinds
def test_the_order_of_components_and_columns_does_not_matter(kind, seed):
    X = rows(kind, seed)
    mixture = fitted(kind, X)
    c = mixture._components(mixture._queries(X))
    other = c.take(c.weights.argsort())
    np.testing.assert_allclose(
        np.logaddexp.reduce(other.log_joint(mixture._amounts(mixture._queries(X))).numpy(), 0), mixture.log_prob(X)
    )
    turned = fitted(kind, X[:, ::-1].copy(), init_params="kmeans")
    np.testing.assert_allclose(sorted(turned.restarts_), sorted(mixture.restarts_), rtol=5e-2)


@kinds
def test_samples_have_the_moments_of_the_mixture(kind, seed):
    mixture = fitted(kind, rows(kind, seed))
    N = 20_000
    X, components = mixture.sample(N, random_state=seed)
    assert X.shape == (N, 4) and components.shape == (N,)
    counts = np.bincount(components, minlength=3)
    expected = N * mixture.weights_
    assert ((counts - expected) ** 2 / expected).sum() < 20  # chi-squared of 2 degrees of freedom
    again, _ = mixture.sample(N, random_state=seed)
    np.testing.assert_array_equal(X, again)
    if kind == "student":  # the variance may be infinite
        return
    # The mean log density of draws is minus the entropy, by another seed too.
    a, b = mixture.log_prob(X), mixture.log_prob(mixture.sample(N, random_state=seed + 1)[0])
    assert abs(a.mean() - b.mean()) < 5 * np.hypot(a.std(), b.std()) / np.sqrt(N)
    for k in range(3):
        drawn = X[components == k]
        mean = {"bernoulli": "probabilities_", "multinomial": "probabilities_", "student diag": "locations_"}
        centre = getattr(mixture, mean.get(kind, "means_"))[k] * (12 if kind == "multinomial" else 1)
        assert (np.abs(drawn.mean(0) - centre) < 5 * drawn.std(0) / np.sqrt(len(drawn)) + 1e-5).all()


@kinds
@pytest.mark.parametrize("N", [1, 2, 3])
def test_tiny_sizes_and_more_components_than_rows(kind, N, seed):
    X = rows(kind, seed)[:N]
    with pytest.raises(ValueError, match=f"n_samples = {N}.*lower n_components"):
        KINDS[kind](n_components=N + 1).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixtureWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = KINDS[kind](n_components=N, random_state=0).fit(X)
    assert np.isfinite(mixture.log_prob(X)).all()


@kinds
def test_information_criteria_count_the_parameters(kind, seed):
    X = rows(kind, seed)
    mixture = fitted(kind, X)
    total, K, D = mixture.log_prob(X).sum(), 3, 4
    free = {
        "full": K - 1 + K * D + K * 10,
        "tied": K - 1 + K * D + 10,
        "diag": K - 1 + 2 * K * D,
        "spherical": K - 1 + K * D + K,
        "student": K - 1 + K * D + K * 10 + K,
        "student diag": K - 1 + 2 * K * D,
        "factors": K - 1 + K * (D + D + D),
        "components": K - 1 + K * (D + 7 + 1),
        "bernoulli": K - 1 + K * D,
        "multinomial": K - 1 + K * (D - 1),
    }[kind]
    assert mixture.bic(X) == pytest.approx(-2 * total + free * np.log(len(X)))
    assert mixture.aic(X) == pytest.approx(-2 * total + 2 * free)
    R = np.maximum(mixture.predict_proba(X), 1e-300)
    assert mixture.icl(X) == pytest.approx(mixture.bic(X) - 2 * (R * np.log(R)).sum())


def test_a_warm_start_goes_on_where_the_last_fit_ended(seed):
    X = rows("full", seed)
    whole = fitted("full", X, max_iter=12, tol=0.0)
    parts = GaussianMixture(3, random_state=0, max_iter=6, tol=0.0, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        parts.fit(X).fit(X)
    np.testing.assert_allclose(parts.log_prob(X), whole.log_prob(X), rtol=1e-9)
    with pytest.raises(ValueError, match="warm_start"):
        parts.fit(X[:, :2])
    with pytest.raises(ValueError, match="warm_start"):
        parts.set_params(n_components=2).fit(X)


def test_split_and_merge_leave_a_bad_optimum():
    """Two components on one of three far groups, one on the other two: EM alone cannot get out."""
    rng = np.random.default_rng(0)
    group = np.arange(300) % 3
    X = np.array([[-30.0, 0.0], [30.0, 0.0], [40.0, 0.0]])[group] + rng.normal(size=(300, 2))
    given = {
        "weights_init": [1 / 3] * 3,
        "means_init": [[-30.5, 0.0], [-29.5, 0.0], [35.0, 0.0]],
        "precisions_init": [np.eye(2)] * 3,
    }
    stuck = GaussianMixture(3, tol=1e-6, max_iter=2000, **given).fit(X)
    moved = GaussianMixture(3, tol=1e-6, max_iter=2000, split_merge=3, random_state=0, **given).fit(X)
    assert adjusted_rand_score(group, stuck.labels_) < 0.8 and adjusted_rand_score(group, moved.labels_) > 0.99
    assert moved.lower_bound_ > stuck.lower_bound_ + 0.5 and len(moved.restarts_) > 1


def test_restarts_keep_the_best_and_say_if_they_disagree(seed):
    X = rows("full", seed)
    mixture = fitted("full", X, n_init=3)
    assert mixture.restarts_.shape == (3,) and mixture.lower_bound_ >= mixture.restarts_.max() - 1e-9
    assert len(mixture.history_["log_likelihood"]) == mixture.n_iter_
    with observing():
        assert fitted("full", X, n_init=3).lower_bound_ == mixture.lower_bound_

    class Run:
        def __init__(self, bound):
            self.bound = bound

    assert disagreement([Run(-1.0)], 1e-3, 100.0) == ""
    assert disagreement([Run(-1.0), Run(-1.0001), Run(-9.0)], 1e-3, 100.0) == ""
    assert "only one of 3 restarts" in disagreement([Run(-1.0), Run(-2.0), Run(-2.0)], 1e-3, 100.0)


def test_a_component_that_dies_is_said_and_stands_last():
    X = np.repeat([[0.0], [5.0]], 20, axis=0) + np.tile([[-0.1], [0.1]], (20, 1))
    given = {"weights_init": [0.5, 0.0, 0.5], "means_init": [[0.0], [2.0], [5.0]], "precisions_init": [[[1.0]]] * 3}
    with pytest.warns(MixtureWarning, match=r"1 of 3 components died \(2\)"):
        mixture = GaussianMixture(3, **given).fit(X)
    assert mixture.weights_[2] == 0 and set(mixture.labels_) == {0, 1}
    np.testing.assert_allclose(mixture.means_[:, 0], [0.0, 5.0, 2.0], atol=1e-6)
    assert np.isfinite(mixture.predict_proba(X)).all() and (mixture.predict_proba(X)[:, 2] == 0).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"weights_init": [0.5, 0.6]}, "add up to 1"),
        ({"weights_init": [1.0]}, r"shape \(2,\)"),
        ({"means_init": [[1.0, 2.0]]}, r"shape \(2, 4\)"),
        ({"means_init": [["a"] * 4] * 2}, "numbers"),
        ({"precisions_init": [np.diag([1.0, 1.0, 1.0, -1.0])] * 2}, "positive-definite"),
        ({"precisions_init": [np.triu(np.ones((4, 4)))] * 2}, "symmetric"),
    ],
)
def test_what_is_given_to_start_from_is_checked(given, words, seed):
    with pytest.raises(ValueError, match=words):
        GaussianMixture(2, **given).fit(rows("full", seed))


def test_drawing_asks_for_a_fit_and_a_number(seed):
    with pytest.raises(ValueError, match="not fitted"):
        GaussianMixture().sample(3)
    with pytest.raises(ValueError, match="n_samples"):
        fitted("full", rows("full", seed)).sample(0)

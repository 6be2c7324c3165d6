"""Learning by gradient: Fisher's identity against central differences, and the maximum that Baum-Welch finds."""

import numpy as np
import pytest
import torch

from peira.sequences import GMMHMM, CategoricalHMM, GaussianHMM, MultinomialHMM, PoissonHMM
from peira.sequences.hmm_gradient import LogPosterior

NORMAL = {"means_prior": 0.5, "means_weight": 0.7, "covars_prior": 0.3, "covars_weight": 4.0}
FAMILIES = {
    "categorical": (CategoricalHMM, {"emissionprob_prior": 1.4}),
    "multinomial": (MultinomialHMM, {"emissionprob_prior": 1.4}),
    "poisson": (PoissonHMM, {"lambdas_prior": 0.5, "lambdas_weight": 0.2}),
    **{shape: (GaussianHMM, {"covariance_type": shape, **NORMAL}) for shape in ("full", "tied", "diag", "spherical")},
    **{
        f"mixture, {shape}": (GMMHMM, {"n_mix": 2, "covariance_type": shape, "weights_prior": 1.3, **NORMAL})
        for shape in ("full", "tied", "diag", "spherical")
    },
}


def sequences(family, rng, T=12, N=3):
    z = np.repeat(rng.integers(0, 3, (N, T // 3)), 3, axis=1)
    if family == "categorical":
        return [rng.choice(4, T, p=[0.1, 0.2, 0.3, 0.4]) for _ in range(N)]
    if family == "multinomial":
        return [np.array([rng.multinomial(5, np.eye(3)[k] * 0.7 + 0.1) for k in row], float) for row in z]
    if family == "poisson":
        return [rng.poisson(3.0 * row[:, None] + 1, (T, 2)).astype(float) for row in z]
    return [3.0 * row[:, None] + rng.normal(size=(T, 2)) for row in z]


@pytest.mark.parametrize("tied", [None, [[0, 2]]])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_is_that_of_central_differences(family, tied, seed):
    rng = np.random.default_rng([seed, 1])
    cls, settings = FAMILIES[family]
    X = sequences(family, rng)
    if "mixture" not in family and family not in ("categorical", "multinomial"):
        X[0][1, 0] = X[1][3] = np.nan
    model = cls(3, tied=tied, startprob_prior=1.2, transmat_prior=1.5, topology=[[1, 1, 0], [1, 1, 1], [0, 1, 1]],
                random_state=seed, **settings)  # fmt: skip
    data = model._open_fit(X, np.array([1.0, 2.0, 0.5]))
    steps = model._steps(data, data.w)
    chain, emissions = model._start(steps, seed, again=False)
    f = LogPosterior(chain, emissions, steps, model._priors(chain), "st" + emissions.letters)
    u, h = torch.from_numpy(0.3 * rng.normal(size=f.size)), 1e-5
    slopes = f(u)[1].numpy()
    for i, e in enumerate(h * torch.eye(f.size, dtype=torch.float64)):
        assert (f(u + e)[0] - f(u - e)[0]) / (2 * h) == pytest.approx(slopes[i], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_reaches_what_baum_welch_reaches(family, seed):
    """From the same start to the same maximum, and what is held fixed stays."""
    cls, settings = FAMILIES[family]
    X = sequences(family, np.random.default_rng([seed, 2]), T=30)
    shared = {"n_iter": 2000, "tol": 1e-7, "random_state": seed, "transmat_prior": 1.5, **settings}
    counted = cls(3, **shared).fit(X)
    climbed = cls(3, learning="gradient", **shared).fit(X)
    values = climbed.history_["log_posterior"]
    assert climbed.converged_ and np.diff(values).min() > -1e-9
    assert values[0] == pytest.approx(counted.history_["log_posterior"][0], abs=1e-9)
    assert values[-1] >= counted.history_["log_posterior"][-1] - 1e-4 * abs(values[-1])
    held = cls(3, learning="gradient", params="st", **shared).fit(X)
    np.testing.assert_allclose(held.transmat_, cls(3, params="st", **shared).fit(X).transmat_, atol=1e-3)


def test_long_steps_of_far_and_few_numbers_are_taken_back(seed):
    rng = np.random.default_rng([seed, 3])
    X = [1e6 + np.r_[rng.normal(size=20), 1e4 * rng.normal(size=5)], [1e6], [1e6, 1e6]]
    for shape in ("full", "diag"):
        model = GaussianHMM(2, learning="gradient", covariance_type=shape, n_iter=500, random_state=seed).fit(X)
        best = GaussianHMM(2, covariance_type=shape, n_iter=500, random_state=seed).fit(X)
        assert model.history_["log_posterior"][-1] > best.history_["log_posterior"][-1] - 0.1
    with pytest.raises(ValueError, match="impossible"):
        CategoricalHMM(1, learning="gradient", emissionprob_init=[[1.0, 0.0]]).fit([[0, 1]])

"""Random Fourier features are unbiased with the variance that theory gives; Nystroem is a projection."""

import numpy as np
import pytest
import torch
from sklearn.kernel_approximation import Nystroem as TheirNystroem

from peira.core.errors import DataError, ParameterError
from peira.kernels import RBF, DotProduct, Laplacian, Linear, Matern, Nystroem, Polynomial, RBFSampler, Sigmoid
from peira.kernels.similarity import default_gamma


def items(seed, N=12, D=3):
    return np.random.default_rng([seed, N, D]).normal(size=(N, D))


def test_fourier_features_are_unbiased_with_the_stated_variance(seed):
    X, gamma, M, runs = items(seed, 6), 0.3, 20, 4000
    K = RBF((2 * gamma) ** -0.5)(X)
    features = RBFSampler(gamma=gamma, n_components=M * runs, random_state=seed).fit(X)
    W, b = features.random_weights_, features.random_offset_
    Z = np.sqrt(2 / M) * np.cos(X @ W + b).reshape(6, runs, M)
    estimates = np.einsum("nrm,krm->rnk", Z, Z)
    variance = (1 + K**4 / 2 - K**2) / M
    assert (variance <= 1 / M).all()
    assert (np.abs(estimates.mean(0) - K) < 5 * np.sqrt(variance / runs)).all()
    np.testing.assert_allclose(estimates.var(0), variance, rtol=0.2)


def test_the_error_halves_with_four_times_the_features(seed):
    X, runs = items(seed, 20), 200
    K = RBF((2 * 0.3) ** -0.5)(X)
    errors = []
    for M in (25, 100, 400):
        squares = []
        for run in range(runs):
            Z = RBFSampler(gamma=0.3, n_components=M, random_state=1000 * seed + run).fit_transform(X)
            assert Z.shape == (20, M) and (np.abs(Z) <= np.sqrt(2 / M)).all()
            squares.append(np.mean((Z @ Z.T - K) ** 2))
        errors.append(np.sqrt(np.mean(squares)))
    assert 1.7 < errors[0] / errors[1] < 2.35 and 1.7 < errors[1] / errors[2] < 2.35


def test_scale_and_seed(seed):
    X = items(seed)
    a, b = (RBFSampler(gamma="scale", n_components=4, random_state=seed).fit(X) for _ in range(2))
    assert (
        a.gamma_ == pytest.approx(1 / (3 * X.var())) == pytest.approx(default_gamma(torch.from_numpy(X), None, "scale"))
    )
    np.testing.assert_array_equal(a.transform(X), b.transform(X))
    assert list(a.get_feature_names_out()) == ["rbfsampler0", "rbfsampler1", "rbfsampler2", "rbfsampler3"]


@pytest.mark.parametrize(
    "kernel", [RBF(), Matern(), Laplacian(), Linear(), Polynomial(2), RBF() + DotProduct()], ids=repr
)
@pytest.mark.parametrize("N", [1, 2, 3, 30])
def test_exact_when_all_rows_are_landmarks(kernel, N, seed):
    X = items(seed, N)
    X[-1] = X[0]  # a singular matrix: two landmarks alike
    Z = Nystroem(kernel, n_components=N, random_state=seed).fit_transform(X)
    np.testing.assert_allclose(Z @ Z.T, kernel(X), atol=1e-10 * np.abs(kernel(X)).max())


@pytest.mark.parametrize("kernel", [RBF(), Matern(nu=0.5), Polynomial(3)], ids=repr)
def test_it_is_a_projection(kernel, seed):
    X = items(seed, 40)
    K = kernel(X)
    left = []
    for M in (1, 3, 10, 40):
        model = Nystroem(kernel, n_components=M, random_state=seed).fit(X)
        Z, rows = model.transform(X), model.component_indices_
        np.testing.assert_array_equal(model.components_, X[rows])
        np.testing.assert_allclose((Z @ Z.T)[rows], K[rows], atol=1e-9 * K.max())  # exact beside a landmark
        rest = np.linalg.eigvalsh(K - Z @ Z.T)
        assert rest[0] > -1e-9 * K.max()
        left.append(rest.sum())
    assert left[0] > left[1] > left[2] > left[3] > -1e-7 * K.max()


def test_enough_landmarks_for_the_rank(seed):
    """Ten features are spanned by ten landmarks in general position."""
    X = items(seed, 40)
    kernel = Polynomial(2)
    Z = Nystroem(kernel, n_components=10, random_state=seed).fit_transform(X)
    np.testing.assert_allclose(Z @ Z.T, kernel(X), atol=1e-8 * kernel(X).max())


def test_the_same_features_as_scikit_learn(seed):
    X = items(seed, 20)
    theirs = TheirNystroem(kernel="poly", gamma=0.4, degree=2, coef0=0.3, n_components=8, random_state=seed).fit(X)
    ours = Nystroem("poly", gamma=0.4, degree=2, coef0=0.3, n_components=20).fit(X)
    landmarks = theirs.components_
    again = Nystroem("poly", gamma=0.4, degree=2, coef0=0.3, n_components=8).fit(landmarks)
    A, B = theirs.transform(X), again.transform(X)
    np.testing.assert_allclose(A @ A.T, B @ B.T, atol=1e-8)
    assert ours.transform(X).shape == (20, 20)


def test_what_is_refused(seed):
    X = items(seed, 20)
    with pytest.raises(DataError, match="is_valid_kernel"):
        Nystroem(Sigmoid(2.0, -1.0), n_components=20).fit(X)
    with pytest.raises(ParameterError, match="unknown kernel 'rfb'"):
        Nystroem("rfb").fit(X)

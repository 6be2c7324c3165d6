"""De-noising: exact optima by their conditions, closed forms of the error, brute force on tiny images, edges."""

import warnings

import numpy as np
import pytest
import skimage.restoration
import torch
from sklearn.exceptions import ConvergenceWarning

from peira.core import DataError, ParameterError
from peira.latent import NonLocalMeans, TotalVariation, WienerFilter
from peira.latent.noise_level import noise_level
from peira.latent.taut_string import taut_strings
from peira.latent.total_variation_images import divergence, gradient, smooth_images

METHODS = (NonLocalMeans, TotalVariation, WienerFilter)


def string(y, lam):
    U = np.empty((1, len(y)))
    taut_strings(np.asarray(y, dtype=float)[None], np.array([float(lam)]), U)
    return U[0]


def steps(seed, N=3, D=60):
    rng = np.random.default_rng([seed, 5])
    clean = np.repeat(rng.normal(size=(N, D // 10)) * 3, 10, axis=1)
    return clean, clean + 0.3 * rng.normal(size=clean.shape)


def autoregression(rng, N, D, a):
    """Periodic autoregressions, exactly stationary on the circle, by their spectrum."""
    S = 1 / np.abs(1 - a * np.exp(-2j * np.pi * np.arange(D) / D)) ** 2
    return np.fft.ifft(np.fft.fft(rng.normal(size=(N, D))) * np.sqrt(S)).real, S


# ------------------------------------------------------------------ total variation


@pytest.mark.parametrize("D", [1, 2, 3, 4, 7, 40])
@pytest.mark.parametrize("lam", [0.0, 1e-3, 0.3, 1.0, 5.0, 1e3])
def test_the_string_is_optimal(D, lam, seed):
    """The conditions of the minimum: z = cumsum(y - u) stays within lam, touches it where u jumps, and ends at 0."""
    for k in range(20):
        rng = np.random.default_rng([seed, D, k])
        y = rng.normal(size=D) if k % 2 else np.round(2 * rng.normal(size=D)).cumsum()
        u = string(y, lam)
        z, jumps = np.cumsum(y - u), np.diff(u)
        slack = 1e-12 * max(1.0, np.abs(y).sum())
        assert abs(z[-1]) <= slack and (np.abs(z[:-1]) <= lam + slack).all()
        np.testing.assert_allclose(
            z[:-1] * jumps, -lam * np.abs(jumps), atol=slack * max(1.0, np.abs(jumps).max(initial=0))
        )


def test_the_string_by_hand():
    np.testing.assert_allclose(string([0.0, 4.0], 1.0), [1.0, 3.0])
    np.testing.assert_allclose(string([0.0, 4.0], 2.0), [2.0, 2.0])
    np.testing.assert_allclose(string([0.0, 3.0, 0.0], 1.0), [1.0, 1.0, 1.0])
    np.testing.assert_allclose(string([0.0, 6.0, 0.0], 1.0), [1.0, 4.0, 1.0])
    np.testing.assert_allclose(string([5.0], 3.0), [5.0])


def test_gradient_and_divergence_are_adjoint(seed):
    g = torch.Generator().manual_seed(seed)
    for H, W in ((1, 1), (1, 5), (4, 1), (3, 4)):
        u = torch.randn(2, H, W, generator=g, dtype=torch.float64)
        p = torch.randn(2, 2, H, W, generator=g, dtype=torch.float64)
        assert float((gradient(u) * p).sum()) == pytest.approx(-float((u * divergence(p)).sum()), abs=1e-12)


def test_one_row_of_pixels_is_a_taut_string(seed):
    """The dual method and the string solve the same problem."""
    _, y = steps(seed)
    for lam in (0.1, 1.0, 4.0):
        U, gap = smooth_images(torch.from_numpy(y[:, None]), torch.full((len(y),), lam).double(), None, 1e-12, 20_000)
        assert gap <= 1e-12
        np.testing.assert_allclose(U[:, 0].numpy(), [string(row, lam) for row in y], atol=1e-5)


def primal(u, y, lam):
    d = [np.diff(u, axis=k, append=u[-1:] if k == 0 else u[:, -1:]) for k in (0, 1)]
    return ((u - y) ** 2).sum() / 2 + lam * np.sqrt(d[0] ** 2 + d[1] ** 2).sum()


def test_no_image_nearby_is_better_than_the_gap_allows(seed):
    rng = np.random.default_rng(seed)
    y, lam = rng.normal(size=(5, 6)), 0.7
    method = TotalVariation(weight=lam, shape=(5, 6), tol=1e-9, max_num_iter=20_000)
    u = method.fit_transform(y.reshape(1, -1)).reshape(5, 6)
    best, slack = primal(u, y, lam), 1e-9 * ((y - y.mean()) ** 2).sum() / 2
    for _ in range(300):
        size = 10 ** rng.uniform(-6, 0)
        assert primal(u + size * rng.normal(size=u.shape), y, lam) >= best - slack
    assert best < min(primal(y, y, lam), primal(np.full_like(y, y.mean()), y, lam))
    theirs = skimage.restoration.denoise_tv_chambolle(y, weight=lam, eps=1e-12, max_num_iter=20_000)
    assert primal(theirs, y, lam) >= best - slack
    np.testing.assert_allclose(u, theirs, atol=1e-2)


@pytest.mark.parametrize("shape", [None, (6, 10)])
def test_what_is_lost_is_the_noise(shape, seed):
    _, y = steps(seed)
    u = TotalVariation(sigma=0.3, shape=shape).fit_transform(y)
    np.testing.assert_allclose(np.sqrt(((u - y) ** 2).mean(1)), 0.3, rtol=2e-3 if shape else 1e-9)
    np.testing.assert_allclose(u.mean(1), y.mean(1), atol=1e-12)
    flat = TotalVariation(sigma=50.0, shape=shape).fit_transform(y)
    np.testing.assert_allclose(flat, np.repeat(y.mean(1, keepdims=True), 60, 1), atol=1e-12)
    np.testing.assert_array_equal(TotalVariation(sigma=0.0, shape=shape).fit_transform(y), y)
    np.testing.assert_array_equal(TotalVariation(weight=0.0, shape=shape).fit_transform(y), y)


def test_steps_come_back(seed):
    clean, y = steps(seed)
    u = TotalVariation(weight=0.5).fit_transform(y)
    assert ((u - clean) ** 2).mean() < 0.5 * ((y - clean) ** 2).mean()


def test_too_few_steps_are_told(seed):
    _, y = steps(seed)
    with pytest.warns(ConvergenceWarning, match="gap is .* away"):
        TotalVariation(weight=1.0, shape=(6, 10), max_num_iter=3, tol=1e-9).fit_transform(y)


# ------------------------------------------------------------------ the Wiener filter


def test_the_error_is_that_of_the_closed_form(seed):
    """Autoregression in white noise: the mean over frequencies is the closed form of the integral of S N / (S + N)."""
    rng, a, noise, D = np.random.default_rng(seed), 0.8, 0.5, 256
    s, S = autoregression(rng, 400, D, a)
    y = s + np.sqrt(noise) * rng.normal(size=s.shape)
    method = WienerFilter(signal_spectrum=S, sigma=np.sqrt(noise)).fit(y)
    u = 1 + noise * (1 + a * a)
    assert method.mse_ == pytest.approx(noise / np.sqrt(u * u - 4 * (a * noise) ** 2), rel=1e-12)
    errors = ((method.transform(y) - s) ** 2).mean(1)
    assert errors.mean() == pytest.approx(method.mse_, abs=4 * errors.std() / np.sqrt(len(errors)))
    learned = WienerFilter(sigma=np.sqrt(noise)).fit(y)
    assert ((learned.transform(y) - s) ** 2).mean() < 1.05 * method.mse_


@pytest.mark.parametrize("shape", [(1, 8), (3, 4), (4, 5)])
def test_the_filter_is_the_conditional_mean(shape, seed):
    """Against the covariance matrices of the signal and of the noise on the circle: S (S + N)^-1 (y - m) + m."""
    rng, n = np.random.default_rng(seed), np.prod(shape)
    spectra = []
    for _ in range(2):
        S = rng.uniform(0.1, 2, shape)
        spectra.append((S + np.roll(S[::-1, ::-1], 1, (0, 1))) / 2)
    X = rng.normal(size=(7, n)) + 1
    method = WienerFilter(signal_spectrum=spectra[0], noise_spectrum=spectra[1], shape=shape).fit(X)
    F = np.fft.fft2(np.eye(n).reshape(n, *shape)).reshape(n, n) / np.sqrt(n)
    S, N = ((F.conj() * P.ravel()) @ F.T for P in spectra)
    assert np.abs(S.imag).max() < 1e-12 and np.abs(S - S.T).max() < 1e-12
    gain = (S @ np.linalg.inv(S + N)).real
    np.testing.assert_allclose(method.transform(X), X.mean() + (X - X.mean()) @ gain.T, atol=1e-12)
    assert method.mse_ == pytest.approx(np.trace(S @ np.linalg.inv(S + N) @ N).real / n)


def test_a_single_row_is_smoothed_over_its_frequencies(seed):
    rng = np.random.default_rng(seed)
    s, _ = autoregression(rng, 1, 2048, 0.95)
    y = s + rng.normal(size=s.shape)
    ragged, smooth = (WienerFilter(sigma=1.0, smoothing=k).fit(y) for k in (0, None))
    errors = [((method.transform(y) - s) ** 2).mean() for method in (ragged, smooth)]
    assert errors[1] < errors[0] and errors[1] < 0.5


def test_spectra_that_no_real_signal_has_are_refused():
    X = np.random.default_rng(0).normal(size=(5, 4))
    for wrong in ([1.0, 2.0, 1.0, 3.0], [1.0, -1.0, 1.0, -1.0], [1.0, 2.0], "abc", [1.0, np.nan, 1.0, np.nan]):
        with pytest.raises(ParameterError, match="signal_spectrum|'signal_spectrum'"):
            WienerFilter(signal_spectrum=wrong).fit(X)
    with pytest.raises(DataError, match="beyond the range"):
        WienerFilter().fit(X * 1e200)


# ------------------------------------------------------------------ non-local means


def brute(y, reach, search, sigma, h):
    """By the definition, patch by patch."""
    pads = [r + s for r, s in zip(reach, search, strict=True)]
    P = np.pad(y, [(p, p) for p in pads], mode="symmetric")
    out = np.empty(y.shape)

    def patch(i, j):
        return P[i - reach[0] : i + reach[0] + 1, j - reach[1] : j + reach[1] + 1]

    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            a, b = i + pads[0], j + pads[1]
            weights, values = [], []
            for k in range(a - search[0], a + search[0] + 1):
                for m in range(b - search[1], b + search[1] + 1):
                    d = ((patch(a, b) - patch(k, m)) ** 2).mean()
                    weights.append(np.exp(-max(d - 2 * sigma**2, 0) / h**2))
                    values.append(P[k, m])
            out[i, j] = np.average(values, weights=weights)
    return out


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (6, 5)])
def test_patches_are_compared_as_defined(shape, seed):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(2, *shape))
    method = NonLocalMeans(patch_size=3, patch_distance=2, sigma=0.4, h=0.7, shape=shape)
    found = method.fit_transform(y.reshape(2, -1)).reshape(2, *shape)
    reach, search = ([r if n > 1 else 0 for n in shape] for r in (1, 2))
    np.testing.assert_allclose(found, [brute(image, reach, search, 0.4, 0.7) for image in y], rtol=1e-12)


def test_textures_come_back(seed):
    rng = np.random.default_rng(seed)
    clean = np.tile(rng.normal(size=8) * 2, 40)
    y = clean + 0.3 * rng.normal(size=clean.shape)
    method = NonLocalMeans(sigma=0.3, patch_size=7, patch_distance=60)
    assert ((method.fit_transform(y[None]) - clean) ** 2).mean() < 0.3 * 0.3**2


# ------------------------------------------------------------------ all


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (60, 70)])
def test_the_level_of_the_noise(shape, seed):
    rng = np.random.default_rng(seed)
    smooth = np.add.outer(np.linspace(0, 3, shape[0]) ** 2, np.sin(np.linspace(0, 4, shape[1])))
    y = torch.from_numpy(smooth + 0.2 * rng.normal(size=shape))[None]
    assert noise_level(y) == pytest.approx(0.2, rel=0.1)
    assert noise_level(y[:, :1, :1]) == 0 and noise_level(y[:, :1, :2].reshape(1, 1, -1)) >= 0


@pytest.mark.parametrize("cls", METHODS)
@pytest.mark.parametrize("D", [1, 2, 3])
def test_the_shortest_rows(cls, D, seed):
    X = np.random.default_rng([seed, D]).normal(size=(4, D))
    assert np.isfinite(cls().fit_transform(X)).all()
    assert np.isfinite(cls(shape=(D, 1)).fit_transform(X)).all()
    np.testing.assert_allclose(cls().fit_transform(np.ones((2, D))), 1.0)


@pytest.mark.parametrize("cls", METHODS)
def test_images_turned_by_a_quarter_are_cleaned_alike(cls, seed):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(3, 6, 5)) + np.linspace(0, 3, 5)
    plain = cls(sigma=0.5, shape=(6, 5)).fit_transform(y.reshape(3, -1)).reshape(3, 6, 5)
    turned = cls(sigma=0.5, shape=(5, 6)).fit_transform(y.transpose(0, 2, 1).reshape(3, -1)).reshape(3, 5, 6)
    np.testing.assert_allclose(turned.transpose(0, 2, 1), plain, atol=1e-8)


@pytest.mark.parametrize("cls", METHODS)
def test_names_and_shapes(cls):
    X = np.random.default_rng(0).normal(size=(5, 6))
    assert cls().fit(X).get_feature_names_out().tolist() == [f"x{j}" for j in range(6)]
    assert cls(shape=(2, 3)).fit(X).shape_ == [2, 3]
    for wrong in ((2, 2), (6,), (-2, -3), (2.0, 3.0)):
        with pytest.raises(ParameterError, match="shape"):
            cls(shape=wrong).fit(X)
    if cls is NonLocalMeans:
        with pytest.raises(ParameterError, match="odd"):
            cls(patch_size=4).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cls(sigma=0.0).fit_transform(X)

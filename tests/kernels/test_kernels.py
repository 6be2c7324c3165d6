"""Kernels: against scikit-learn's, their gradients by three other routes, their algebra, their words."""

import math

import numpy as np
import pytest
import sklearn.gaussian_process.kernels as theirs
import torch
from sklearn.metrics import pairwise

import peira.kernels
from peira.core.errors import DataError, ParameterError
from peira.kernels import (
    RBF,
    ConstantKernel,
    Cosine,
    DotProduct,
    Exponentiation,
    ExpSineSquared,
    FunctionKernel,
    Kernel,
    Laplacian,
    Linear,
    Matern,
    OnColumns,
    Polynomial,
    Product,
    RationalQuadratic,
    Sigmoid,
    Spectrum,
    Sum,
    Wave,
    WhiteKernel,
    kernel_named,
)

SCALES = [0.7, 1.9, 1.1]
PAIRS = [
    (RBF(1.3), theirs.RBF(1.3)),
    (RBF(SCALES), theirs.RBF(SCALES)),
    (RBF(1.3, "fixed"), theirs.RBF(1.3, "fixed")),
    *[(Matern(0.8, nu=nu), theirs.Matern(0.8, nu=nu)) for nu in (0.5, 1.5, 2.5, math.inf)],
    *[(Matern(SCALES, nu=nu), theirs.Matern(SCALES, nu=nu)) for nu in (0.5, 1.5, 2.5, math.inf)],
    (RationalQuadratic(1.4, 0.6), theirs.RationalQuadratic(1.4, 0.6)),
    (RationalQuadratic(1.4, 0.6, alpha_bounds="fixed"), theirs.RationalQuadratic(1.4, 0.6, alpha_bounds="fixed")),
    (
        RationalQuadratic(1.4, 0.6, length_scale_bounds="fixed"),
        theirs.RationalQuadratic(1.4, 0.6, length_scale_bounds="fixed"),
    ),
    (ExpSineSquared(1.2, 2.7), theirs.ExpSineSquared(1.2, 2.7)),
    (ExpSineSquared(1.2, 2.7, "fixed"), theirs.ExpSineSquared(1.2, 2.7, "fixed")),
    (DotProduct(1.6), theirs.DotProduct(1.6)),
    (ConstantKernel(1.7), theirs.ConstantKernel(1.7)),
    (WhiteKernel(0.3), theirs.WhiteKernel(0.3)),
    (
        2.0 * RBF(SCALES) * RationalQuadratic() + WhiteKernel(0.1) + 0.3 * Matern(1.5) ** 2,
        2.0 * theirs.RBF(SCALES) * theirs.RationalQuadratic() + theirs.WhiteKernel(0.1) + 0.3 * theirs.Matern(1.5) ** 2,
    ),
    (WhiteKernel(0.1) + DotProduct() ** 2, theirs.WhiteKernel(0.1) + theirs.DotProduct() ** 2),
    (WhiteKernel(0.1, "fixed") + RBF(), theirs.WhiteKernel(0.1, "fixed") + theirs.RBF()),
    (RBF() + WhiteKernel(0.1, "fixed"), theirs.RBF() + theirs.WhiteKernel(0.1, "fixed")),
]
OURS = [
    Linear(),
    Polynomial(3, 0.4, 0.7),
    Polynomial(2, 0.4, 0.0),
    Polynomial(2, 0.4, 0.7, "fixed"),
    Sigmoid(0.3, -0.2),
    Cosine(),
    Laplacian(1.4),
    Laplacian(SCALES),
    Laplacian(1.4, "fixed"),
    Wave(3.1),
    Wave([2.0, 3.0, 5.0]),
    Wave(3.1, "fixed"),
    Matern(0.9, nu=0.8),
    Matern(SCALES, nu=3.7),
    RationalQuadratic(SCALES, 1.3),
    RBF(0.5).on([2]) * Wave(2.0).on([0]) + Linear().on([0, 1]) ** 2 + 0.5,
    FunctionKernel(lambda x, z: float(x @ z)),
]
VALID = [k for k, _ in PAIRS if "Sine" not in repr(k)] + [k for k in OURS if not isinstance(k, Sigmoid)]
ALL = [k for k, _ in PAIRS] + OURS


def items(seed, N=9, D=3):
    return np.random.default_rng([seed, N]).normal(size=(N, D))


def symmetric(seed, N):
    W = np.random.default_rng([seed, 5]).normal(size=(N, N))
    return W + W.T


@pytest.mark.parametrize(("ours", "peer"), PAIRS, ids=repr)
def test_equals_scikit_learns(ours, peer, seed):
    X, Z = items(seed), items(seed + 1, 4)
    K, G = peer(X, eval_gradient=True)
    np.testing.assert_allclose(ours(X), K, atol=1e-12, rtol=1e-12)
    np.testing.assert_allclose(ours(X, Z), peer(X, Z), atol=1e-12, rtol=1e-12)
    np.testing.assert_allclose(ours.diag(X), peer.diag(X), atol=1e-12)
    np.testing.assert_allclose(ours.theta, peer.theta, atol=1e-15)
    np.testing.assert_allclose(ours.bounds.reshape(-1, 2), np.reshape(peer.bounds, (-1, 2)), atol=1e-15)
    W = symmetric(seed, len(X))
    slope = ours._pullback(torch.from_numpy(X))[1](torch.from_numpy(W)).numpy()
    np.testing.assert_allclose(slope, np.einsum("ij,ijp->p", W, G), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("nu", [0.3, 0.75, 1.0, 2.0, 3.3, 7.5, 20.0, 50.0])
def test_any_smoothness_equals_scikit_learns(nu, seed):
    X = items(seed)
    np.testing.assert_allclose(Matern(0.8, nu=nu)(X), theirs.Matern(0.8, nu=nu)(X), atol=1e-12, rtol=1e-11)


@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5])
def test_the_bessel_function_gives_the_half_integers(nu, seed):
    X = items(seed)
    between = Matern(0.8, nu=nu * (1 + 1e-9))(X)
    np.testing.assert_allclose(Matern(0.8, nu=nu)(X), between, rtol=1e-7)


def test_matern_of_tiny_distances_is_one():
    x = np.array([[0.0], [1e-150], [1e-20], [1e-8], [1e-5]])
    for nu in (0.5, 0.7, 1.5, 2.5, 10.0, 50.0, math.inf):
        K = Matern(nu=nu)(x)
        assert (K.diagonal() == 1).all()
        assert (np.abs(1 - K) <= 1e-3 if nu < 1 else np.abs(1 - K) < 1e-4).all()


def test_matern_grows_into_rbf(seed):
    X = items(seed)
    errors = [np.abs(Matern(nu=nu)(X) - RBF()(X)).max() for nu in (5.5, 15.5, 45.5)]
    assert errors[0] > errors[1] > errors[2]
    np.testing.assert_array_equal(Matern(nu=math.inf)(X), RBF()(X))
    np.testing.assert_allclose(RationalQuadratic(alpha=1e9)(X), RBF()(X), atol=1e-8)


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("linear", pairwise.linear_kernel),
        ("poly", lambda X, Z: pairwise.polynomial_kernel(X, Z, degree=2, gamma=0.4, coef0=0.7)),
        ("rbf", lambda X, Z: pairwise.rbf_kernel(X, Z, gamma=0.4)),
        ("laplacian", lambda X, Z: pairwise.laplacian_kernel(X, Z, gamma=0.4)),
        ("sigmoid", lambda X, Z: pairwise.sigmoid_kernel(X, Z, gamma=0.4, coef0=0.7)),
        ("cosine", pairwise.cosine_similarity),
    ],
)
def test_names_are_scikit_learns(name, peer, seed):
    X, Z = items(seed), items(seed + 1, 4)
    kernel = kernel_named(name, gamma=0.4, degree=2, coef0=0.7)
    np.testing.assert_allclose(kernel(X), peer(X, X), atol=1e-12)
    np.testing.assert_allclose(kernel(X, Z), peer(X, Z), atol=1e-12)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ParameterError, match="sigmoid"):
        kernel_named("sigmoit")
    with pytest.raises(ParameterError, match="gamma"):
        kernel_named("rbf", gamma=0.0)


@pytest.mark.parametrize("kernel", ALL, ids=repr)
def test_closed_gradients_equal_automatic_and_central_differences(kernel, seed):
    X, W = torch.from_numpy(items(seed)), torch.from_numpy(symmetric(seed, 9))
    K, back = kernel._pullback(X)
    slope = back(W)
    torch.testing.assert_close(K, kernel._gram(X), rtol=1e-13, atol=1e-13)
    assert slope.shape == (len(kernel.theta),)
    _, automatic = Kernel._pullback(kernel, X)
    torch.testing.assert_close(slope, automatic(W), rtol=1e-9, atol=1e-9)
    h = 1e-5
    for p, name in enumerate(kernel.hyperparameter_names()):
        step = h * (np.arange(len(slope)) == p)
        up, down = (kernel.with_theta(kernel.theta + s)._gram(X) for s in (step, -step))
        central = float((W * (up - down)).sum()) / (2 * h)
        assert slope[p].item() == pytest.approx(central, rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize("kernel", [k for k in ALL if not isinstance(k, FunctionKernel)], ids=repr)
def test_items_have_gradients_too(kernel, seed):
    X = torch.from_numpy(items(seed, 5)).requires_grad_()
    Z = torch.from_numpy(items(seed + 1, 3)).requires_grad_()
    if kernel._gram(X.detach(), Z.detach()).any() and "Constant" not in repr(kernel):
        assert torch.autograd.gradcheck(kernel._gram, (X, Z), atol=1e-5, rtol=1e-4)
    K = kernel._gram(X)
    if K.requires_grad:
        (slope,) = torch.autograd.grad(K.sum(), X)
        assert torch.isfinite(slope).all()


@pytest.mark.parametrize("kernel", ALL, ids=repr)
@pytest.mark.parametrize("N", [1, 2, 3, 600])
def test_gram_matrices_are_symmetric_to_the_last_bit(kernel, N, seed):
    if N > 100 and isinstance(kernel, FunctionKernel):
        pytest.skip("a Python call for each pair")
    X = items(seed, N)
    X[-1] = X[0]  # equal items
    T = torch.from_numpy(X)
    for K in (kernel(X), kernel._gram(T).numpy(), kernel._pullback(T)[0].numpy()):
        assert K.shape == (N, N)
        np.testing.assert_array_equal(K, K.T)
    np.testing.assert_allclose(kernel(X), kernel._gram(T), atol=1e-12)
    np.testing.assert_allclose(kernel(X).diagonal(), kernel.diag(X), atol=1e-12)


@pytest.mark.parametrize("kernel", ALL, ids=repr)
def test_single_precision_stays_single(kernel, seed):
    X = items(seed)
    single = torch.from_numpy(X).float()
    for K in (kernel._gram(single), kernel._gram(single, single[:2]), kernel._diagonal(single)):
        assert K.dtype == torch.float32
    np.testing.assert_allclose(kernel._gram(single), kernel(X), atol=2e-5, rtol=2e-5)
    K, back = kernel._pullback(single)
    assert K.dtype == back(K).dtype == torch.float32


@pytest.mark.parametrize("kernel", [k for k in ALL if k._n_features(3)], ids=repr)
def test_explicit_features_give_the_kernel(kernel, seed):
    X, Z = torch.from_numpy(items(seed)), torch.from_numpy(items(seed + 1, 4))
    A, B = kernel._features(X), kernel._features(Z)
    assert A.shape == (9, kernel._n_features(3))
    torch.testing.assert_close(A @ B.T, kernel._gram(X, Z), rtol=1e-12, atol=1e-12)


def test_features_that_are_infinitely_many():
    assert RBF()._n_features(3) is None and (RBF() + Linear())._n_features(3) is None
    with pytest.raises(NotImplementedError, match="infinitely"):
        RBF()._features(torch.zeros(1, 1))


# ---------------------------------------------------------------------- algebra


def test_sums_products_and_powers(seed):
    X, Z = items(seed), items(seed + 1, 4)
    a, b = RBF(0.7), Matern(1.3)
    np.testing.assert_allclose((a + b)(X, Z), a(X, Z) + b(X, Z))
    np.testing.assert_allclose((a * b)(X, Z), a(X, Z) * b(X, Z))
    np.testing.assert_allclose((2 * a)(X, Z), 2 * a(X, Z))
    np.testing.assert_allclose((a + 2)(X), a(X) + 2)
    np.testing.assert_allclose((2 + a)(X), (a * 1 + 2)(X))
    np.testing.assert_allclose((a**3)(X, Z), a(X, Z) ** 3)
    np.testing.assert_allclose(a.on([2, 0])(X, Z), a(X[:, [2, 0]], Z[:, [2, 0]]))
    assert isinstance(a + b, Sum) and isinstance(a * b, Product) and isinstance(a**2, Exponentiation)
    assert isinstance(a.on([0]), OnColumns)


def test_noise_is_shared_by_no_two_items(seed):
    X = items(seed)
    np.testing.assert_array_equal(WhiteKernel(0.5)(X), 0.5 * np.eye(9))
    np.testing.assert_array_equal(WhiteKernel(0.5)(X, X), np.zeros((9, 9)))


@pytest.mark.parametrize(
    ("kernel", "typed"),
    [
        (RBF() + WhiteKernel(0.1), "RBF() + WhiteKernel(0.1)"),
        (2.0 * RBF(0.5) + 1.0, "2.0 * RBF(0.5) + 1.0"),
        ((RBF() + 1.0) * Linear(), "(RBF() + 1.0) * Linear()"),
        (RBF() * (Linear() * Cosine()), "RBF() * (Linear() * Cosine())"),
        (RBF() * Linear() * Cosine(), "RBF() * Linear() * Cosine()"),
        (RBF() + (Linear() + Cosine()), "RBF() + (Linear() + Cosine())"),
        (ConstantKernel(2.0) * ConstantKernel(3.0), "ConstantKernel(2.0) * ConstantKernel(3.0)"),
        (ConstantKernel(2.0) + ConstantKernel(3.0) + RBF(), "ConstantKernel(2.0) + ConstantKernel(3.0) + RBF()"),
        (
            ConstantKernel(2.0, (1.0, 4.0)) * RBF([1.0, 2.0]),
            "ConstantKernel(2.0, (1.0, 4.0)) * RBF([1.0, 2.0])",
        ),
        ((RBF() + Linear()) ** 2, "(RBF() + Linear()) ** 2"),
        ((Linear() ** 2) ** 3, "(Linear() ** 2) ** 3"),
        ((2.0 * RBF()).on([0, 1]), "(2.0 * RBF()).on([0, 1])"),
        (2.0 * RBF().on([0]), "2.0 * RBF().on([0])"),
        (Matern(nu=2.5), "Matern(nu=2.5)"),
        (Polynomial(2, coef0=0.0), "Polynomial(2, coef0=0.0)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_repr_is_what_one_types(kernel, typed):
    assert repr(kernel) == typed


def test_its_text_is_short():
    learned = 12.34567 * RBF([1.23456, 0.00123456], (1e-3, 1e3)) + WhiteKernel(0.0123456).on([0])
    assert str(learned) == "12.3 * RBF([1.23, 0.00123]) + WhiteKernel(0.0123).on([0])"
    assert str(RBF(1.23456, "fixed")) == "RBF(1.23456, 'fixed')"  # what is not learned stays as it was typed


def test_what_the_package_offers_can_be_listed():
    assert {"RBF", "SVC", "is_valid_kernel"} <= set(dir(peira.kernels))


def test_words():
    k = RBF(1.3).on([0]) * ExpSineSquared(1.0, 12.0).on([1]) + WhiteKernel(0.04)
    assert k.words(["age", "month"]) == (
        "a smooth function of age with length-scale 1.3, times a period of 12 in month (length-scale 1 of its shape), "
        "plus noise with standard deviation 0.2"
    )
    assert RBF().words() == "a smooth function of all columns with length-scale 1"
    assert RBF([1.0, 2.0]).words(["a", "b"]) == "a smooth function of a (length-scale 1) and b (length-scale 2)"
    assert RBF([1.0, 2.0]).words() == "a smooth function of column 0 (length-scale 1) and column 1 (length-scale 2)"
    assert (4.0 * (Linear() + Cosine())).words() == (
        "(a linear function of all columns, plus a function of the direction of all columns), scaled by 2"
    )
    for kernel in ALL:
        assert kernel.words(["x", "y", "z"])


# ---------------------------------------------------------------------- items that are no rows


def test_spectrum_counts_substrings():
    texts = ["banana", "ananas", "ab", ""]
    K = Spectrum(2, normalised=False)(texts)

    def occurrences(text, u):
        return sum(text.startswith(u, i) for i in range(len(text)))

    strings = {t[i : i + 2] for t in texts for i in range(len(t) - 1)}
    brute = [[sum(occurrences(s, u) * occurrences(t, u) for u in strings) for t in texts] for s in texts]
    np.testing.assert_array_equal(K, brute)
    np.testing.assert_array_equal(Spectrum(2, normalised=False).diag(texts), np.diag(brute))
    cosine = Spectrum(2)(texts)
    np.testing.assert_allclose(cosine.diagonal(), [1, 1, 1, 0])
    np.testing.assert_allclose(cosine[0, 1], brute[0][1] / math.sqrt(brute[0][0] * brute[1][1]))
    np.testing.assert_allclose(Spectrum(2)(texts, ["nab", "zz"]), Spectrum(2)([*texts, "nab", "zz"])[:4, 4:])


def test_kernels_of_texts_and_graphs_add_up():
    texts = ["abc", "abd", "xyz"]
    both = 2.0 * Spectrum(1) + Spectrum(2) + WhiteKernel(0.5)
    np.testing.assert_allclose(both(texts), 2 * Spectrum(1)(texts) + Spectrum(2)(texts) + 0.5 * np.eye(3))
    np.testing.assert_allclose(both.diag(texts), both(texts).diagonal())
    assert len(both.theta) == 2 and both.words()
    graphs = [{(0, 1), (1, 2)}, {(0, 1)}, {(1, 2), (2, 3)}]
    shared = FunctionKernel(lambda g, h: len(g & h), of="items")
    np.testing.assert_array_equal((shared * 2.0)(graphs, graphs[:2]), [[4, 2], [2, 2], [2, 0]])
    with pytest.raises(ParameterError, match=r"RBF\(\) compares table|compares texts"):
        RBF() + Spectrum()
    with pytest.raises(DataError, match="item 1 of X is a int"):
        Spectrum()(["a", 1])
    with pytest.raises(DataError, match="list of items"):
        Spectrum()("banana")
    with pytest.raises(DataError, match="empty"):
        Spectrum()([])


def test_functions_of_vectors_and_matrices(seed):
    X, Z = items(seed), items(seed + 1, 4)
    slow = FunctionKernel(lambda x, z: np.exp(-np.sum((x - z) ** 2) / 2))
    fast = FunctionKernel(lambda A, B: np.exp(-((A[:, None] - B) ** 2).sum(2) / 2), of="matrices")
    for kernel in (slow, fast):
        np.testing.assert_allclose(kernel(X), RBF()(X), atol=1e-14)
        np.testing.assert_allclose(kernel(X, Z), RBF()(X, Z), atol=1e-14)
        np.testing.assert_allclose(kernel.diag(X), np.ones(9))
        assert kernel.theta.shape == (0,) and kernel.bounds.shape == (0, 2)
    with pytest.raises(DataError, match=r"shape \(2,\)"):
        FunctionKernel(lambda A, B: np.zeros(2), of="matrices")(X)
    with pytest.raises(DataError, match="must give a number"):
        FunctionKernel(lambda x, z: x)(X)
    with pytest.raises(DataError, match="item 0 and item 0"):
        FunctionKernel(lambda x, z: np.nan)(X)


# ---------------------------------------------------------------------- what is refused


def test_what_does_not_fit_is_refused(seed):
    X = items(seed)
    for wrong, words in (
        (lambda: RBF([1.0, 2.0])(X), "2 length-scales, and the items 3"),
        (lambda: Laplacian([1.0, 2.0])(X), "2 length-scales, and the items 3"),
        (lambda: Wave([1.0, 2.0])(X), "2 periods, and the items 3"),
        (lambda: RBF().on([3])(X), "needs column 3"),
        (lambda: RBF().on([0, 0]), "different positions"),
        (lambda: RBF().on([]), "different positions"),
        (lambda: RBF().on(["age"]), "different positions"),
        (lambda: RBF() + theirs.RBF(), "must be a kernel of peira"),
        (lambda: Matern(nu=51.0), "at most 50"),
        (lambda: Polynomial(0), ">= 1"),
        (lambda: RBF()(X, X[:, :2]), "3 columns and Z has 2"),
        (lambda: RBF()([[np.nan]]), "NaN"),
        (lambda: (Linear() ** 0.5)(X), "negative"),
        (lambda: RBF().with_theta([0.0, 1.0]), "hyper-parameters"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()


def test_extreme_units_are_kernels_too():
    X = np.array([[1e6, 1e-6], [1e6, 2e-6], [1e6 + 1, 1e-6]])
    K = RBF([1.0, 1e-6])(X)
    np.testing.assert_allclose(K[0], [1, math.exp(-0.5), math.exp(-0.5)], rtol=1e-9)
    np.testing.assert_allclose(Cosine()([[1e-200, 1e-200], [1e200, 0.0], [0.0, 0.0]])[0], [1, math.sqrt(0.5), 0])
    many = np.tile(X, 3) + 1e6  # more columns than differences serve: the mean is taken off first
    np.testing.assert_allclose(RBF()(many)[0, 2], math.exp(-1.5), rtol=1e-9)

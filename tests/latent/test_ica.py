"""Independent components: planted sources, stationarity of what is found, scikit-learn from the same start, weights."""

import warnings

import numpy as np
import pytest
import sklearn.decomposition
from sklearn.exceptions import ConvergenceWarning

from peira.core import DataError, ParameterError, RankWarning, observing
from peira.latent import FastICA, Picard
from peira.latent.contrast_functions import CONTRASTS, Passes
from peira.latent.fast_ica import Pace
from peira.latent.vector_exp import exp_of_negative
from peira.latent.whitening import whiten
from peira.measures.separation import amari_index, match_sources

METHODS = {
    "parallel": FastICA(random_state=0),
    "deflation": FastICA(algorithm="deflation", random_state=0),
    "exp": FastICA(fun="exp", random_state=0),
    "cube": FastICA(fun="cube", random_state=0),
    "alpha": FastICA(fun_args={"alpha": 1.5}, random_state=0),
    "orthogonal": Picard(random_state=0),
    "orthogonal exp": Picard(fun="exp", random_state=0),
    "orthogonal cube": Picard(fun="cube", random_state=0),
    "extended infomax": Picard(ortho=False, extended=True, random_state=0),
}


def mixed(seed, N=4000, K=3):
    """A square wave, Laplace and uniform sources, and more of these, mixed at random."""
    rng = np.random.default_rng([seed, 3])
    columns = [np.sign(np.sin(0.05 * np.arange(N))), rng.laplace(size=N), rng.uniform(-1, 1, N)]
    S = np.column_stack([rng.permutation(columns[k % 3]) for k in range(K)])
    A = rng.normal(size=(K, K))
    return S, A, S @ A.T + rng.normal(size=K)


# ------------------------------------------------------------------ the passes


def test_exponentials_are_those_of_the_library():
    t = np.concatenate([np.linspace(0, 40, 1001), np.geomspace(1e-300, 600, 500), [0.0]])
    e, room = np.empty_like(t), np.empty_like(t)
    exp_of_negative(t, e, room)
    np.testing.assert_allclose(e, np.exp(-t), rtol=1e-13)
    far = np.array([1e4, 1e300, np.inf])
    exp_of_negative(far, e[:3], room[:3])
    assert (e[:3] >= 0).all() and (e[:3] < 1e-300).all()


@pytest.mark.parametrize("fun", CONTRASTS)
@pytest.mark.parametrize("N", [1, 2, 3, 17, 9000])
def test_a_pass_is_what_its_definition_says(fun, N, seed):
    rng, a = np.random.default_rng([seed, N]), 1.3
    Z, v, W = rng.normal(size=(3, N)), rng.uniform(0.1, 1, N), rng.normal(size=(2, 3))
    v /= v.sum()
    y = W @ Z
    G, g, dg = {
        "logcosh": (np.log(np.cosh(a * y)) / a, np.tanh(a * y), a * (1 - np.tanh(a * y) ** 2)),
        "exp": (-np.exp(-a * y * y / 2) / a, y * np.exp(-a * y * y / 2), (1 - a * y * y) * np.exp(-a * y * y / 2)),
        "cube": (y**4 / 4, y**3, 3 * y * y),
    }["logcosh" if fun == "tanh" else fun]
    passes = Passes(Z, v, fun, a)
    step, at = passes.fixed_point(W), passes.likelihood(W, squares=True)
    close = dict(rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(step.slopes, (g * v) @ Z.T, **close)
    np.testing.assert_allclose(step.curvatures, dg @ v, **close)
    np.testing.assert_allclose(at.slopes, (g * v) @ y.T, **close)
    np.testing.assert_allclose(at.squares, (dg * v) @ (y * y).T, **close)
    np.testing.assert_allclose(at.curvatures, dg @ v, **close)
    np.testing.assert_allclose(at.values, G @ v, **close)
    np.testing.assert_allclose(at.variances, (y * y) @ v, **close)


@pytest.mark.parametrize(("N", "D"), [(50, 4), (5, 8), (2, 1)])
@pytest.mark.parametrize("solver", ["auto", "svd", "eigh"])
def test_whitened_items_are_white_and_the_way_back_leads_back(N, D, solver, seed):
    import torch

    rng = np.random.default_rng([seed, N])
    X, w = rng.normal(size=(N, D)) * 10.0 ** rng.uniform(-3, 3, D), rng.uniform(0.5, 2, N)
    white = whiten(torch.from_numpy(X), torch.from_numpy(w), None, solver, "test")
    np.testing.assert_allclose((white.Z * white.v) @ white.Z.T, np.eye(len(white.Z)), atol=1e-6)
    np.testing.assert_allclose(white.mean + (white.back @ white.Z).T, X, atol=1e-6 * np.abs(X).max())
    np.testing.assert_allclose(white.there @ white.back, np.eye(len(white.Z)), atol=1e-9)
    assert white.rank == min(N - 1, D) and white.kept == pytest.approx(1.0)


# ------------------------------------------------------------------ planted sources


@pytest.mark.parametrize("name", METHODS)
def test_planted_sources_are_found(name, seed):
    S, A, X = mixed(seed)
    method = sklearn.base.clone(METHODS[name]).fit(X)
    assert amari_index(method.components_, A) < 0.06
    assert match_sources(S, method.transform(X)).correlation.min() > 0.99
    principal = sklearn.decomposition.PCA(whiten=True).fit(X)
    assert amari_index(principal.components_, A) > 0.15, "and principal components do not find them"


def test_infomax_without_extension_finds_heavy_tails(seed):
    rng = np.random.default_rng(seed)
    S, A = rng.laplace(size=(3000, 4)), rng.normal(size=(4, 4))
    method = Picard(ortho=False, random_state=0).fit(S @ A.T)
    assert amari_index(method.components_, A) < 0.06 and np.diff(method.history_["loss"]).max() <= 1e-12


@pytest.mark.parametrize("name", METHODS)
def test_sources_are_ordered_signed_and_of_unit_variance(name, seed):
    _, _, X = mixed(seed)
    method = sklearn.base.clone(METHODS[name]).fit(X)
    found = method.transform(X)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-10)
    np.testing.assert_allclose(found.std(0), 1, rtol=1e-9)
    np.testing.assert_allclose(method.inverse_transform(found), X, atol=1e-9)
    np.testing.assert_allclose(method.mixing_, np.linalg.pinv(method.components_), atol=1e-9)
    shares = method.explained_variance_ratio_
    assert (np.diff(shares) <= 0).all()
    np.testing.assert_allclose(shares, (method.mixing_**2).sum(0) / X.var(0).sum(), rtol=1e-9)
    assert (method.mixing_[np.abs(method.mixing_).argmax(0), np.arange(3)] > 0).all()
    if getattr(method, "ortho", True):
        np.testing.assert_allclose(found.T @ found / len(X), np.eye(3), atol=1e-9)
        assert shares.sum() == pytest.approx(1)


def test_another_seed_finds_the_same_sources(seed):
    _, _, X = mixed(seed)
    first, second = (Picard(random_state=s).fit(X) for s in (1, 2))
    np.testing.assert_allclose(first.components_, second.components_, atol=1e-5)
    tight = FastICA(random_state=3, tol=1e-12).fit(X)
    np.testing.assert_allclose(tight.components_, first.components_, atol=1e-4)


def test_units_of_the_inputs_do_not_matter(seed):
    _, _, X = mixed(seed)
    S = Picard(random_state=0).fit_transform(X)
    T = Picard(random_state=0).fit_transform(X * [1e-3, 1.0, 1e4])
    matched = match_sources(S, T)
    np.testing.assert_allclose(matched.correlation, 1, atol=1e-9)


# ------------------------------------------------------------------ the same answer by another route


@pytest.mark.parametrize("fun", ["logcosh", "exp", "cube"])
@pytest.mark.parametrize("algorithm", ["parallel", "deflation"])
@pytest.mark.parametrize("whiten", ["unit-variance", "arbitrary-variance"])
def test_scikit_learn_agrees(fun, algorithm, whiten, seed):
    _, _, X = mixed(seed, N=1000)
    settings = dict(fun=fun, algorithm=algorithm, whiten=whiten, max_iter=500, tol=1e-13)
    ours = FastICA(random_state=0, **settings).fit(X)
    # Their start, so that deflation takes the sources in the same order: our whitening's signs against theirs.
    start = np.random.default_rng(seed).normal(size=(3, 3))
    theirs = sklearn.decomposition.FastICA(w_init=start, whiten_solver="eigh", **settings).fit(X)
    turned = theirs.whitening_ @ np.linalg.pinv(ours.whitening_)
    np.testing.assert_allclose(np.abs(turned), np.eye(3), atol=1e-9)
    ours = FastICA(w_init=start @ turned, **settings).fit(X)
    matched = match_sources(theirs.transform(X), ours.transform(X))
    np.testing.assert_allclose(matched.correlation, 1, atol=1e-9)
    theirs = theirs.components_ * matched.sign[:, None]
    np.testing.assert_allclose(ours.components_[matched.order], theirs, rtol=1e-5, atol=1e-6 * np.abs(theirs).max())


def test_a_contrast_of_ones_own(seed):
    _, _, X = mixed(seed)

    def own(y, power):
        return y**power, power * y ** (power - 1)

    def own_mean(y):
        return y**3, (3 * y**2).mean(-1)

    named = FastICA(fun="cube", random_state=0).fit(X).components_
    given = FastICA(fun=own, fun_args={"power": 3}, random_state=0).fit(X)
    np.testing.assert_allclose(given.components_, named, atol=1e-7)
    np.testing.assert_allclose(FastICA(fun=own_mean, random_state=0).fit(X).components_, named, atol=1e-7)
    w = np.random.default_rng(seed).uniform(0.5, 1, len(X))
    with pytest.raises(ParameterError, match="for each item"):
        FastICA(fun=own_mean).fit(X, sample_weight=w)
    with pytest.raises(ParameterError, match="of the shape of y"):
        FastICA(fun=lambda y: (y[0], y)).fit(X)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_found_is_a_fixed_point(name, seed):
    """Of the sources y: E[g(y) y'] is symmetric, each row up to its sign (orthogonal), or the identity (likelihood)."""
    _, _, X = mixed(seed)
    method = sklearn.base.clone(METHODS[name]).set_params(tol=1e-10).fit(X)
    if getattr(method, "algorithm", "") == "deflation":
        return
    S = method.transform(X)
    if getattr(method, "ortho", True):
        a = (getattr(method, "fun_args", None) or {}).get("alpha", 1.0)
        G = {"exp": S * np.exp(-S * S / 2), "cube": S**3}.get(method.fun, np.tanh(a * S)).T @ S / len(S)
        dG = {"exp": ((1 - S * S) * np.exp(-S * S / 2)), "cube": 3 * S * S}.get(
            method.fun, a * (1 - np.tanh(a * S) ** 2)
        )
        signs = np.sign(dG.mean(0) - G.diagonal())
        G = G * signs[:, None]
        np.testing.assert_allclose(G, G.T, atol=1e-4 if isinstance(method, FastICA) else 1e-8)
    else:
        S = S * np.sqrt(scale_of(S))  # the fit keeps unit variance; the likelihood has a scale of its own
        signs = np.sign((1 - np.tanh(S) ** 2).mean(0) * S.var(0) - (np.tanh(S) * S).mean(0))
        G = (S + signs * np.tanh(S)).T @ S / len(S)
        np.testing.assert_allclose(G, np.eye(3), atol=1e-6)


def scale_of(S):
    """The variance at which E[(y + e tanh y) y] = 1 for each column, by bisection."""
    found = []
    for s in S.T:
        sign = np.sign((1 - np.tanh(s) ** 2).mean() - (np.tanh(s) * s).mean())
        low, high = 1e-3, 100.0
        for _ in range(200):
            c = (low + high) / 2
            y = np.sqrt(c) * s
            low, high = (c, high) if (y * y + sign * np.tanh(y) * y).mean() < 1 else (low, c)
        found.append(c)
    return np.array(found)


def test_the_gradient_is_that_of_the_loss(seed):
    """Relative derivatives of the loss by finite differences, in both forms, extended or not."""
    from peira.latent.picard import Problem

    rng = np.random.default_rng(seed)
    Z, W, h = rng.laplace(size=(3, 400)), rng.normal(size=(3, 3)), 1e-6
    v = np.full(400, 1 / 400)
    for extended in (False, True):
        problem = Problem(Passes(Z, v, "tanh"), (Z * v) @ Z.T, False, extended, 0.01)
        at = problem.at(W)
        problem.turn(at)
        numeric = np.zeros((3, 3))
        for i in range(3):
            for j in range(3):
                D = np.zeros((3, 3))
                D[i, j] = h
                ends = [problem.loss(problem.at(problem.moved(W, s * D))) for s in (1, -1)]
                numeric[i, j] = (ends[0] - ends[1]) / (2 * h)
        np.testing.assert_allclose(problem.gradient(at), numeric, atol=1e-7)
        # and the preconditioner solves the equation that the page states
        G = rng.normal(size=(3, 3))
        D = problem.inverse_hessian(at)(G)
        assert (D * G).sum() > 0


def test_the_approximate_hessian_is_exact_for_independent_sources():
    """On a grid, whose sides are exactly independent, and scaled so that the likelihood is stationary."""
    from peira.latent.picard import Problem

    s = np.array([-2.0, -0.3, 0.3, 2.0])
    Z = np.array(np.meshgrid(s / np.sqrt(1.9), s**3)).reshape(2, -1)
    for k in range(2):  # E[tanh(y) y] = 1 for each side
        low, high = 1e-3, 1e3
        for _ in range(200):
            c = (low + high) / 2
            low, high = (c, high) if (np.tanh(c * Z[k]) * c * Z[k]).mean() < 1 else (low, c)
        Z[k] *= c
    v, h = np.full(16, 1 / 16), 1e-4
    problem = Problem(Passes(Z, v, "tanh"), (Z * v) @ Z.T, False, False, 1e-8)
    at = problem.at(np.eye(2))
    np.testing.assert_allclose(problem.gradient(at), 0, atol=1e-12)
    H = np.zeros((4, 4))
    for k, D in enumerate(np.eye(4) * h):
        ends = [problem.gradient(problem.at(problem.moved(np.eye(2), s * D.reshape(2, 2)))) for s in (1, -1)]
        H[:, k] = ((ends[0] - ends[1]) / (2 * h)).ravel()
    G = np.array([[0.3, -1.0], [2.0, 0.7]])
    np.testing.assert_allclose(problem.inverse_hessian(at)(G).ravel(), np.linalg.solve(H, G.ravel()), rtol=1e-5)


def test_no_more_passes_than_the_reference_implementation(seed):
    picard = pytest.importorskip("picard")
    _, _, X = mixed(seed)
    start = np.random.default_rng(seed).normal(size=(3, 3))
    K, W, _, n = picard.picard(X.T, w_init=np.linalg.qr(start)[0], return_n_iter=True, tol=1e-9)
    ours = Picard(tol=1e-9, random_state=0).fit(X)
    assert ours.n_iter_ <= n + 10
    matched = match_sources(X @ (W @ K).T, ours.transform(X))
    np.testing.assert_allclose(matched.correlation, 1, atol=1e-10)


# ------------------------------------------------------------------ weights, steps, edges


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_repetitions(name, seed):
    _, _, X = mixed(seed, N=500)
    w = np.random.default_rng(seed).integers(0, 4, len(X))
    method = sklearn.base.clone(METHODS[name]).set_params(tol=1e-10, max_iter=1000)
    weighted = sklearn.base.clone(method).fit(X, sample_weight=w)
    repeated = sklearn.base.clone(method).fit(np.repeat(X, w, axis=0))
    np.testing.assert_allclose(weighted.components_, repeated.components_, atol=1e-6)
    np.testing.assert_allclose(weighted.whitening_, repeated.whitening_, atol=1e-12)


def test_fewer_sources_than_columns_are_those_of_the_leading_plane(seed):
    _, _, X = mixed(seed, K=5)
    method = FastICA(n_components=2, random_state=0).fit(X)
    U = sklearn.decomposition.PCA(2).fit(X)
    assert method.components_.shape == (2, 5) and method.whitening_.shape == (2, 5)
    np.testing.assert_allclose(
        method.inverse_transform(method.transform(X)), U.inverse_transform(U.transform(X)), atol=1e-8
    )
    assert method.explained_variance_ratio_.sum() == pytest.approx(U.explained_variance_ratio_.sum())


def test_white_data_may_be_taken_as_they_are(seed):
    S, _, X = mixed(seed)
    Z = sklearn.decomposition.PCA(whiten=True).fit_transform(X)
    for cls in (FastICA, Picard):
        method = cls(whiten=False, random_state=0).fit(Z)
        assert not hasattr(method, "whitening_") and not method.mean_.any()
        assert match_sources(S, method.transform(Z)).correlation.min() > 0.99
        with pytest.raises(ParameterError, match="needs whitening"):
            cls(whiten=False, n_components=2).fit(Z)


def test_dependent_columns_are_told(seed):
    _, _, X = mixed(seed)
    wide = np.column_stack([X, X[:, 0] + X[:, 1]])
    assert FastICA(random_state=0).fit(wide).components_.shape == (3, 4)
    with pytest.warns(RankWarning, match="vary in 3 directions, so there are 3 components, not 4"):
        FastICA(4, random_state=0).fit(wide)


def test_refusals():
    X = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(DataError, match="at least 2"):
        FastICA().fit(X[:1])
    with pytest.raises(DataError, match="all rows are equal"):
        FastICA().fit(np.ones((5, 2)))
    for wrong in (np.eye(2), np.zeros((3, 3))):
        with pytest.raises(ParameterError, match="w_init"):
            FastICA(w_init=wrong).fit(X)
    for wrong in ({"alpha": 3}, {"beta": 1}, {"alpha": "1"}):
        with pytest.raises(ParameterError, match="alpha"):
            FastICA(fun_args=wrong).fit(X)
    with pytest.raises(ParameterError, match="no density"):
        Picard(ortho=False, fun="cube", extended=True).fit(X)
    with pytest.raises(ParameterError, match="got True"):
        FastICA(whiten=True).fit(X)
    method = Picard(random_state=0, n_components=2).fit(X)
    with pytest.raises(DataError, match="2 sources, got rows of 3"):
        method.inverse_transform(X)


@pytest.mark.parametrize("N", [2, 3])
@pytest.mark.parametrize("cls", [FastICA, Picard])
def test_as_few_rows_as_can_be(cls, N, seed):
    X = np.random.default_rng([seed, N]).normal(size=(N, 4))
    method = cls(random_state=0).fit(X)
    assert method.components_.shape == (N - 1, 4)
    np.testing.assert_allclose(method.inverse_transform(method.transform(X)), X, atol=1e-9)


def test_deflation_warns_once_and_counts_its_steps(seed):
    _, _, X = mixed(seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        method = FastICA(algorithm="deflation", max_iter=2, tol=1e-14, random_state=0).fit(X)
    told = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
    assert len(told) == 1 and "in 2 steps" in told[0] and method.stopped_ == "max_iter"
    events = []
    with observing(events.append):
        method = FastICA(algorithm="deflation", random_state=0).fit(X)
    assert method.stopped_ == "converged" and method.n_iter_ == sum(e.kind == "step" for e in events)


def test_a_circle_is_left_by_shorter_steps():
    pace = Pace()
    assert [pace.after(0.5) for _ in range(12)][-1] < 1
    pace = Pace()
    assert [pace.after(0.5**k) for k in range(12)][-1] == 1


@pytest.mark.parametrize("cls", [FastICA, Picard])
def test_the_picture_holds_a_trace_for_each_source(cls, seed):
    _, _, X = mixed(seed)
    method = cls(random_state=0).fit(X)
    ax = method.plot(X)
    assert len(ax.collections) == 3 and len(ax.get_yticklabels()) == 3
    assert method.plot(X[:100], ax) is ax and len(ax.lines) == 3


# ------------------------------------------------------------------ the measures


def test_amari_index_by_hand_and_at_its_ends(seed):
    rng = np.random.default_rng(seed)
    assert amari_index(np.eye(3)[[2, 0, 1]] * [-2.0, 1.0, 5.0], np.eye(3)) == 0
    assert amari_index(np.ones((4, 4)), np.eye(4)) == pytest.approx(1)
    P = np.array([[1.0, 0.5], [0.25, 1.0]])
    assert amari_index(P, np.eye(2)) == pytest.approx((0.5 + 0.25 + 0.25 + 0.5) / 4)
    W, A = rng.normal(size=(2, 3, 3))
    assert amari_index(W, A) == pytest.approx(amari_index(-W[::-1] * 3, A[:, ::-1]), rel=1e-12)
    assert amari_index([[2.0]], [[3.0]]) == 0
    with pytest.raises(DataError, match="shapes"):
        amari_index(np.eye(2), np.eye(3))
    with pytest.raises(DataError, match="no part"):
        amari_index([[1.0, 0.0], [0.0, 0.0]], np.eye(2))


def test_sources_are_matched_by_the_best_pairing(seed):
    from itertools import permutations

    rng = np.random.default_rng(seed)
    S = rng.normal(size=(30, 4))
    F = S[:, [2, 0, 3, 1]] * [1, -1, 1, -1] + 0.8 * rng.normal(size=(30, 4))
    found = match_sources(S, F)
    r = np.corrcoef(S.T, F.T)[:4, 4:]
    best = max(permutations(range(4)), key=lambda order: np.abs(r[range(4), order]).sum())
    assert found.order.tolist() == list(best)
    np.testing.assert_allclose(found.correlation * found.sign, r[range(4), best])
    with pytest.raises(DataError, match="constant"):
        match_sources(S, np.ones((30, 4)))

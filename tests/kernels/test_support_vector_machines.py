"""Support vector machines: against scikit-learn's LIBSVM, their optimality conditions, and small cases by hand."""

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn import datasets, svm
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss

from peira.core import limiting
from peira.kernels import SVC, SVR, NuSVC, NuSVR, OneClassSVM
from peira.kernels.platt import couple, fit_sigmoid, pair_probabilities
from peira.kernels.stationary import RBF
from peira.kernels.support_vector_classifier import _folds


def labelled(name):
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    keep = slice(None, None, 3) if len(X) > 1000 else slice(None)
    return ((X - X.mean(0)) / (X.std(0) + 1e-9))[keep], y[keep]


@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly"])
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_classifiers_equal_libsvm(name, kernel):
    X, y = labelled(name)
    gamma = 0.1 if kernel == "poly" else "scale"
    common = {"kernel": kernel, "gamma": gamma, "tol": 1e-9, "coef0": 0.5}
    for ours, theirs in (
        (SVC(0.5, class_weight={0: 2.0}, **common), svm.SVC(C=0.5, class_weight={0: 2.0}, **common)),
        (NuSVC(0.13, **common), svm.NuSVC(nu=0.13, **common)),
    ):
        theirs.fit(X, y)
        ours.fit(X, y)
        scale = np.abs(theirs.decision_function(X)).max()
        np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=2e-4 * scale)
        assert (ours.predict(X) == theirs.predict(X)).mean() > 0.999
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-3 * scale)
        assert np.abs(ours.n_support_ - theirs.n_support_).max() <= 3
        if np.array_equal(ours.support_, theirs.support_):
            size = np.abs(theirs.dual_coef_).max()
            np.testing.assert_allclose(ours.dual_coef_, theirs.dual_coef_, atol=2e-3 * size)
        ours.decision_function_shape = theirs.decision_function_shape = "ovo"
        np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=2e-4 * scale)
        if kernel == "linear":
            np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-4 * np.abs(theirs.coef_).max())


def test_pairs_of_classes_that_are_more_than_one_working_set_share_the_matrix(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(2400, 3)), np.repeat([0, 1, 2], 800)
    X[np.arange(2400), y] += 3
    ours, peer = SVC(tol=1e-5).fit(X, y), svm.SVC(tol=1e-5).fit(X, y)
    np.testing.assert_allclose(ours.decision_function(X), peer.decision_function(X), atol=1e-4)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_regressions_equal_libsvm(kernel):
    X, y = datasets.load_diabetes(return_X_y=True)
    X = (X - X.mean(0)) / X.std(0)
    w = np.linspace(0.0, 2.0, len(y))
    for ours, theirs in (
        (SVR(10.0, epsilon=5.0, kernel=kernel, tol=1e-6), svm.SVR(C=10.0, epsilon=5.0, kernel=kernel, tol=1e-6)),
        (NuSVR(0.3, 10.0, kernel=kernel, tol=1e-6), svm.NuSVR(nu=0.3, C=10.0, kernel=kernel, tol=1e-6)),
    ):
        gamma = theirs.fit(X[w > 0], y[w > 0], w[w > 0])._gamma
        ours.set_params(gamma=gamma).fit(X, y, w)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=2e-3)
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=2e-3)
        assert set(ours.support_) - {0} and 0 not in ours.support_, "a row of weight zero is not there"
        assert abs(ours.duality_gap_) < 1e-6 * ours.primal_objective_


def test_one_class_equals_libsvm():
    X, _ = labelled("wine")
    ours, theirs = OneClassSVM(0.2, tol=1e-7).fit(X), svm.OneClassSVM(nu=0.2, tol=1e-7).fit(X)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-5)
    np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), atol=1e-5)
    inside = np.abs(theirs.decision_function(X)) > 1e-5
    assert (ours.predict(X) == theirs.predict(X))[inside].all()
    np.testing.assert_allclose(ours.decision_function(X), ours.score_samples(X) - ours.offset_)
    assert abs(ours.duality_gap_) < 1e-6 * abs(ours.primal_objective_)


# ---------------------------------------------------------------------- by hand, and by the conditions of optimality


def test_two_points_by_hand():
    """w = (x2 - x1) / (2 m^2), half the distance m being the margin; alpha = 1 / (2 m^2)."""
    model = SVC(float("inf"), kernel="linear", tol=1e-9).fit([[0.0, 0.0], [3.0, 4.0]], [0, 1])
    np.testing.assert_allclose(model.coef_, [[6 / 25, 8 / 25]])
    np.testing.assert_allclose([model.margin_, model.dual_objective_, model.primal_objective_], [2.5, 0.08, 0.08])
    np.testing.assert_allclose(model.dual_coef_, [[-0.08, 0.08]])
    np.testing.assert_allclose(model.intercept_, [-1.0])


def test_three_points_by_hand():
    """The nearest point of the segment (0, 2)-(2, 0) to the origin is (1, 1)."""
    model = SVC(float("inf"), kernel="linear", tol=1e-9).fit([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 1])
    np.testing.assert_allclose(model.coef_, [[1.0, 1.0]], atol=1e-9)
    np.testing.assert_allclose(model.intercept_, [-1.0], atol=1e-9)
    np.testing.assert_allclose(model.dual_coef_, [[-1.0, 0.5, 0.5]], atol=1e-9)


def test_the_optimality_conditions_hold(seed):
    X, y = labelled("breast_cancer")
    for C in (0.1, 10.0, float("inf")):
        model = SVC(C, gamma=0.3, tol=1e-9).fit(X, y)
        alpha = np.zeros(len(y))
        alpha[model.support_] = np.abs(model.dual_coef_[0])
        margin = np.where(y == 1, 1, -1) * model.decision_function(X)
        assert (margin[alpha == 0] >= 1 - 1e-6).all()
        assert (np.abs(margin[(alpha > 0) & (alpha < C)] - 1) < 1e-6).all()
        assert (margin[alpha == C] <= 1 + 1e-6).all()
        assert abs(model.dual_coef_.sum()) < 1e-9 * alpha.sum()
        assert model.kkt_residual_ < 1e-8 and abs(model.duality_gap_) < 1e-8 * model.primal_objective_
        np.testing.assert_allclose(1 / model.margin_**2, 2 * (alpha.sum() - model.dual_objective_), rtol=1e-6)


@pytest.mark.parametrize("nu", [0.05, 0.2, 0.4])
def test_nu_bounds_the_shares(seed, nu):
    X, y = labelled("breast_cancer")
    model = NuSVC(nu, gamma=0.05, tol=1e-8).fit(X, y)
    margin = np.where(y == 1, 1, -1) * model.decision_function(X)
    assert (margin < 1 - 1e-6).mean() <= nu + 1e-9 <= len(model.support_) / len(y) + 2e-9
    usual = OneClassSVM(nu, gamma=0.05, tol=1e-8).fit(X)
    assert (usual.predict(X) < 0).mean() <= nu + 1e-9 <= len(usual.support_) / len(X) + 2e-9
    Z, z = datasets.load_diabetes(return_X_y=True)
    tube = NuSVR(nu, 100.0, gamma=3.0, tol=1e-8).fit(Z, z)
    errors = np.abs(z - tube.predict(Z))
    assert (errors > tube.epsilon_ + 1e-6).mean() <= nu + 1e-9 <= len(tube.support_) / len(z) + 2e-9
    same = SVR(100.0, epsilon=tube.epsilon_, gamma=3.0, tol=1e-8).fit(Z, z)
    np.testing.assert_allclose(same.predict(Z), tube.predict(Z), atol=1e-5)


def test_the_nu_machine_is_that_of_another_price(seed):
    X, y = labelled("wine")
    y = y > 0
    model = NuSVC(0.2, gamma=0.05, tol=1e-9).fit(X, y)
    C = float(np.abs(model.dual_coef_).max())
    same = SVC(C, gamma=0.05, tol=1e-9).fit(X, y)
    np.testing.assert_allclose(same.decision_function(X), model.decision_function(X), atol=1e-6)
    np.testing.assert_allclose(same.primal_objective_, model.primal_objective_, rtol=1e-6)


@pytest.mark.parametrize("tol", [1e-3, 1e-9])
def test_a_nu_without_a_margin_is_told(tol):
    """Labels at random on a line: half of each class has a common mean in the space of so smooth a kernel."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(80, 1)), rng.permutation(np.arange(80) % 2)
    with pytest.warns(ConvergenceWarning, match="no margin between the classes.*larger nu") as told:
        model = NuSVC(0.5, gamma=0.1, tol=tol, max_iter=20).fit(X, y)
    assert len(told) == 1 and model.fit_status_ == 1 and model.kkt_residual_ >= 1
    fine = NuSVC(0.5, gamma=1000.0, tol=tol).fit(X, y)
    assert fine.fit_status_ == 0 and fine.kkt_residual_ < 1


def test_the_nu_machine_does_not_depend_on_the_unit_of_the_weights(seed):
    X, y = labelled("breast_cancer")
    w = np.random.default_rng(seed).uniform(0.5, 2.0, len(y))
    expected = NuSVC(0.2, gamma=0.05, tol=1e-6).fit(X, y, w).decision_function(X)
    for unit in (1e-200, 1e-6, 1e6):
        found = NuSVC(0.2, gamma=0.05, tol=1e-6).fit(X, y, unit * w)
        np.testing.assert_allclose(found.decision_function(X), expected, atol=1e-4)


# ---------------------------------------------------------------------- kernels, sparse rows, weights


def test_every_way_to_say_the_kernel_gives_the_same(seed):
    X, y = labelled("wine")
    new = X[:20] + 0.1
    plain = SVC(gamma=0.1, tol=1e-9).fit(X, y)
    expected = plain.decision_function(new)

    def f(A, B):
        return np.exp(-0.1 * ((A[:, None] - B) ** 2).sum(-1))

    for kernel in (RBF((2 * 0.1) ** -0.5), f):
        model = SVC(kernel=kernel, tol=1e-9).fit(X, y)
        np.testing.assert_allclose(model.decision_function(new), expected, atol=1e-7)
    model = SVC(kernel="precomputed", tol=1e-9).fit(f(X, X), y)
    np.testing.assert_allclose(model.decision_function(f(new, X)), expected, atol=1e-7)
    assert model.support_vectors_.shape == (0, 0) and model.support_.tolist() == plain.support_.tolist()
    thin = SVC(gamma=0.1, tol=1e-9).fit(sparse.csr_array(X), y)
    assert sparse.issparse(thin.support_vectors_)
    for query in (new, sparse.csr_array(new)):
        np.testing.assert_allclose(thin.decision_function(query), expected, atol=1e-7)
        np.testing.assert_allclose(plain.decision_function(query), expected, atol=1e-7)
    tensors = SVC(gamma=0.1, tol=1e-9).fit(torch.tensor(X), y)
    assert isinstance(tensors.decision_function(torch.tensor(new)), torch.Tensor)


def test_scale_is_scikit_learns_and_counts_rows(seed):
    X, y = labelled("iris")
    assert SVC().fit(X, y).gamma_ == pytest.approx(svm.SVC().fit(X, y)._gamma)
    counts = np.random.default_rng(seed).integers(0, 3, len(y))
    for form in (np.asarray, sparse.csr_array):
        weighted = SVC().fit(form(X), y, counts)
        assert weighted.gamma_ == pytest.approx(SVC().fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)).gamma_)
    assert SVC(gamma="auto").fit(X, y).gamma_ == 0.25
    assert SVC().fit(np.ones((4, 2)), [0, 1, 0, 1]).gamma_ == 1.0


def test_class_weights_are_prices(seed):
    X, y = labelled("breast_cancer")
    ours = SVC(class_weight="balanced", tol=1e-6).fit(X, y)
    theirs = svm.SVC(class_weight="balanced", tol=1e-6).fit(X, y)
    np.testing.assert_allclose(ours.class_weight_, theirs.class_weight_)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-4)


def test_a_class_without_weight_never_wins():
    X, y = labelled("iris")
    w = (y != 1).astype(float)
    model = SVC(probability=True, random_state=0).fit(X, y, w)
    assert set(model.predict(X)) == {0, 2} and (model.predict_proba(X)[:, 1] == 0).all()
    pair = SVC(gamma=model.gamma_).fit(X[y != 1], y[y != 1])
    np.testing.assert_array_equal(pair.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="only the class 0"):
        SVC().fit(X, y, (y == 0).astype(float))


# ---------------------------------------------------------------------- probabilities


@pytest.mark.parametrize("name", ["breast_cancer", "iris"])
def test_probabilities_are_those_of_libsvm_over_equal_folds(name, seed):
    """The folds are trained by LIBSVM from scratch, here near the machine of all rows with a bound of zero."""
    X, y = labelled(name)
    rng = np.random.default_rng(seed)
    train = rng.permutation(len(y))[: 2 * len(y) // 3]
    train = train[np.argsort(y[train], kind="stable")]  # the order in which fit deals its folds
    test = np.setdiff1d(np.arange(len(y)), train)
    model = SVC(2.0, gamma=0.1, probability=True, random_state=seed, tol=1e-5).fit(X[train], y[train])
    fold, C = _folds(y[train], np.random.default_rng(seed)), len(model.classes_)
    r = []
    for i in range(C):
        for j in range(i + 1, C):
            own = np.flatnonzero((y[train] == i) | (y[train] == j))
            A, b, part = X[train][own], y[train][own], fold[own]
            f = np.empty(len(own))
            for k in range(5):
                machine = svm.SVC(C=2.0, gamma=0.1, tol=1e-5).fit(A[part != k], b[part != k])
                f[part == k] = -machine.decision_function(A[part == k])
            decide = -svm.SVC(C=2.0, gamma=0.1, tol=1e-5).fit(A, b).decision_function(X[test])
            slope, constant = (torch.tensor([v]) for v in fit_sigmoid(f, b == i))
            r.append(pair_probabilities(torch.from_numpy(decide)[:, None], slope, constant))
    expected = couple(torch.cat(r, 1)).numpy()
    got = model.predict_proba(X[test])
    np.testing.assert_allclose(got, expected, atol=2e-3)
    assert abs(log_loss(y[test], got) - log_loss(y[test], expected)) < 1e-4
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X[test])), got)
    assert (model.predict_dist(X[test]).mode() == model.predict(X[test])).mean() > 0.9


def test_probabilities_are_there_when_asked_for():
    X, y = labelled("iris")
    model = SVC().fit(X, y)
    assert not hasattr(model, "predict_proba") and not hasattr(SVC, "predict_dist")
    with pytest.raises(ValueError, match="fit it again"):
        model.set_params(probability=True).predict_proba(X)
    few = SVC(probability=True, random_state=0).fit([[0.0], [1.0]], ["a", "b"])
    np.testing.assert_allclose(few.predict_proba([[0.0], [1.0]]).sum(1), 1)


# ---------------------------------------------------------------------- hard cases


def test_what_has_no_answer_says_why(seed):
    X, y = labelled("iris")
    with pytest.raises(ValueError, match="no hard margin"):
        SVC(float("inf"), kernel="linear", max_iter=40).fit(np.ones((4, 1)), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="nu <= 0.2"):
        NuSVC(0.9).fit(X, np.arange(150) < 15)
    with pytest.raises(ValueError, match="peira.kernels"):
        from sklearn.gaussian_process.kernels import RBF as TheirRBF

        SVC(kernel=TheirRBF()).fit(X, y)
    K = X @ X.T
    with pytest.raises(ValueError, match=r"entry \(0, 1\)"):
        SVC(kernel="precomputed").fit(K + 9 * (np.arange(150) == 1) * (np.arange(150) == 0)[:, None], y)
    with pytest.raises(ValueError, match="square"):
        SVC(kernel="precomputed").fit(K[:, :9], y)
    with pytest.raises(ValueError, match="row 0 .* overflows"):
        SVC(kernel="linear").fit(X * 1e200, y)
    with pytest.raises(ValueError, match="X.toarray"):
        SVC(kernel=RBF()).fit(sparse.csr_array(X), y)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda A, B: 1.0, r"shape \(\) for 32 rows and 32 rows"),
        (lambda A, B: A @ A.T if len(A) > len(B) else A @ B.T, r"gave shape"),
        (lambda A, B: np.log(A @ B.T - 1.0), r"gave nan for the rows \["),
        (lambda A, B: A[:, :1] + 2 * B[:, 0], "not symmetric: it gives"),
    ],
)
def test_a_function_that_is_no_kernel_is_refused(function, message, seed):
    X = np.random.default_rng(seed).normal(size=(60, 3))
    for model in (SVC(kernel=function), SVR(kernel=function)):
        with np.errstate(invalid="ignore", divide="ignore"), pytest.raises(ValueError, match=message):
            model.fit(X, (X[:, 0] > 0).astype(int)).predict(X[:50])


@pytest.mark.parametrize("cls", [SVC, NuSVC, SVR, NuSVR, OneClassSVM])
def test_hardly_any_memory_changes_nothing(cls, seed):
    X = np.random.default_rng(seed).normal(size=(40, 3))
    y = [] if cls is OneClassSVM else [(X[:, 0] > 0).astype(int)]
    expected = cls(tol=1e-5).fit(X, *y).predict(X)
    np.testing.assert_allclose(cls(tol=1e-5, cache_size=1e-9).fit(X, *y).predict(X), expected, atol=1e-4)


def test_a_matrix_that_is_no_kernel_is_named_and_still_answers():
    X, y = labelled("iris")
    K = X @ X.T
    K[0, 1] = K[1, 0] = 1e3
    with pytest.warns(ConvergenceWarning, match="not positive semidefinite.*points"):
        model = SVC(kernel="precomputed").fit(K, y)
    assert np.isfinite(model.decision_function(K)).all()


def test_a_bound_on_the_steps_warns_once_with_the_gap():
    X, y = labelled("digits")
    for model in (SVC(1e4, max_iter=0), SVR(1e4, max_iter=0, epsilon=0.0)):
        with pytest.warns(ConvergenceWarning, match="gap is .* raise max_iter") as told:
            model.fit(X, y)
        assert len(told) == 1 and model.fit_status_ == 1 and model.stopped_ == "max_iter"


def test_a_last_step_that_is_enough_counts(seed):
    X = np.random.default_rng(seed).normal(size=(30, 3))
    model = SVC(max_iter=1).fit(X, X[:, 0] > 0)
    assert model.kkt_residual_ <= 1e-3 and (model.fit_status_, model.stopped_) == (0, "converged")


def test_an_interruption_leaves_machines_that_vote():
    X, y = labelled("digits")
    with limiting(0.0), warnings.catch_warnings():
        warnings.simplefilter("error")
        model = SVC().fit(X, y)
    assert model.stopped_ == "out of time" and model.fit_status_ in (0, 1)
    assert model.score(X, y) > 0.5


@pytest.mark.parametrize("cls", [SVC, SVR, OneClassSVM])
def test_equal_rows_constant_columns_and_units_far_apart(cls, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    model = cls.example()
    target = [] if cls is OneClassSVM else [y]
    once, twice = model.fit(X, *target).predict(X), model.fit(np.r_[X, X], *(np.r_[t, t] for t in target)).predict(X)
    assert np.isfinite(once).all() and np.isfinite(twice).all()
    far = cls(gamma="scale").fit(X * [1e6, 1e-6, 0.0] + [0, 0, 7.0], *target)
    assert np.isfinite(far.predict(X)).all() and far.fit_status_ == 0
    if cls is SVC:
        assert far.score(X * [1e6, 1e-6, 0.0] + [0, 0, 7.0], y) > 0.95


def test_the_picture_draws_and_refuses():
    X, y = labelled("iris")
    for labels in (y, y > 0):
        axes = SVC(gamma=0.5).fit(X[:, :2], labels).plot(X[:, :2], labels)
        assert len(axes.collections) > 3 and axes.get_xlabel() == "x0"
    assert OneClassSVM(0.1).fit(X[:, :2]).plot().collections
    with pytest.raises(ValueError, match="4 columns"):
        SVC().fit(X, y).plot()
    with pytest.raises(NotFittedError):
        SVC().plot()


def test_the_bound_on_pairs_is_named_where_it_ends_a_fit(monkeypatch):
    for module in ("smo", "support_vector_machine"):
        monkeypatch.setattr(f"peira.kernels.{module}.PAIRS", 20)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    with pytest.warns(ConvergenceWarning, match=r"SVR: SMO did not converge in 20 pairwise steps: gap is .* lower C"):
        SVR(C=1e4).fit(X, y)

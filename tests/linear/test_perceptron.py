"""The perceptron against steps by hand, a naive loop, scikit-learn, its dual and its bound; and proofs by program."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits, load_iris, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron as Reference

import peira
from peira.linear import Perceptron
from peira.linear.dual_perceptron import Mistakes, dual_perceptron
from peira.linear.perceptron_order import drawn_order
from peira.linear.separability import mistake_bound, separable

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def clouds(N, D, C, *, seed, gap=2.0):
    """Whole numbers, so that sums are exact in any order and ties are ties."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(N) % C)
    return np.round(3 * rng.standard_normal((N, D)) + gap * rng.standard_normal((C, D))[y]), y


def by_hand(X, y, C, epochs, intercept=True, step=None):
    """All vectors in a list, one for each showing: after the correction, if there was one."""
    A = np.column_stack([X, np.full(len(X), float(intercept))])
    W, shown = np.zeros((C, A.shape[1])), []
    for _ in range(epochs):
        before = len(shown)
        mistakes = 0
        for n, (x, own) in enumerate(zip(A, y, strict=True)):
            s = W @ x
            rival = max((c for c in range(C) if c != own), key=lambda c: (s[c], -c))
            if s[own] <= s[rival]:
                W = W.copy()
                W[own] += x * (1.0 if step is None else step[n])
                W[rival] -= x * (1.0 if step is None else step[n])
                mistakes += 1
            shown.append(W)
        assert len(shown) == before + len(X)
        if not mistakes:
            break
    return np.array(shown)


def votes_by_hand(shown, Q, intercept=True):
    A = np.column_stack([Q, np.full(len(Q), float(intercept))])
    winners = (shown @ A.T).argmax(1)  # (T, N)
    return (winners[:, :, None] == np.arange(shown.shape[1])).mean(0)


def test_the_first_steps_by_hand():
    """Two classes in the plane, shown in order: mistakes at rows 0 and 1, then none."""
    X, y = np.array([[2.0, 1.0], [-1.0, 1.0], [1.0, 2.0]]), np.array([1, 0, 1])
    # w = (w1, w2, b) of class 1 against 0. Row 0: 0 is no win, w = (2, 1, 1). Row 1: -2 + 1 + 1 = 0 is none either,
    # w = (3, 0, 0).
    # Row 2: 3, right. Epoch 2: 6, right; -3, right; 3, right.
    model = Perceptron(shuffle=False).fit(X, y)
    assert model.coef_.tolist() == [[3.0, 0.0]] and model.intercept_.tolist() == [0.0]
    assert model.history_["mistakes"] == [2.0, 0.0] and model.n_iter_ == 2 and model.separated_
    assert model.n_mistakes_ == 2 and model.n_shown_ == 6 and model.stopped_ == "converged"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shape", [(1, 1, 2), (2, 1, 2), (3, 2, 3), (20, 3, 2), (20, 3, 4)])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_all_variants_are_the_naive_loop(seed, shape, intercept, as_sparse):
    N, D, C = shape
    X, y = clouds(N, D, C, seed=seed)
    Q, _ = clouds(30, D, 2, seed=seed + 1)
    shown = by_hand(X, y, C, 3, intercept)
    form = sparse.csr_array if as_sparse else np.asarray
    options = {"max_iter": 3, "shuffle": False, "fit_intercept": intercept}
    for variant in ("last", "averaged", "voted"):
        model = Perceptron(variant=variant, **options)
        if N < C:
            model.partial_fit(form(X), y, range(C)).partial_fit(form(X), y).partial_fit(form(X), y)
            shown = np.concatenate([by_hand(np.tile(X, (3, 1)), np.tile(y, 3), C, 1, intercept)])
        else:
            model.fit(form(X), y)
        if variant == "voted":
            got = model._scores(model._queries(form(Q))).numpy()
            np.testing.assert_allclose(got, votes_by_hand(shown, Q, intercept), atol=1e-12)
            continue
        W = shown[-1] if variant == "last" else shown.mean(0)
        W = W[1:] if C == 2 else W
        np.testing.assert_allclose(model.coef_, W[:, :D], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(model.intercept_, W[:, D] * intercept, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"eta0": 0.25, "fit_intercept": False}, {"class_weight": {0: 2.0, 1: 0.5}}])
def test_scikit_learn_for_two_classes(seed, options):
    X, y = clouds(60, 4, 2, seed=seed)
    theirs = Reference(shuffle=False, max_iter=7, tol=None, **options).fit(X, y)
    ours = Perceptron(shuffle=False, max_iter=7, variant="averaged", **options).fit(X, y)
    np.testing.assert_allclose(ours.vectors_[1, :4], theirs.coef_[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.vectors_[1, 4], theirs.intercept_[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("C", [2, 4])
@pytest.mark.parametrize("block", [1, 7, 2000])
def test_the_dual_form_is_the_primal_one(seed, C, block):
    X, y = clouds(40, 3, C, seed=seed)
    Q, _ = clouds(25, 3, 2, seed=seed + 1)
    A, B = (np.column_stack([v, np.ones(len(v))]) for v in (X, Q))
    mistakes = dual_perceptron(lambda i, j: A[i] @ A[j].T, y, C, epochs=4, block=block)
    K = B @ A[mistakes.support].T
    options = {"max_iter": 4, "shuffle": False}
    voted = Perceptron(variant="voted", **options).fit(X, y)
    assert list(mistakes.per_epoch) == voted.history_["mistakes"] and mistakes.shown == voted.n_shown_
    np.testing.assert_array_equal(mistakes.votes(K), voted._scores(voted._queries(Q)).numpy())
    averaged = Perceptron(variant="averaged", **options).fit(X, y)
    S = K @ mistakes.coefficients(averaged=True)
    D = averaged.decision_function(Q)
    np.testing.assert_allclose(S[:, 1] if C == 2 else S, D, rtol=1e-9, atol=1e-9)
    S = K @ mistakes.coefficients()
    np.testing.assert_allclose(S, B @ averaged.vectors_.T, rtol=1e-9, atol=1e-9)
    assert mistakes.survived.sum() == mistakes.shown - mistakes.when[0]


def test_a_kernel_separates_what_no_line_can():
    codes = np.array([0, 1, 1, 0])
    kernel = lambda i, j: (1 + XOR[i] @ XOR[j].T) ** 2  # noqa: E731
    mistakes = dual_perceptron(kernel, codes, 2, epochs=100, rng=np.random.default_rng(0))
    assert mistakes.per_epoch[-1] == 0
    assert ((kernel(range(4), mistakes.support) @ mistakes.coefficients()).argmax(1) == codes).all()


@pytest.mark.parametrize("C", [2, 3])
def test_the_number_of_mistakes_keeps_its_bound(seed, C):
    rng = np.random.default_rng(seed)
    for _ in range(20):
        D = int(rng.integers(1, 6))
        W = rng.standard_normal((C, D))
        X = rng.standard_normal((60, D)) * rng.uniform(0.1, 5)
        S = np.sort(X @ W.T, 1)
        keep = S[:, -1] - S[:, -2] > 0.2 * np.linalg.norm(W) * np.abs(X).max()
        X, y = X[keep], (X @ W.T).argmax(1)[keep]
        if len(set(y)) < C:
            continue
        model = Perceptron(fit_intercept=False, shuffle=bool(rng.integers(2)), random_state=seed).fit(X, y)
        true = mistake_bound(X, y, W)
        found = mistake_bound(X, y, model.coef_)
        assert model.separated_ and found.margin > 0
        assert model.n_mistakes_ <= min(true.mistakes, found.mistakes)
        assert true.radius == pytest.approx(np.linalg.norm(X, axis=1).max())
        assert separable(X, y, fit_intercept=False)


def test_the_margin_is_the_distance_from_the_boundary(seed):
    X, y = clouds(30, 3, 2, seed=seed, gap=30.0)
    w, b = np.array([[0.6, -0.3, 2.0]]), np.array([0.4])
    signed = np.where(y == 1, 1, -1) * (X @ w[0])
    assert mistake_bound(X, y, w).margin == pytest.approx(signed.min() / np.linalg.norm(w))
    signed = np.where(y == 1, 1, -1) * (X @ w[0] + b)
    assert mistake_bound(X, y, w, b).margin == pytest.approx(signed.min() / np.linalg.norm(np.append(w, b)))
    with pytest.raises(ValueError, match="do not fit 2 classes"):
        mistake_bound(X, y, np.ones((3, 3)))


@pytest.mark.parametrize("shape", [(2, 1, 2), (3, 1, 3), (3, 2, 2), (12, 2, 2), (12, 2, 3), (12, 3, 4), (6, 8, 3)])
def test_the_linear_program_decides_and_proves(seed, shape):
    N, D, C = shape
    for trial in range(6):
        X, y = clouds(N, D, C, seed=[seed, trial], gap=2.0 * trial)
        answer = separable(X, y)
        A = np.column_stack([X, np.ones(N)])
        if answer:
            assert ((X @ answer.coef.T + answer.intercept).argmax(1) == y).all() and answer.margin > 0
            assert mistake_bound(X, y, answer.coef, answer.intercept).margin == pytest.approx(answer.margin)
            if answer.margin > 0.05:
                assert Perceptron(max_iter=100_000).fit(X, y).separated_
            continue
        total = np.zeros((C, D + 1))
        for n in range(N):
            for c in range(C):
                total[y[n]] += answer.proof[n, c] * A[n]
                total[c] -= answer.proof[n, c] * A[n]
        assert (answer.proof >= 0).all() and answer.proof.sum() == pytest.approx(1.0)
        np.testing.assert_allclose(total, 0, atol=1e-6 * np.abs(A).max())


def test_exclusive_or_is_never_learned_and_that_is_told():
    y = np.array(["no", "yes", "yes", "no"])
    with pytest.warns(ConvergenceWarning, match=r"epoch 50 still made \d mistakes on 4 rows .*separability.*averaged"):
        model = Perceptron(max_iter=50).fit(XOR, y)
    assert not model.separated_ and model.n_iter_ == 50 and min(model.history_["mistakes"]) >= 1
    np.testing.assert_allclose(separable(XOR, y).proof.sum(1), 0.25, atol=1e-9)
    assert Perceptron(variant="voted", max_iter=50).fit(XOR, y).stopped_ == "all epochs"


def test_iris_and_digits():
    X, y = load_iris(return_X_y=True)
    assert separable(X, y == 0) and not separable(X, y)
    assert Perceptron().fit(X, y == 0).separated_
    X, y = load_digits(return_X_y=True)
    for variant in ("last", "averaged", "voted"):  # 0.907 to 0.935 over orders; scikit-learn's: 0.883 to 0.918
        model = Perceptron(variant=variant).fit(X[:1000], y[:1000])
        assert model.separated_ and model.score(X[1000:], y[1000:]) > 0.9


def test_streams_go_on_and_seeds_repeat(seed):
    X, y = clouds(50, 3, 3, seed=seed)
    for variant in ("last", "averaged", "voted"):
        model, again = (Perceptron(variant=variant, shuffle=False) for _ in range(2))
        for part in np.array_split(np.arange(50), 4):
            model.partial_fit(X[part], y[part], [0, 1, 2])
        again.partial_fit(X, y)
        np.testing.assert_allclose(model.decision_function(X), again.decision_function(X), rtol=1e-9, atol=1e-9)
        assert model.n_mistakes_ == again.n_mistakes_ and model.n_shown_ == 50
    orders = [Perceptron(variant="averaged", max_iter=3, random_state=s).fit(X, y).coef_ for s in (1, 1, 2)]
    assert (orders[0] == orders[1]).all() and (orders[0] != orders[2]).any()


def test_classes_of_weight_zero_are_not_shown_and_the_size_of_steps_does_not_matter(seed):
    X, y = clouds(40, 3, 3, seed=seed)
    model = Perceptron(variant="averaged", max_iter=5, class_weight={2: 0.0}, shuffle=False).fit(X, y)
    rest = Perceptron(variant="averaged", max_iter=5, shuffle=False).partial_fit(X[y < 2], y[y < 2], [0, 1, 2])
    assert model.n_shown_ == 5 * (y < 2).sum()
    for _ in range(4):
        rest.partial_fit(X[y < 2], y[y < 2])
    np.testing.assert_allclose(model.coef_, rest.coef_, rtol=1e-9, atol=1e-9)
    short = Perceptron(variant="voted", max_iter=5, eta0=2.0**-30).fit(X, y)
    assert (short.predict(X) == Perceptron(variant="voted", max_iter=5).fit(X, y).predict(X)).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_are_lengths_of_steps(seed):
    X, y = clouds(30, 3, 3, seed=seed)
    w = np.random.default_rng(seed).uniform(0.1, 4.0, 30) * (np.arange(30) % 5 > 0)
    here = w > 0
    shown = by_hand(X[here], y[here], 3, 4, step=w[here])
    model = Perceptron(variant="averaged", max_iter=4, shuffle=False).fit(X, y, w)
    assert model.n_shown_ == 4 * 24
    np.testing.assert_allclose(model.coef_, shown.mean(0)[:, :3], rtol=1e-9, atol=1e-9)
    stream = Perceptron(variant="averaged", shuffle=False)
    for _ in range(4):
        stream.partial_fit(X, y, sample_weight=w)
    np.testing.assert_allclose(stream.coef_, model.coef_, rtol=1e-9, atol=1e-9)
    for labels in (y == 1, np.where(y == 1, "b", "a")):
        theirs = Reference(shuffle=False, max_iter=7, tol=None).fit(X, y == 1, sample_weight=w)
        ours = Perceptron(shuffle=False, max_iter=7).fit(X, labels, w)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("variant", ["last", "averaged", "voted"])
def test_weights_equal_repetition_and_the_order_of_the_rows_leaves_no_trace(seed, variant):
    X, y = clouds(40, 2, 3, seed=seed)  # some rows are equal by themselves, with one label or two
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, 40)
    rows = rng.permutation(np.repeat(np.arange(40), counts))
    weighted = Perceptron(variant=variant, max_iter=6, random_state=3).fit(X, y, counts)
    Q = clouds(30, 2, 2, seed=seed + 1)[0]
    for form in (np.asarray, sparse.csr_array):
        repeated = Perceptron(variant=variant, max_iter=6, random_state=3).fit(form(X[rows]), y[rows])
        assert repeated.n_shown_ == weighted.n_shown_ and repeated.n_mistakes_ == weighted.n_mistakes_
        np.testing.assert_array_equal(repeated.decision_function(Q), weighted.decision_function(Q))


@pytest.mark.parametrize("N", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("D", [1, 3])
def test_equal_rows_of_one_class_are_shown_once(seed, N, D):
    rng = np.random.default_rng([seed, N, D])
    X, codes = rng.integers(-1, 2, (N, D)).astype(float), rng.integers(0, 2, N)
    step = rng.integers(0, 3, N).astype(float)
    sums = {}
    for x, c, h in zip(X.tolist(), codes.tolist(), step, strict=True):
        sums[(*x, c)] = sums.get((*x, c), 0.0) + h
    sums = {k: h for k, h in sums.items() if h}
    found = []
    for form in (X, sparse.csr_array(X)):
        rows, steps = drawn_order(form, codes, step, np.random.default_rng(seed))
        shown = [(*X[n], codes[n]) for n in rows]
        assert dict(zip(shown, steps[rows], strict=True)) == sums and len(shown) == len(sums)
        found.append(shown)
    assert found[0] == found[1] and steps.sum() == step.sum()


def test_rows_that_only_look_equal_are_kept_apart():
    """Their projections round to the same number: the rows themselves are looked up."""
    X = np.array([[1.0, 1e-300], [1.0, 0.0], [1.0, 1e-300]])
    rows, steps = drawn_order(X, np.zeros(3, dtype=np.int64), np.ones(3), np.random.default_rng(0))
    assert steps.sum() == 3 and {0.0, 1e-300} <= set(X[rows, 1])


@pytest.mark.parametrize("C", [2, 3])
def test_a_class_of_great_weight_is_right_in_full(seed, C):
    """That much is certain: corrections by it outweigh all others, and they end, as it alone is separable from none.

    Rows near it that were not shown are not covered: any weights that are right on the class stay. scikit-learn's
    check of class weights asks for 87 % of such rows, from these data. Over 200 seeds of the order, 98 % reach it
    with two classes and 89 % with three (scikit-learn's own class: 23 % and 37 % of 60). Averages, votes and more
    epochs do not raise that, and only another algorithm, with margins, would. The default seed is among them.
    """
    X, y = make_blobs(centers=C, random_state=0, cluster_std=20)
    heavy = {c: 1000 if c == 0 else 0.0001 for c in range(C)}
    for s in range(seed, seed + 5):
        with pytest.warns(ConvergenceWarning):
            model = Perceptron(class_weight=heavy, max_iter=1000, random_state=s).fit(X, y)
        assert (model.predict(X[y == 0]) == 0).all()


def test_data_at_the_edge(seed):
    with pytest.raises(ValueError, match="1 class"):
        Perceptron().fit([[0.0], [1.0]], ["a", "a"])
    with pytest.raises(ValueError, match="standardise"):
        Perceptron().fit([[0.0], [1e150]], ["a", "b"])
    X, y = np.eye(1000), np.arange(1000)
    assert Perceptron(max_iter=3, variant="averaged").fit(sparse.csr_array(X), y).score(X, y) == 1.0
    X, y = clouds(20, 3, 2, seed=seed)
    for variant in ("averaged", "voted"):
        model = Perceptron(variant=variant, max_iter=5).fit(X, y)
        assert np.isfinite(model.decision_function([[1e150, -1e150, 1.0], [0.0, 0.0, 0.0]])).all()
    with pytest.warns(ConvergenceWarning, match="4 mistakes on 4 rows"):
        same = Perceptron(max_iter=9, shuffle=False).fit(np.ones((4, 2)), [0, 1, 0, 1])
    assert np.isfinite(same.coef_).all() and not separable(np.ones((4, 2)), [0, 1, 0, 1])


@pytest.mark.parametrize("as_sparse", [False, True])
def test_a_stored_vote_comes_back_or_is_refused(seed, tmp_path, as_sparse):
    X, y = clouds(30, 3, 3, seed=seed)
    form = sparse.csr_array if as_sparse else np.asarray
    model = Perceptron(variant="voted", max_iter=4).fit(form(X), y)
    back = peira.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(back.decision_function(X), model.decision_function(X))
    np.testing.assert_array_equal(back.decision_function(form(X)), model.decision_function(X))
    for spoilt in ({"row": model.mistakes_["row"] + 1000}, {"when": model.mistakes_["when"][::-1].copy()}):
        model.mistakes_ = {**back.mistakes_, **spoilt}
        with pytest.raises(peira.core.UnreadableError, match="fit each other"):
            peira.load(model.save(tmp_path / "model"))


def test_mistakes_know_their_lives():
    m = Mistakes(np.array([4, 2, 4]), np.array([0, 1, 0]), np.array([1, 0, 1]), np.ones(3), np.array([0, 3, 5]), 9, 2)
    assert m.survived.tolist() == [3, 2, 4] and m.support.tolist() == [2, 4]
    assert m.coefficients().tolist() == [[-1.0, 1.0], [2.0, -2.0]]
    np.testing.assert_allclose(m.coefficients(averaged=True), [[-6 / 9, 6 / 9], [13 / 9, -13 / 9]])

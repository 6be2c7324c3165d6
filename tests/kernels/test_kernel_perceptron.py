"""The kernel perceptron: with the plain inner product it is the perceptron; with others it bends."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from peira.kernels import RBF
from peira.kernels import kernel_perceptron as module
from peira.kernels.kernel_perceptron import KernelPerceptron
from peira.linear.dual_perceptron import dual_perceptron


def problem(seed, N=80, C=3):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(N) % C)
    return rng.normal(size=(N, 2)) + 2.0 * np.array([[0, 0], [1, 0], [0, 1]])[y], y


@pytest.mark.parametrize("variant", ["last", "averaged", "voted"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_it_is_the_dual_perceptron(seed, variant, monkeypatch):
    """Unshuffled, in small blocks, against the loop of the linear chapter and its formulas."""
    monkeypatch.setattr(module, "BLOCK", 7)
    X, y = problem(seed)
    model = KernelPerceptron(RBF(0.7), variant=variant, shuffle=False, max_iter=4).fit(X, y)
    K = RBF(0.7)(X)
    found = dual_perceptron(lambda i, j: K[np.ix_(i, j)], y, 3, epochs=4)
    assert model.history_["mistakes"] == list(found.per_epoch)
    np.testing.assert_array_equal(model.support_, found.support)
    T = X + 0.1
    k = RBF(0.7)(T, X[found.support])
    expected = found.votes(k) if variant == "voted" else k @ found.coefficients(variant == "averaged")
    np.testing.assert_allclose(model.decision_function(T), expected, atol=1e-10)


def test_different_rows_are_separable_by_a_narrow_kernel(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 2, 60)
    model = KernelPerceptron(gamma=50.0, variant="last", max_iter=200).fit(X, y)
    assert model.separated_ and model.stopped_ == "converged" and model.score(X, y) == 1.0


def test_what_cannot_be_separated_is_said(seed):
    X = np.zeros((4, 1))
    with pytest.warns(ConvergenceWarning, match="still made"):
        KernelPerceptron(variant="last", max_iter=3).fit(X, [0, 1, 0, 1])
    KernelPerceptron(variant="averaged", max_iter=3).fit(X, [0, 1, 0, 1])


def test_names_objects_and_functions_are_the_same_kernel(seed):
    X, y = problem(seed, N=30)
    by_name = KernelPerceptron("poly", gamma=1.0, degree=2, coef0=1.0).fit(X, y)
    by_function = KernelPerceptron(lambda x, z: (1 + x @ z) ** 2).fit(X, y)
    np.testing.assert_allclose(by_name.decision_function(X), by_function.decision_function(X), rtol=1e-9)


def test_a_class_of_longer_steps_wins_more(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(200, 1)), rng.integers(0, 2, 200)
    shares = [KernelPerceptron(class_weight={0: 1.0, 1: v}).fit(X, y).predict(X).mean() for v in (0.2, 5.0)]
    assert shares[0] < shares[1]


@pytest.mark.parametrize("variant", ["last", "averaged", "voted"])
def test_two_rows(variant):
    model = KernelPerceptron(variant=variant).fit([[0.0], [1.0]], ["a", "b"])
    assert model.predict([[-0.1], [1.1]]).tolist() == ["a", "b"]

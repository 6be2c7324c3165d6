"""Neighbours and shares of sets of labels: scikit-learn as the oracle, and formulas by hand."""

import numpy as np
import pytest
from sklearn import neighbors as standard

from peira.linear import KNeighborsClassifier, KNeighborsClassifierCV, PriorClassifier
from peira.measures import get_measure


def problem(seed, N=70, L=3):
    rng = np.random.default_rng([seed, N])
    X = rng.normal(size=(N, 3))
    return X, (X @ rng.normal(size=(3, L)) + rng.normal(size=(N, L)) > 0.4).astype(int)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("N", [1, 2, 3, 70])
def test_neighbours_are_those_of_scikit_learn(weights, N, seed):
    X, Y = problem(seed, N)
    k, queries = min(4, N), np.random.default_rng(seed).normal(size=(30, 3))
    ours = KNeighborsClassifier(k, weights=weights).fit(X, Y)
    theirs = standard.KNeighborsClassifier(k, weights=weights).fit(X, Y)
    np.testing.assert_array_equal(ours.predict(queries), theirs.predict(queries))
    marginals = [p[:, list(c).index(1)] if 1 in c else np.zeros(30) for p, c in
                 zip(theirs.predict_proba(queries), theirs.classes_, strict=True)]  # fmt: skip
    np.testing.assert_allclose(ours.predict_proba(queries), np.column_stack(marginals), atol=1e-12)


def test_prior_votes_are_shares_of_all_rows(seed):
    X, Y = problem(seed)
    w = 1.0 + np.arange(len(X)) % 2
    near = KNeighborsClassifier(5).fit(X, Y, sample_weight=w).predict_proba(X)
    both = KNeighborsClassifier(5, prior_votes=2.0).fit(X, Y, sample_weight=w).predict_proba(X)
    np.testing.assert_allclose(both, (5 * near + 2 * (w @ Y) / w.sum()) / 7, rtol=1e-10)


def test_the_chosen_number_has_the_least_hamming_loss_of_the_rows_left_out(seed):
    X, Y = problem(seed, N=25)
    chosen = KNeighborsClassifierCV(6).fit(X, Y)
    errors = np.zeros(6)
    for n in range(25):
        rest = np.arange(25) != n
        for k in range(1, 7):
            errors[k - 1] += (KNeighborsClassifier(k).fit(X[rest], Y[rest]).predict(X[n : n + 1]) != Y[n]).mean() / 25
    np.testing.assert_allclose(chosen.error_path_, errors, atol=1e-12)
    assert chosen.n_neighbors_ == 6 - np.argmin(errors[::-1].round(12))


def test_shares_of_labels_and_their_entropy(seed):
    X, Y = problem(seed)
    prior = PriorClassifier().fit(X, Y)
    p = Y.mean(0)
    np.testing.assert_allclose(prior.predict_proba(X[:2]), [p, p], rtol=1e-12)
    assert prior.weight_ == 70.0 and prior.predict(X[:1]).tolist() == [(p > 0.5).astype(int).tolist()]
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()
    assert get_measure("log_loss", "multilabel").value(Y, prior.predict_dist(X)) == pytest.approx(entropy, rel=1e-12)


def test_where_neighbours_are_asked_in_vain_for_two_labels():
    """A label that nobody has, and one that all have, leave no doubt."""
    model = KNeighborsClassifier(2).fit([[0.0], [1.0], [2.0]], [[1, 0], [1, 0], [1, 0]])
    assert model.predict_proba([[0.4]]).tolist() == [[1.0, 0.0]] and model.predict([[0.4]]).tolist() == [[1, 0]]

"""Methods whose card says "multilabel" learn sets of labels in every form; all other classifiers say what to do."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.multioutput import MultiOutputClassifier

import peira
from peira.core.errors import DataError
from peira.core.predictive import Categorical
from peira.linear import LogisticRegression, PriorClassifier
from peira.measures import get_measure, measures_for
from tests.contract.discovery import for_methods, has, labelled, same, takes_weights

NAMES = np.array(["dry", "rain", "wind"])
learns_sets = for_methods(lambda cls: "multilabel" in cls.card.tasks)


def weather(seed, N=60):
    """Sets of three labels, empty ones among them, that hang on two of four columns."""
    rng = np.random.default_rng([seed, 11])
    X = rng.normal(size=(N, 4))
    Y = (X[:, :2] @ [[1.0, -1.0, 0.5], [0.3, 1.0, -1.0]] + 0.5 * rng.normal(size=(N, 3)) > 0.2).astype(int)
    Y[0] = 0
    return X, Y


def sets(Y):
    return [set(NAMES[row > 0].tolist()) for row in Y]


@learns_sets
def test_all_verbs_answer_for_each_label(cls, seed):
    X, Y = weather(seed)
    method = cls.example().fit(X, Y)
    P, said, forecast = method.predict_proba(X), method.predict(X), method.predict_dist(X)
    assert P.shape == said.shape == Y.shape and method.classes_.tolist() == [0, 1, 2] and not method.as_sets_
    assert said.dtype.kind == "i" and ((P >= 0) & (P <= 1)).all()
    np.testing.assert_array_equal(said, P > 0.5)
    assert isinstance(forecast, Categorical) and forecast.shape == Y.shape
    np.testing.assert_allclose(forecast.probs[..., 1], P, rtol=1e-12)
    np.testing.assert_allclose(np.exp(method.predict_log_proba(X)), P, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(1 / (1 + np.exp(-method.decision_function(X))), P, rtol=1e-9, atol=1e-12)
    assert method.score(X, Y) == (said == Y).all(1).mean() == get_measure("accuracy", "multilabel").value(Y, said)
    for measure in measures_for("multilabel"):
        assert np.isfinite(measure.value(Y, forecast if measure.needs == "predict_dist" else said)), measure.name


@learns_sets
def test_sets_come_in_any_form_and_answers_are_alike(cls, seed):
    X, Y = weather(seed)
    expected = cls.example().fit(X, Y)
    P, said = expected.predict_proba(X), expected.predict(X)
    forms = (
        np.ndarray.tolist, sparse.csr_array, torch.from_numpy, lambda Y: Y > 0, lambda Y: pd.DataFrame(Y, columns=NAMES)
    )  # fmt: skip
    for form in forms:
        method = cls.example().fit(X, form(Y))
        np.testing.assert_array_equal(method.predict_proba(X), P)
        np.testing.assert_array_equal(method.predict(X), said)
        assert method.score(X, form(Y)) == expected.score(X, Y)
    assert method.classes_.tolist() == NAMES.tolist(), "columns of a frame are named"
    for form in (sets, lambda Y: tuple(frozenset(s) for s in sets(Y)), lambda Y: pd.Series(sets(Y))):
        method = cls.example().fit(X, form(Y))
        assert method.as_sets_ and method.classes_.tolist() == NAMES.tolist()
        assert method.predict(X) == sets(said) and method.score(X, form(Y)) == expected.score(X, Y)
        np.testing.assert_array_equal(method.predict_proba(X), P)
    tensor = expected.predict(torch.from_numpy(X))
    assert isinstance(tensor, torch.Tensor) and (tensor.numpy() == said).all()
    assert method.fit(X, Y[:, 0]).predict(X).shape == (len(X),) and not method.as_sets_, "fit forgets"


@learns_sets
def test_one_label_that_is_there_or_not(cls, seed):
    X, Y = weather(seed)
    method = cls.example().fit(X, [{"rain"} if y else set() for y in Y[:, 1]])
    assert method.predict_proba(X).shape == (len(X), 1) and set().union(*method.predict(X)) <= {"rain"}


@learns_sets
def test_what_was_learned_of_sets_is_stored(cls, seed, tmp_path):
    X, Y = weather(seed)
    for k, y in enumerate((Y, sets(Y))):
        method = cls.example().fit(X, y)
        back = peira.load(method.save(tmp_path / str(k)))
        assert same(back, method) and same(back.predict(X), method.predict(X))


@for_methods(lambda cls: "multilabel" in cls.card.tasks and takes_weights(cls) and cls.card.exact)
def test_weights_are_repetitions_of_sets(cls, seed):
    X, Y = weather(seed)
    w = np.arange(len(X)) % 3
    again = np.repeat(np.arange(len(X)), w)
    if cls.card.chooses_for:  # it leaves a whole row out, and the twins of a repeated one with it
        w, again = np.minimum(w, 1), np.flatnonzero(w)
    weighed, repeated = cls.example().fit(X, Y, sample_weight=w), cls.example().fit(X[again], Y[again])
    np.testing.assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X), rtol=1e-10, atol=1e-12)
    right = (weighed.predict(X) == Y).all(1)
    assert weighed.score(X, Y, sample_weight=w) == pytest.approx(w @ right / w.sum())


@for_methods(lambda cls: "multilabel" in cls.card.tasks and has("partial_fit")(cls))
def test_parts_go_on_with_the_labels_of_the_first(cls, seed):
    X, Y = weather(seed)
    whole = cls.example().fit(X, Y)
    blocks = cls.example().partial_fit(X[:25], Y[:25]).partial_fit(X[25:], Y[25:])
    named = cls.example().partial_fit(X[:1], [set()], classes=NAMES).partial_fit(X[1:], sets(Y[1:]))
    assert blocks.predict_proba(X).shape == named.predict_proba(X).shape == Y.shape
    if cls.card.incremental == "equals one fit":
        np.testing.assert_allclose(blocks.predict_proba(X), whole.predict_proba(X), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(named.predict_proba(X), whole.predict_proba(X), rtol=1e-10, atol=1e-12)
    with pytest.raises(DataError, match="has learned 3 labels that an item may have, and expects their matrix"):
        blocks.partial_fit(X, Y[:, 0])
    with pytest.raises(DataError, match="expects a list of sets of them as y"):
        named.partial_fit(X, Y)
    with pytest.raises(DataError, match="'snow', which is not among"):
        named.partial_fit(X[:1], [{"snow"}])
    with pytest.raises(DataError, match="names or numbers of their 2 columns"):
        cls.example().partial_fit(X, Y[:, :2], classes=[0, 1, 2])


@learns_sets
def test_what_are_no_sets_is_refused_before_anything_changes(cls, seed):
    X, Y = weather(seed)
    method = cls.example().fit(X, Y)
    before = dict(vars(method))
    wrong = Y.copy()
    wrong[7, 2] = 3
    for y, message in (
        (wrong, "got 3 in row 7, column 2"),
        (Y[:-1], "inconsistent numbers of samples: X has 60 rows, y has 59"),
        ([{"a"}, *[None] * 59], "row 1 holds None: give every item a set"),
        ([{"a"}, *[{1}] * 59], "mixes int and str"),
        ([set()] * 59 + [{float("nan")}], "NaN or None: 1 of 1 labels"),
    ):
        with pytest.raises(DataError, match=message):
            method.fit(X, y)
    assert same(vars(method), before)


@for_methods(lambda cls: labelled(cls) and "multilabel" not in cls.card.tasks)
def test_other_classifiers_refuse_sets_and_say_what_to_do(cls, seed):
    X, Y = weather(seed)
    X = np.abs(X)
    for y in (Y, sets(Y)):
        with pytest.raises(ValueError, match=r"peira.methods\(task='multilabel'\).*MultiOutputClassifier"):
            cls.example().fit(X, y)


def test_what_the_refusal_says_works(seed):
    X, Y = weather(seed)
    assert {"MLPClassifier", "KNeighborsClassifier", "PriorClassifier"} <= peira.methods(task="multilabel").keys()
    method = MultiOutputClassifier(LogisticRegression()).fit(X, Y)
    assert method.predict(X).shape == Y.shape and method.score(X, Y) > PriorClassifier().fit(X, Y).score(X, Y)


@for_methods(lambda cls: "multilabel" in cls.card.tasks, data="images")
def test_nets_learn_sets_of_images(cls, seed, tmp_path):
    """A bright bar and a dark corner, each there or not."""
    rng = np.random.default_rng(seed)
    Y = rng.integers(0, 2, (80, 2))
    X = rng.uniform(0.3, 0.7, (80, 16, 16))
    X[Y[:, 0] == 1, 6:9], X[Y[:, 1] == 1, 10:, 10:] = 1.0, 0.0
    seen = [{name for name, there in zip(("bar", "corner"), row, strict=True) if there} for row in Y.tolist()]
    method = cls.example().fit(X, seen)
    P = method.predict_proba(X)
    assert P.shape == (80, 2) and method.classes_.tolist() == ["bar", "corner"]
    assert method.score(X, seen) > 0.6 and method.predict(X) == [
        {str(name) for name in method.classes_[row]} for row in P > 0.5
    ]
    matrix = cls.example().fit(X, Y)
    np.testing.assert_array_equal(matrix.predict_proba(X), P)
    np.testing.assert_array_equal(matrix.predict(X), P > 0.5)
    assert same(peira.load(method.save(tmp_path / "net")).predict(X), method.predict(X))

"""Laws of ``predict`` and ``predict_dist`` for labels: what names, order and weights may change, and what not."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from peira.core.registry import get_method
from tests.contract.discovery import (
    as_array,
    bundled,
    experience,
    for_methods,
    has,
    labelled,
    number_of_classes,
    resamples,
    sharp,
    tags,
    takes_negative,
    takes_weights,
    taught,
)

classifying = for_methods(lambda cls: labelled(cls) and not tags(cls), data="any")
with_probabilities = for_methods(lambda cls: labelled(cls) and has("predict_dist")(cls))


def two_labels(cls, seed):
    """The same problem, with all labels but the first taken for one."""
    data = experience(cls, seed)
    return replace(data, y=np.minimum(data.y, 1), classes=(0, 1))


def scores(method, X):
    return method.predict_proba(X) if hasattr(method, "predict_proba") else method.decision_function(X)


@classifying
@pytest.mark.parametrize("names", [["ash", "birch", "cedar"], [-5, 7, 100], [1.0, 2.0, 3.0]], ids=lambda n: str(n[0]))
def test_labels_are_names(cls, seed, names):
    data, names = experience(cls, seed), names[: number_of_classes(cls)]
    renamed = replace(data, y=np.array(names)[data.y], classes=tuple(names))
    (plain, _), method = taught(cls, seed), renamed.teach(cls.example())
    assert method.classes_.tolist() == names
    assert method.predict(data.X).tolist() == np.array(names)[plain.predict(data.X)].tolist()
    np.testing.assert_array_equal(scores(method, data.X), scores(plain, data.X))


@classifying
def test_truth_values_are_labels(cls, seed):
    data = experience(cls, seed)
    method = cls.example().fit(data.X, data.y > 0)
    assert method.predict(data.X).dtype == bool
    numbers, _ = taught(cls, seed, two_labels)
    np.testing.assert_array_equal(method.predict(data.X), numbers.predict(data.X) == 1)


@for_methods(lambda cls: labelled(cls) and "random_state" not in cls.parameters() and not resamples(cls))
def test_the_order_of_the_classes_does_not_matter(cls, seed):
    data = experience(cls, seed)
    (plain, _), turned = taught(cls, seed, tight=True), replace(data, y=data.y.max() - data.y).teach(sharp(cls))
    expected = scores(plain, data.X)[:, ::-1]
    np.testing.assert_allclose(scores(turned, data.X), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@for_methods(lambda cls: labelled(cls) and "random_state" not in cls.parameters() and not resamples(cls))
def test_the_order_of_the_rows_does_not_matter(cls, seed):
    data = experience(cls, seed)
    order = np.random.default_rng(seed).permutation(len(data))
    expected = scores(taught(cls, seed, tight=True)[0], data.X)
    got = scores(data[order].teach(sharp(cls)), data.X)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@for_methods(lambda cls: labelled(cls) and has("decision_function")(cls), data="any")
def test_the_decision_is_the_largest_score(cls, seed):
    data = experience(cls, seed)
    for make in (experience, two_labels):
        method, _ = taught(cls, seed, make)
        said, decision = method.predict(data.X), method.decision_function(data.X)
        best = decision.argmax(1) if decision.ndim == 2 else (decision > 0).astype(int)
        assert (said == method.classes_[best]).all()


@with_probabilities
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e8, 1e150, -1e150])
def test_probabilities_sum_to_one_wherever_they_are_asked(cls, seed, scale):
    data = experience(cls, seed)
    if scale < 0 and not takes_negative(cls):
        return
    for make in (experience, two_labels):
        method, _ = taught(cls, seed, make)
        probs = method.predict_proba(data.X * scale)
        assert (probs >= 0).all()
        np.testing.assert_allclose(probs.sum(1), 1.0, rtol=4e-16 * probs.shape[1])
        logs = method.predict_log_proba(data.X * scale)
        assert not np.isnan(logs).any()
        np.testing.assert_allclose(np.exp(logs), probs, rtol=1e-12, atol=1e-300)


@with_probabilities
def test_the_distribution_is_told_in_one_voice(cls, seed):
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    forecast = method.predict_dist(data.X)
    np.testing.assert_array_equal(forecast.mode(), method.predict(data.X))
    np.testing.assert_array_equal(forecast.labels, method.classes_)
    np.testing.assert_allclose(np.exp(forecast.log_prob(data.y)), forecast.probs[np.arange(len(data)), data.y])


@for_methods(lambda cls: labelled(cls) and not cls.card.baseline)
def test_better_than_the_baseline_on_the_bundled_data(cls, seed):
    data = bundled(cls)
    train, test = train_test_split(np.arange(len(data)), test_size=0.3, random_state=seed, stratify=data.y)
    positive = replace(data, X=data.X / data.X.std(0))
    method = positive[train].teach(cls.example())
    baseline = positive[train].teach(get_method("PriorClassifier")())
    assert method.score(*positive[test].parts()) > baseline.score(*positive[test].parts()) + 0.2
    if has("predict_dist")(cls):
        gain = [m.predict_dist(positive.X[test]).log_prob(positive.y[test]).mean() for m in (method, baseline)]
        assert gain[0] > gain[1] + 0.1


@for_methods(
    lambda cls: labelled(cls) and "class_weight" in cls.parameters() and takes_weights(cls) and not resamples(cls)
)
def test_class_weights_are_weights_of_the_items(cls, seed):
    data = experience(cls, seed)
    y = np.where(np.arange(len(data)) % 4 == 0, data.y, 0)
    data, each = replace(data, y=y), np.array([0.5, 2.0, 3.0])[: number_of_classes(cls)]
    by_class = data.teach(sharp(cls).set_params(class_weight=dict(enumerate(each.tolist()))))
    by_item = data.teach(sharp(cls), each[y])
    np.testing.assert_allclose(scores(by_class, data.X), scores(by_item, data.X), rtol=1e-8)
    balanced = data.teach(sharp(cls).set_params(class_weight="balanced"))
    by_item = data.teach(sharp(cls), (len(y) / (len(each) * np.bincount(y)))[y])
    np.testing.assert_allclose(scores(balanced, data.X), scores(by_item, data.X), rtol=1e-6)


@for_methods(lambda cls: labelled(cls) and has("partial_fit")(cls) and "class_weight" in cls.parameters())
def test_balance_needs_all_rows(cls, seed):
    data = experience(cls, seed)
    with pytest.raises(ValueError, match="balanced"):
        data.teach(cls.example().set_params(class_weight="balanced"), verb="partial_fit")


@for_methods(lambda cls: labelled(cls) and "class_weight" in cls.parameters())
def test_class_weights_that_make_no_sense_are_refused(cls, seed):
    data = experience(cls, seed)
    for given, words in (("even", "balanced"), ({9: 1.0}, "9"), ({0: -1.0}, "-1"), (3.0, "balanced")):
        with pytest.raises(ValueError, match=words):
            data.teach(cls.example().set_params(class_weight=given))


@for_methods(lambda cls: labelled(cls) and has("partial_fit")(cls))
def test_a_label_that_was_not_announced_is_named(cls, seed):
    data = experience(cls, seed)
    method = data.teach(cls.example(), verb="partial_fit")
    with pytest.raises(ValueError, match=r"row 3.*7.*classes="):
        method.partial_fit(data.X, np.where(np.arange(len(data)) == 3, 7, data.y))
    with pytest.raises(ValueError, match="not the same as on last call"):
        method.partial_fit(data.X, data.y, classes=[0, 9])


@for_methods(lambda cls: labelled(cls) and takes_weights(cls))
def test_a_class_of_weight_zero_is_known_and_never_predicted(cls, seed):
    data = experience(cls, seed)
    try:
        method = data.teach(cls.example(), (data.y != 1).astype(float))
    except ValueError as error:
        assert "class" in str(error)
        return
    assert method.classes_.tolist() == list(data.classes)
    assert (method.predict(data.X) != 1).all()
    if has("predict_dist")(cls):
        assert as_array(method.predict_proba(data.X))[:, 1].max() < 0.2


@classifying
def test_missing_labels_and_quantities_are_refused_in_words(cls, seed):
    data = experience(cls, seed)
    last = data.classes[-1]
    words = np.array(["a", "b", "c"], dtype=object)[data.y]
    words[data.y == last] = None
    row = int(np.flatnonzero(data.y == last)[0])
    with pytest.raises(ValueError, match=f"missing.*row {row}"):
        cls.example().fit(data.X, words)
    with pytest.raises(ValueError, match=r"continuous.*row 0"):
        cls.example().fit(data.X, data.y + 0.5)
    with pytest.raises(ValueError, match="mixes int and str"):
        cls.example().fit(data.X, np.array(["a", 3, "b"], dtype=object)[data.y])

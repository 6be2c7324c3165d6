"""Fitting: repeatable, forgetful, without traces in what it was given or in the world around it."""

import copy
import random
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from peira.core import observing
from peira.experience.sequences import Sequences
from tests.contract.discovery import (
    answers,
    as_array,
    bundled,
    close,
    experience,
    for_methods,
    has,
    labelled,
    resamples,
    same,
    sharp,
    supervised,
    takes_weights,
    taught,
)


def learned(method):
    return {name: value for name, value in vars(method).items() if name not in type(method).parameters()}


@for_methods(data="any")
def test_fit_returns_self_and_learns_names_with_an_underscore(cls, seed):
    method = cls.example()
    assert experience(cls, seed).teach(method) is method
    assert learned(method) and all(name.endswith("_") for name in learned(method))
    assert same({n: getattr(method, n) for n in cls.parameters()}, cls.example().get_params(deep=False))


@for_methods(data="any")
def test_the_same_data_and_seed_give_the_same_answer(cls, seed):
    data, (first, said) = experience(cls, seed), taught(cls, seed)
    second = data.teach(cls.example())
    assert same(learned(first), learned(second))
    assert same(said, answers(second, data.X))
    assert same(answers(first, data.X), answers(first, data.X)), "asking changes nothing"


@for_methods(data="any")
def test_refitting_forgets(cls, seed):
    wide, narrow = experience(cls, seed, D=6), experience(cls, seed + 1, N=40, D=3)
    twice = narrow.teach(wide.teach(cls.example()))
    once = narrow.teach(cls.example())
    assert same(learned(twice), learned(once))
    assert same(answers(twice, narrow.X), answers(once, narrow.X))


@for_methods(data="any")
def test_inputs_and_parameters_are_not_changed(cls, seed):
    data = experience(cls, seed)
    weights = 1.0 + np.arange(len(data)) % 3 if takes_weights(cls) else None
    before = copy.deepcopy((data, weights))
    for array in (*data.parts(), *([weights] if weights is not None else [])):
        if not isinstance(array, Sequences):  # which are read-only anyway
            array.setflags(write=False)
    method = data.teach(cls.example(), weights)
    answers(method, data.X)
    assert same([*before[0].parts(), before[1]], [*data.parts(), weights])
    if isinstance(data.X, Sequences):
        return
    tensors = data.turned(lambda v: torch.tensor(np.array(v)))
    answers(tensors.teach(cls.example()), tensors.X)
    assert same([v.numpy() for v in tensors.parts()], list(before[0].parts()))


@for_methods(data="any")
def test_global_random_state_is_neither_read_nor_moved(cls, seed):
    data = experience(cls, seed)
    results = []
    for start in (1, 2):
        np.random.seed(start)
        torch.manual_seed(start)
        random.seed(start)
        before = (np.random.get_state()[1].copy(), torch.get_rng_state(), random.getstate())
        method = data.teach(cls.example())
        results.append((learned(method), answers(method, data.X)))
        after = (np.random.get_state()[1], torch.get_rng_state(), random.getstate())
        assert np.array_equal(before[0], after[0]) and torch.equal(before[1], after[1]) and before[2] == after[2]
    if "random_state" not in cls.parameters() or cls.example().random_state is not None:
        assert same(list(results[0]), list(results[1]))


@for_methods(data="any")
def test_the_warning_filters_and_thread_counts_are_left_alone(cls, seed):
    data, before = experience(cls, seed), (list(warnings.filters), torch.get_num_threads(), torch.get_default_dtype())
    answers(data.teach(cls.example()), data.X)
    assert (list(warnings.filters), torch.get_num_threads(), torch.get_default_dtype()) == before


@for_methods()
def test_the_number_of_threads_changes_nothing_that_matters(cls, seed):
    data, before = experience(cls, seed), torch.get_num_threads()
    threads = 2 if before == 1 else 1
    try:
        torch.set_num_threads(threads)
        first, second = (answers(data.teach(cls.example()), data.X) for _ in range(2))
    finally:
        torch.set_num_threads(before)
    assert same(first, second), f"two fits with {threads} threads differ"
    close(first, taught(cls, seed)[1], rtol=1e-9)


@for_methods(lambda cls: takes_weights(cls) and not resamples(cls))
def test_weights_equal_repetition(cls, seed):
    data = experience(cls, seed)
    counts = np.random.default_rng(seed).integers(0, 3, len(data))
    weighted = data.teach(sharp(cls), counts.astype(np.float64))
    repeated = data[np.repeat(np.arange(len(data)), counts)].teach(sharp(cls))
    close(answers(weighted, data.X), answers(repeated, data.X), rtol=1e-5, atol=1e-6)
    whole = np.asarray(counts, dtype=np.int64)
    assert same(answers(weighted, data.X), answers(data.teach(sharp(cls), whole), data.X)), "whole numbers are numbers"


@for_methods(takes_weights)
def test_no_weights_are_weights_of_one(cls, seed):
    data = experience(cls, seed)
    ones = data.teach(sharp(cls), np.ones(len(data)))
    close(taught(cls, seed, tight=True)[1], answers(ones, data.X), rtol=1e-6, atol=1e-8)


@for_methods(lambda cls: cls.card.incremental == "equals one fit")
def test_learning_in_parts_and_in_any_order_equals_one_fit(cls, seed):
    data, (_, whole) = experience(cls, seed), taught(cls, seed, tight=True)
    order = np.random.default_rng(seed).permutation(len(data))
    for blocks in (
        np.split(np.arange(len(data)), [1, 2, 17]),
        np.split(order, [20, 21, 40]),
        [np.arange(len(data))],
    ):
        method = sharp(cls)
        for rows in blocks:
            assert data[rows].teach(method, verb="partial_fit") is method
        close(answers(method, data.X), whole, rtol=1e-6, atol=1e-8)


@for_methods(has("partial_fit"))
def test_the_card_says_what_learning_more_promises(cls, seed):
    assert cls.card.incremental
    data = experience(cls, seed)
    method = data.teach(cls.example(), verb="partial_fit")
    answers(method, data.X)
    state = copy.deepcopy(vars(method))
    wrong = experience(cls, seed, D=5)
    with pytest.raises(ValueError, match="5 features"):
        wrong.teach(method, verb="partial_fit")
    assert same(vars(method), state)
    data.teach(method, verb="fit")
    assert same(answers(method, data.X), taught(cls, seed)[1]), "fit forgets what partial_fit learned"


@for_methods(lambda cls: bool(cls.card.incremental), data="any")
def test_the_card_promises_only_what_is_there(cls):
    assert callable(getattr(cls, "partial_fit", None))


@for_methods()
def test_a_failed_fit_leaves_a_fitted_method_as_it_was(cls, seed):
    data, (method, said) = experience(cls, seed), taught(cls, seed)
    state = copy.deepcopy(vars(method))
    bad = data.turned(np.array)
    bad.X[3, 1] = np.inf
    with pytest.raises(ValueError, match="infini"):
        bad.teach(method)
    assert same(vars(method), state) and same(answers(method, data.X), said)
    if supervised(cls):
        with pytest.raises(ValueError):
            method.fit(data.X, data.y[:-1])
        assert same(vars(method), state)
    fresh = cls.example()
    with pytest.raises(ValueError, match="infini"):
        bad.teach(fresh)
    assert vars(fresh).keys() == cls.parameters().keys()


@for_methods(data="any")
def test_history_is_finite_and_moves_as_declared(cls, seed):
    data, events = experience(cls, seed), []
    with observing(events.append):
        method = data.teach(cls.example())
    starts = [e for e in events if e.kind == "start"]
    if not starts:
        assert not hasattr(method, "history_"), "a history without events: the loop does not run through iterate"
        return
    assert [e.kind for e in events].count("end") == len(starts)
    assert method.n_iter_ >= 0 and method.stopped_
    assert all(np.isfinite(values).all() and len(values) for values in method.history_.values())
    running = {}
    for event in events:
        if event.kind == "start":
            running[event.path] = (event.values, {name: [] for name in event.values})
        elif event.kind == "step":
            for name, value in event.values.items():
                running[event.path][1].setdefault(name, []).append(value)
        else:
            expected, recorded = running.pop(event.path)
            for name, way in expected.items():
                moves = np.diff(recorded[name]) * (1 if way == "increase" else -1)
                slack = 1e-9 * np.abs(recorded[name]).max(initial=1.0)
                assert (moves >= -slack).all(), f"{name} should {way}: worst move {moves.min():.3g}"
    assert not running


@for_methods(lambda cls: "max_iter" in cls.parameters(), data="any")
def test_too_few_steps_warn_once_with_the_remedy(cls, seed):
    data = bundled(cls) if supervised(cls) else experience(cls, seed)
    method = cls.example().set_params(max_iter=2)
    if "tol" in cls.parameters():
        method.set_params(tol=cls.parameters()["tol"].low or 1e-14)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data.teach(method)
    told = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
    if method.stopped_ == "max_iter":
        assert len(told) == 1 and "raise max_iter" in told[0] and "tol" in told[0]
    else:
        assert not told or resamples(cls), f"warned, and yet {method.stopped_}"


@for_methods(data="any")
def test_nothing_listens_and_nothing_is_slowed(cls, seed):
    data, events = experience(cls, seed), []
    quiet, _ = taught(cls, seed)
    with observing(events.append):
        watched = data.teach(cls.example())
    assert same(learned(quiet), learned(watched)), "a listener only watches"


@for_methods(lambda cls: cls.card.multi_output)
def test_several_targets_are_learned_as_one_by_one(cls, seed):
    data = experience(cls, seed, K=3)
    together = data.teach(cls.example()).predict(data.X)
    assert together.shape == (len(data), 3)
    column = cls.example().fit(data.X, data.y[:, :1]).predict(data.X)
    vector = cls.example().fit(data.X, data.y[:, 0]).predict(data.X)
    assert column.shape == (len(data), 1) and vector.shape == (len(data),)
    np.testing.assert_allclose(column[:, 0], vector, rtol=1e-7, atol=1e-9)


@for_methods(lambda cls: supervised(cls) and not cls.card.multi_output and "multilabel" not in cls.card.tasks)
def test_several_targets_are_refused_in_words(cls, seed):
    data = experience(cls, seed, K=2)
    with pytest.raises(ValueError, match=r"1d array|expected targets of shape"):
        data.teach(cls.example())


@for_methods(lambda cls: takes_weights(cls) and supervised(cls))
def test_the_score_is_the_measure_of_the_task(cls, seed):
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    weights = np.linspace(0, 1, len(data))
    if labelled(cls):
        right = data.y == method.predict(data.X)
        assert method.score(data.X, data.y, sample_weight=weights) == pytest.approx(weights @ right / weights.sum())
        return
    residual, centred = data.y - method.predict(data.X), data.y - weights @ data.y / weights.sum()
    assert method.score(data.X, data.y, sample_weight=weights) == pytest.approx(
        1 - weights @ residual**2 / (weights @ centred**2)
    )
    tensors = data.turned(torch.from_numpy)
    assert method.score(*tensors.parts()) == pytest.approx(method.score(*data.parts()))


@for_methods(lambda cls: has("predict_dist")(cls) and not labelled(cls))
def test_return_std_is_the_alias_of_predict_dist(cls, seed):
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    mean, std = method.predict(data.X, return_std=True)
    forecast = method.predict_dist(data.X)
    assert same(as_array(mean), as_array(forecast.mean)) and same(as_array(std), as_array(forecast.std))
    assert len(forecast) == len(data)


@for_methods(lambda cls: supervised(cls) and not hasattr(cls, "predict_dist") and not labelled(cls))
def test_without_a_distribution_there_is_no_std(cls, seed):
    data = experience(cls, seed)
    with pytest.raises(TypeError, match="no predictive distribution"):
        data.teach(cls.example()).predict(data.X, return_std=True)

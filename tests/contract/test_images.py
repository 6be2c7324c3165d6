"""Methods that learn from images: what comes in, what is refused, and what does not matter."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split

import peira
from peira.experience.images import Images
from tests.contract.discovery import (
    answering,
    answers,
    as_array,
    bundled,
    close,
    experience,
    for_methods,
    has,
    labelled,
    same,
    supervised,
    takes_weights,
    taught,
)

of_images = for_methods(data="images")
ROUNDING = 1e-4  # float32 inside


def in_bytes(cls, seed):
    """The same problem in whole numbers from 0 to 255, which every form of images can hold exactly."""
    data = experience(cls, seed)
    return replace(data, X=np.round(data.X * 255).astype(np.uint8))


@of_images
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda v: v[..., None], id="channel last"),
        pytest.param(lambda v: v[:, None], id="channel first"),
        pytest.param(list, id="list"),
        pytest.param(np.asfortranarray, id="Fortran order"),
        pytest.param(lambda v: v[::-1][::-1], id="twice reversed"),
        pytest.param(Images, id="container"),
    ],
)
def test_every_make_of_images_gives_the_same_answer(cls, seed, make):
    data = in_bytes(cls, seed)
    expected = taught(cls, seed, in_bytes)[1]
    got = answers(replace(data, X=make(data.X)).teach(cls.example()), make(data.X))
    close(got, expected, rtol=ROUNDING, atol=1e-6)


@of_images
def test_bytes_are_fractions_of_255(cls, seed):
    data, method = in_bytes(cls, seed), taught(cls, seed, in_bytes)[0]
    fractions = (data.X / 255.0).astype(np.float32)
    close(answers(method, fractions), answers(method, data.X), rtol=1e-5, atol=1e-5)
    assert same(answers(method, fractions.astype(np.float64)), answers(method, fractions))


@of_images
def test_tensors_in_tensors_out(cls, seed):
    data = in_bytes(cls, seed)
    tensors = data.turned(torch.tensor)
    method, verb = tensors.teach(cls.example()), answering(cls)
    answer = getattr(method, verb)(tensors.X)
    assert isinstance(answer, torch.Tensor) and answer.device == tensors.X.device and not answer.requires_grad
    assert isinstance(getattr(method, verb)(data.X), np.ndarray), "NumPy in, NumPy out, whatever it was fitted on"
    assert same(answers(method, tensors.X), taught(cls, seed, in_bytes)[1])
    first = torch.tensor(data.X / 255.0, requires_grad=True)[:, None]
    assert not getattr(method, verb)(first).requires_grad


@of_images
def test_colour_is_learned_too(cls, seed):
    data = in_bytes(cls, seed)
    colour = replace(data, X=np.stack([data.X, 255 - data.X, data.X // 2], axis=-1))
    method = colour.teach(cls.example())
    assert len(getattr(method, answering(cls))(colour.X)) == len(data)
    with pytest.raises(ValueError, match=r"grey|, 1\)"):
        answers(method, data.X)


@of_images
def test_each_image_is_answered_alone_and_in_any_order(cls, seed):
    data, (method, whole) = experience(cls, seed), taught(cls, seed)
    order = np.random.default_rng(seed).permutation(len(data))
    verbs = [v for v in ("predict", "transform", "probabilities") if v in whole]
    for rows in (order, order[:1], order[5:7]):
        some = answers(method, data.X[rows])
        close({v: some[v] for v in verbs}, {v: whole[v][rows] for v in verbs}, rtol=ROUNDING, atol=ROUNDING)


@of_images
@pytest.mark.parametrize("form", ["arrays", "tensors"])
def test_a_stored_method_comes_back_bit_for_bit(cls, seed, tmp_path, form):
    data = in_bytes(cls, seed)
    X = {"arrays": data.X, "tensors": torch.tensor(data.X)}[form]
    method, _ = taught(cls, seed, in_bytes)
    back = peira.load(method.save(tmp_path / "model"))
    assert type(back) is cls and same(vars(back), vars(method)) and same(answers(back, X), answers(method, X))
    again = peira.load(back.save(tmp_path / "again"))
    for name in ("model.json", "weights.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()
    assert same(vars(again), vars(method))


# ------------------------------------------------------------------------------------------ refused


@of_images
@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        pytest.param(lambda v: v.reshape(len(v), -1), ValueError, "from_rows", id="rows"),
        pytest.param(lambda v: v[0, 0], ValueError, "expected images", id="a vector"),
        pytest.param(lambda v: v[None, None], ValueError, "expected images", id="five axes"),
        pytest.param(lambda v: np.stack([v] * 4, -1), ValueError, "transparency", id="alpha"),
        pytest.param(lambda v: v[:0], ValueError, "0 sample", id="none"),
        pytest.param(lambda v: v[:, :0], ValueError, "single pixel", id="no pixels"),
        pytest.param(lambda v: [*v[:-1], v[-1][1:]], ValueError, "equal size", id="mixed sizes"),
        pytest.param(lambda v: v * 1j, ValueError, "Complex", id="complex"),
        pytest.param(lambda v: np.round(v).astype(np.int64), ValueError, "uint8", id="whole numbers"),
        pytest.param(lambda v: v.astype(str), ValueError, "numbers", id="words"),
        pytest.param(lambda v: "folder", ValueError, "images", id="a path"),
        pytest.param(lambda v: None, ValueError, "images", id="nothing"),
    ],
)
def test_what_is_no_image_is_refused_in_words(cls, seed, make, error, words):
    data = experience(cls, seed)
    bad = make(data.X)
    with pytest.raises(error, match=words):
        cls.example().fit(bad, *data.parts()[1:])
    method, _ = taught(cls, seed)
    with pytest.raises(error, match=words):
        getattr(method, answering(cls))(bad)


@of_images
def test_a_pixel_that_is_not_finite_is_named_and_changes_nothing(cls, seed):
    data, (method, said) = experience(cls, seed), taught(cls, seed)
    state = copy.deepcopy(vars(method))
    for bad, words in ((np.nan, "NaN in image 7"), (np.inf, "infinity in image 7")):
        spoilt = data.turned(np.array)
        spoilt.X[7, 2, 1] = bad
        with pytest.raises(ValueError, match=words):
            spoilt.teach(method)
        with pytest.raises(ValueError, match=words):
            answers(method, spoilt.X)
        fresh = cls.example()
        with pytest.raises(ValueError, match=words):
            spoilt.teach(fresh)
        assert vars(fresh).keys() == cls.parameters().keys()
    if supervised(cls):
        with pytest.raises(ValueError, match="60 .*59|59 .*60"):
            method.fit(data.X, data.y[:-1])
    assert same(vars(method), state) and same(answers(method, data.X), said)


@of_images
def test_images_of_another_size_are_refused(cls, seed):
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    side = data.X.shape[1]
    for other in (data.X[:, :-1], data.X[:, :, :-1], np.stack([data.X] * 3, -1)):
        with pytest.raises(ValueError, match=f"{side}.* {side}"):
            answers(method, other)


@of_images
def test_asking_before_fitting_is_refused(cls, seed):
    X = experience(cls, seed).X
    for verb in ("predict", "predict_dist", "transform", "inverse_transform", "log_prob"):
        if callable(getattr(cls, verb, None)):
            with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted"):
                getattr(cls.example(), verb)(X)


@for_methods(supervised, data="images")
def test_targets_that_do_not_fit_the_images_are_refused(cls, seed):
    data = experience(cls, seed)
    for y, words in (
        (None, "requires y"),
        (np.zeros((60, 0)), "expected targets|1d array|0 feature"),
        (np.zeros((60, 1, 1)), "expected targets|1d array|dim"),
        (np.column_stack([data.y, data.y]), "1d array|expected targets"),
        (np.zeros(60) * 1j, "Complex"),
    ):
        with pytest.raises(ValueError, match=words):
            cls.example().fit(data.X, y)


@for_methods(lambda cls: labelled(cls) and not cls.card.baseline and not cls.card.wraps, data="images")
def test_one_class_is_refused_and_two_images_are_enough_or_refused_in_words(cls, seed):
    data = experience(cls, seed)
    with pytest.raises(ValueError, match=r"at least 2 classes.*got 1"):
        cls.example().fit(data.X, np.zeros(60, int))
    with pytest.raises(ValueError, match=r"class"):
        cls.example().fit(data.X[:1], data.y[:1])
    rows = np.array([int((data.y == c).argmax()) for c in (0, 1)])
    try:
        method = data[rows].teach(cls.example())
    except ValueError as error:
        assert len(str(error)) > 20
        return
    assert np.isfinite(answers(method, data.X).get("probabilities", np.zeros(1))).all()


@of_images
@pytest.mark.parametrize("side", [1, 3])
def test_tiny_images_are_learned_or_refused_in_words(cls, seed, side):
    data = experience(cls, seed)
    data = replace(data, X=data.X[:, :side, :side])
    try:
        said = answers(data.teach(cls.example()), data.X)
    except ValueError as error:
        assert len(str(error)) > 20 and "Kernel size" not in str(error), "an error from the depths"
        return
    assert all(np.isfinite(v).all() for v in said.values() if v.dtype.kind == "f")


@of_images
@pytest.mark.parametrize("value", [0.0, 1e8])
def test_constant_images_are_learned_without_harm(cls, seed, value):
    data = experience(cls, seed)
    constant = replace(data, X=np.full_like(data.X, value))
    said = answers(constant.teach(cls.example()), constant.X)
    assert all(np.isfinite(v).all() for v in said.values() if v.dtype.kind == "f")


# ------------------------------------------------------------------------------------------ weights


@for_methods(takes_weights, data="images")
@pytest.mark.parametrize(
    ("weights", "words"),
    [
        pytest.param(-np.ones(60), "row 0", id="negative"),
        pytest.param(np.r_[np.ones(59), np.nan], "row 59", id="NaN"),
        pytest.param(np.zeros(60), "zero", id="all zero"),
        pytest.param(np.ones(59), "59", id="wrong length"),
    ],
)
def test_weights_that_make_no_sense_are_refused(cls, seed, weights, words):
    with pytest.raises(ValueError, match=words):
        experience(cls, seed).teach(cls.example(), weights)


@for_methods(takes_weights, data="images")
def test_only_the_proportions_of_weights_matter(cls, seed):
    data = experience(cls, seed)
    w = np.random.default_rng(seed).integers(1, 5, len(data)).astype(float)
    first, second = (answers(data.teach(cls.example(), scale * w), data.X) for scale in (1.0, 4.0))
    close(first, second, rtol=ROUNDING, atol=ROUNDING)


@for_methods(lambda cls: takes_weights(cls) and hasattr(cls, "loss"), data="images")
def test_the_weighted_loss_is_that_of_repeated_images(cls, seed):
    """Batches differ, so the fits do; but what becomes small is the same function of the weights of the net."""
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    counts = torch.tensor(np.random.default_rng(seed).integers(0, 3, len(data)))
    X, y = torch.tensor(data.X, dtype=torch.float32)[:, None], torch.tensor(data.y)
    with torch.no_grad():
        weighted = method.loss(X, y, counts / counts.double().mean())
        repeated = method.loss(X.repeat_interleave(counts, 0), y.repeat_interleave(counts, 0))
    assert float(weighted) == pytest.approx(float(repeated), rel=1e-5)


# ------------------------------------------------------------------------------------------ learning


@for_methods(lambda cls: labelled(cls) and not cls.card.baseline, data="images")
def test_better_than_the_most_frequent_label_on_the_bundled_images(cls, seed):
    data = bundled(cls)
    rows = np.random.default_rng(seed).permutation(len(data))[:600]
    train, test = train_test_split(rows, test_size=0.3, random_state=seed, stratify=data.y[rows])
    method = data[train].teach(cls.example())
    most = max(np.mean(data.y[test] == c) for c in np.unique(data.y))
    assert method.score(*data[test].parts()) > most + 0.2
    if has("predict_dist")(cls):
        forecast = method.predict_dist(data.X[test])
        np.testing.assert_allclose(as_array(forecast.probs).sum(1), 1.0, rtol=1e-12)
        assert (as_array(forecast.mode()) == as_array(method.predict(data.X[test]))).all()


@of_images
def test_the_bars_can_be_told_apart(cls, seed):
    """The problem that the contract sets is a fair one: the directions differ, wherever the bar is."""
    data = experience(cls, seed)
    if labelled(cls):
        rows, columns = data.X.max(2).min(1), data.X.max(1).min(1)  # a bright pixel in each row, in each column
        assert ((rows == 1) == (data.y != 1)).all() and ((columns == 1) == (data.y != 0)).all()

"""The container of images, and the door that methods open for them."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from peira.core import DataError
from peira.core.images import open_images
from peira.experience.images import Images


def opened(X):
    return open_images(X, owner="Owner").X


GREY = np.random.default_rng(0).integers(0, 256, (5, 6, 4), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (5, 6, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda v: v, id="grey array"),
        pytest.param(lambda v: v[..., None], id="channel last"),
        pytest.param(lambda v: v[:, None], id="channel first"),
        pytest.param(lambda v: list(v), id="list of images"),
        pytest.param(lambda v: v.tolist() and [image.astype(np.uint8) for image in v], id="list of copies"),
        pytest.param(np.asfortranarray, id="Fortran order"),
        pytest.param(lambda v: np.repeat(v, 2, axis=0)[::2], id="strided"),
        pytest.param(lambda v: v[::-1][::-1], id="twice reversed"),
        pytest.param(Images, id="container"),
        pytest.param(torch.tensor, id="tensor"),
        pytest.param(lambda v: torch.tensor(v)[..., None], id="tensor, channel last"),
        pytest.param(lambda v: v / 255.0, id="floats"),
        pytest.param(lambda v: (v / 255.0).astype(">f8"), id="big-endian"),
        pytest.param(lambda v: torch.tensor(v, dtype=torch.float64) / 255, id="float tensor"),
    ],
)
def test_every_make_of_grey_images_is_the_same_inside(make):
    X = opened(make(GREY))
    assert X.shape == (5, 1, 6, 4) and X.dtype == torch.float32 and X.is_contiguous()
    torch.testing.assert_close(X[:, 0], torch.tensor(GREY / 255, dtype=torch.float32), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda v: v, id="channels last"),
        pytest.param(lambda v: np.moveaxis(v, 3, 1), id="channels first"),
        pytest.param(lambda v: torch.tensor(v).permute(0, 3, 1, 2), id="tensor, channels first"),
        pytest.param(Images, id="container"),
        pytest.param(list, id="list"),
    ],
)
def test_every_make_of_coloured_images_is_the_same_inside(make):
    X = opened(make(COLOUR))
    assert X.shape == (5, 3, 6, 4) and X.is_contiguous()
    torch.testing.assert_close(X[2, 1], torch.tensor(COLOUR[2, :, :, 1] / 255, dtype=torch.float32), rtol=0, atol=1e-7)


def test_what_came_as_a_tensor_is_answered_with_one():
    assert open_images(GREY, owner="Owner").as_numpy and open_images(Images(GREY), owner="Owner").as_numpy
    assert not open_images(torch.tensor(GREY), owner="Owner").as_numpy


def test_floats_are_left_as_they_are_and_inputs_are_not_changed():
    X = np.linspace(-3, 300, 2 * 5 * 5).reshape(2, 5, 5).astype(np.float32)
    kept = X.copy()
    X.setflags(write=False)
    assert torch.equal(opened(X)[:, 0], torch.tensor(kept)) and np.array_equal(X, kept)
    grey = GREY.copy()
    opened(grey)
    assert np.array_equal(grey, GREY)
    truths = GREY > 100
    assert torch.equal(opened(truths)[:, 0], torch.tensor(truths).float())


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        pytest.param(np.zeros((5, 36)), DataError, r"from_rows\(X, \(height, width\)\)", id="rows"),
        pytest.param(np.zeros(5), DataError, "expected images", id="a vector"),
        pytest.param(np.zeros((2, 3, 4, 4, 4)), DataError, "expected images", id="five axes"),
        pytest.param(np.zeros((5, 6, 6, 4)), DataError, r"transparency.*\[\.\.\., :3\]", id="alpha"),
        pytest.param(np.zeros((5, 6, 6, 2)), DataError, r"transparency.*\[\.\.\., :1\]", id="grey and alpha"),
        pytest.param(np.zeros((5, 6, 6, 7)), DataError, "expected images", id="seven channels"),
        pytest.param(np.zeros((0, 6, 6)), DataError, "0 sample", id="none"),
        pytest.param(np.zeros((3, 0, 6)), DataError, "single pixel", id="no rows"),
        pytest.param([], DataError, "0 sample", id="empty list"),
        pytest.param([np.zeros(s) for s in ((4, 4), (4, 4), (5, 4))], DataError, "image 2 has", id="mixed sizes"),
        pytest.param([[[1.0], [1.0, 2.0]]], DataError, "image 0", id="ragged"),
        pytest.param(np.zeros((2, 4, 4)) * 1j, DataError, "Complex", id="complex"),
        pytest.param(torch.zeros(2, 4, 4, dtype=torch.complex64), DataError, "Complex", id="complex tensor"),
        pytest.param(np.zeros((2, 4, 4), np.int64), DataError, "uint8", id="whole numbers"),
        pytest.param(np.zeros((2, 4, 4), np.uint16), DataError, "uint8", id="16 bits"),
        pytest.param(np.full((2, 4, 4), "a"), DataError, "numbers", id="words"),
        pytest.param(np.full((2, 4, 4), None), DataError, "numbers", id="objects"),
        pytest.param(np.ma.masked_equal(np.arange(32.0).reshape(2, 4, 4), 3), DataError, "masked", id="masked"),
        pytest.param(torch.zeros(2, 4, 4).to_sparse(), TypeError, "Sparse", id="sparse"),
        pytest.param(pd.DataFrame({"a": [1.0]}), DataError, "table", id="a frame"),
        pytest.param("folder", DataError, "read_images", id="a path"),
        pytest.param(None, DataError, "needs images", id="nothing"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused_in_words(X, error, words):
    with pytest.raises(error, match=words):
        open_images(X, owner="Owner")


@pytest.mark.parametrize(("bad", "words"), [(np.nan, "NaN"), (np.inf, "infinity"), (1e300, "infinity")])
def test_a_pixel_that_is_not_finite_is_named_by_its_image(bad, words):
    X = np.zeros((5, 6, 4, 3))
    X[3, 2, 1, 0] = bad
    with pytest.raises(DataError, match=rf"1 of 5 images, first {words} in image 3 at row 2, column 1, channel 0"):
        open_images(X, owner="Owner")


def test_large_numbers_are_finite_although_their_sum_is_not():
    X = np.full((2, 4, 4), 3e38, np.float32)
    assert torch.isfinite(opened(X)).all()


# ------------------------------------------------------------------------------------------ the container


def test_the_container_holds_bytes_or_floats():
    assert Images(GREY).shape == (5, 6, 4, 1) and Images(GREY).pixels.dtype == np.uint8
    assert Images(COLOUR).shape == (5, 6, 4, 3)
    assert Images(GREY.astype(np.int64)).pixels.dtype == np.uint8
    assert Images(GREY / 255).pixels.dtype == np.float32
    assert Images(torch.tensor(COLOUR)).pixels.dtype == np.uint8
    assert repr(Images(COLOUR[:1])) == "Images(1 colour image, 6 x 4 pixels)"


@pytest.mark.parametrize(
    "index",
    [slice(1, 3), np.array([4, 0]), [2], np.array([True, False, True, False, False]), [], slice(0, 0), 3, -1],
    ids=str,
)
def test_items_are_taken_as_from_an_array(index):
    d = Images(COLOUR, names=list("abcde"), notes=["a note"])
    some = d[index]
    rows = np.arange(5)[slice(0, 0) if isinstance(index, list) and not index else index]
    assert np.array_equal(some.pixels, COLOUR[np.atleast_1d(rows)])
    assert some.names.tolist() == [list("abcde")[r] for r in np.atleast_1d(rows)]
    assert some.notes == ("a note",) and len(some) == np.size(rows)


def test_scikit_learn_can_split_them():
    from sklearn.model_selection import train_test_split

    train, test, y, _ = train_test_split(Images(GREY), np.arange(5), test_size=2, random_state=0)
    assert isinstance(train, Images) and len(train) == 3 and len(test) == 2
    assert train.names.tolist() == [str(n) for n in y] and np.array_equal(train.pixels[..., 0], GREY[y])


def test_nothing_in_it_changes():
    d = Images(GREY)
    with pytest.raises(AttributeError, match="immutable"):
        d.pixels = GREY
    with pytest.raises(ValueError, match="read-only"):
        d.pixels[0] = 0
    with pytest.raises(TypeError, match="not iterable"):
        iter(d)
    assert GREY.flags.writeable
    for other in (copy.deepcopy(d), pickle.loads(pickle.dumps(d)), copy.copy(d)):
        assert np.array_equal(other.pixels, d.pixels) and other.names.tolist() == d.names.tolist()


def test_it_is_an_array_to_numpy():
    d = Images(GREY)
    assert np.asarray(d).dtype == np.uint8 and np.asarray(d).shape == (5, 6, 4, 1)
    assert np.asarray(d, dtype=np.float64).dtype == np.float64
    assert np.array(d).flags.writeable and np.shares_memory(np.asarray(d), d.pixels)


def test_rows_become_images_and_back():
    rows = COLOUR.reshape(5, -1)
    assert np.array_equal(Images.from_rows(rows, (6, 4, 3)).pixels, COLOUR)
    assert np.array_equal(Images.from_rows(torch.tensor(GREY.reshape(5, -1)), (6, 4)).pixels[..., 0], GREY)
    with pytest.raises(DataError, match="hold 25 numbers each"):
        Images.from_rows(rows, (5, 5))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Images(np.zeros((5, 6))), "from_rows"),
        (lambda: Images(np.zeros((5, 6, 6, 4))), r"C = 1 or 3.*leave out how transparent"),
        (lambda: Images(np.zeros((5, 3, 6, 6))), r"np.moveaxis\(pixels, 1, 3\)"),
        (lambda: Images(np.full((2, 4, 4), 256)), "between 0 and 255"),
        (lambda: Images(np.full((2, 4, 4), -1)), "between 0 and 255"),
        (lambda: Images(np.full((2, 4, 4), "a")), "numbers"),
        (lambda: Images(GREY, names=["a"]), "5 images and 1 names"),
    ],
)
def test_what_is_no_image_is_not_held(make, words):
    with pytest.raises(DataError, match=words):
        make()

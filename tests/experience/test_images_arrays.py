"""Images in files of arrays, and what is recognised as images."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from peira.core import DataError
from peira.experience.images import Images, looks_like_images, read_images
from tests.experience.making_pictures import colour, grey, put

# ------------------------------------------------------------------------------------------ arrays in files


def idx(array, kind=8):
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def digits(tmp_path):
    X, y = np.stack([grey(n) for n in range(4)]), np.array([3, 1, 2, 3], np.uint8)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(X), mtime=0))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(y))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(X[:2]))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(y[:2]))
    return tmp_path, X, y


def test_idx_files_find_their_labels(digits):
    folder, X, y = digits
    (folder / "train-labels-idx1-ubyte").rename(folder / "labels")
    images, labels = Images.read_idx(folder / "train-images-idx3-ubyte.gz", folder / "labels")
    assert np.array_equal(images.pixels[..., 0], X) and labels.tolist() == y.tolist() and labels.dtype == np.int64
    assert Images.read_idx(folder / "train-images-idx3-ubyte.gz")[1] is None
    assert Images.read_idx(folder / "t10k-images-idx3-ubyte")[1].tolist() == [3, 1]
    assert Images.read_idx(io.BytesIO(idx(X)))[1] is None


def test_a_folder_with_the_files_of_mnist(digits):
    folder, X, y = digits
    for name in ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes(), mtime=0))
        (folder / name).unlink()
    assert looks_like_images(folder)
    images, labels, notes = read_images(folder)
    assert np.array_equal(images.pixels[..., 0], X) and labels.tolist() == y.tolist()
    assert any("train-images-idx3-ubyte.gz" in note for note in notes)


@pytest.mark.parametrize("kind", [13, 14])
def test_idx_files_of_floats(tmp_path, kind):
    X = np.linspace(0, 1, 40).reshape(2, 4, 5)
    (tmp_path / "x-idx").write_bytes(idx(X.astype({13: ">f4", 14: ">f8"}[kind]), kind))
    images, _, _ = read_images(tmp_path / "x-idx")
    np.testing.assert_allclose(images.pixels[..., 0], X, atol=1e-7)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (idx(np.zeros((2, 4, 5), np.uint8))[:-1], "promises .* bytes"),
        (idx(np.zeros((2, 4, 5), np.uint8)) + b"x", "promises .* bytes"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "promises .* bytes"),
        (bytes([0, 0, 8, 3]), "promises .* bytes"),
        (idx(np.zeros(5, np.uint8)), "holds labels of shape"),
        (b"words and words", "not an idx file"),
        (b"", "not an idx file"),
        (gzip.compress(b"words", mtime=0), "not an idx file"),
        (gzip.compress(idx(np.zeros((2, 4, 5), np.uint8)), mtime=0)[:-9], "cut off|damaged"),
        (idx(np.full((2, 4, 5), np.nan, ">f4"), 13), "NaN"),
    ],
)
def test_an_idx_file_that_lies_is_refused(tmp_path, data, words):
    (tmp_path / "x-images").write_bytes(data)
    with pytest.raises(DataError, match=words):
        Images.read_idx(tmp_path / "x-images")


def test_labels_that_do_not_fit_the_images_are_refused(digits):
    folder = digits[0]
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(3, np.uint8))))
    with pytest.raises(DataError, match=r"holds 4 images, and .* has the shape \(3,\)"):
        read_images(folder / "train-images-idx3-ubyte.gz")


def test_a_packed_bomb_is_not_unpacked(tmp_path):
    (tmp_path / "x-images-idx3.gz").write_bytes(gzip.compress(bytes(20_000_000), mtime=0))
    with pytest.raises(DataError, match="more than 1,000,000 bytes"):
        Images.read_idx(tmp_path / "x-images-idx3.gz", max_bytes=1_000_000)


@pytest.mark.parametrize(
    ("inputs", "target"), [("x_train", "y_train"), ("X", "y"), ("images", "labels"), ("train_images", "train_labels")]
)
@pytest.mark.parametrize("pixels", [np.stack([grey(n) for n in range(4)]), np.stack([colour(n) for n in range(4)])])
def test_archives_of_arrays(tmp_path, inputs, target, pixels):
    np.savez_compressed(tmp_path / "d.npz", **{inputs: pixels, target: np.array([0, 1, 1, 0], np.uint8)})
    assert looks_like_images(tmp_path / "d.npz")
    images, labels, notes = read_images(tmp_path / "d.npz")
    assert np.array_equal(images.pixels, pixels.reshape(4, 6, 5, -1)) and labels.tolist() == [0, 1, 1, 0]
    assert labels.dtype == np.int64 and any(repr(inputs) in note for note in notes)


def test_an_archive_may_name_its_classes_and_hold_more(tmp_path):
    X = np.stack([grey(n) for n in range(4)])
    names = np.array(["ash", "birch"])
    np.savez(tmp_path / "d.npz", x_train=X, y_train=[[0], [1], [1], [0]], x_test=X[:2], class_names=names)
    _, labels, notes = read_images(tmp_path / "d.npz")
    assert labels.tolist() == ["ash", "birch", "birch", "ash"]
    assert any("left aside: x_test (2, 6, 5)" in note for note in notes)
    assert read_images(tmp_path / "d.npz", "y_train")[1].tolist() == labels.tolist()
    with pytest.raises(DataError, match="no array 'z' of labels"):
        read_images(tmp_path / "d.npz", "z")


def test_channels_first_and_indicators(tmp_path):
    X = np.moveaxis(np.stack([colour(n) for n in range(3)]), 3, 1)
    np.savez(tmp_path / "d.npz", images=X, labels=np.eye(3)[[2, 0, 1]])
    images, labels, _ = read_images(tmp_path / "d.npz")
    assert np.array_equal(images.pixels[1], colour(1)) and labels.tolist() == [2, 0, 1]


def test_images_beside_their_flattened_rows_are_preferred(tmp_path):
    X = np.stack([grey(n) for n in range(4)])
    np.savez(tmp_path / "d.npz", data=X.reshape(4, -1), images=X / 255, target=np.arange(4))
    assert read_images(tmp_path / "d.npz")[0].shape == (4, 6, 5, 1)


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": np.zeros((5, 36)), "y": np.zeros(5)},
        {"x": np.zeros((5, 30, 2)), "y": np.zeros(5)},
        {"signals": np.zeros((5, 4, 1000), np.uint8)},
        {"series": np.zeros((5, 20, 20))},
    ],
)
def test_archives_of_something_else_are_tables(tmp_path, arrays):
    np.savez(tmp_path / "d.npz", **arrays)
    assert not looks_like_images(tmp_path / "d.npz")
    with pytest.raises(DataError, match="holds no images"):
        Images.read_npz(tmp_path / "d.npz")


def test_pickled_objects_are_never_loaded(tmp_path):
    X = np.empty((3, 4, 4), object)
    X[:] = 1
    np.savez(tmp_path / "d.npz", images=X)
    with pytest.raises(DataError, match="pickled objects"):
        read_images(tmp_path / "d.npz")
    np.savez(tmp_path / "e.npz", images=np.zeros((3, 4, 4)), labels=np.array([None, 1, "a"], object))
    with pytest.raises(DataError, match="pickled objects"):
        read_images(tmp_path / "e.npz")


def test_an_archive_that_lies_is_refused(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**4, 10**4)})
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("images.npy", head.getvalue())
    with pytest.raises(DataError, match="promises"):
        read_images(tmp_path / "d.npz")
    np.savez(tmp_path / "e.npz", images=np.zeros((3, 4, 4)), labels=np.zeros(4))
    with pytest.raises(DataError, match=r"there are 3 images, and 'labels' .* \(4,\)"):
        read_images(tmp_path / "e.npz")
    np.savez(tmp_path / "f.npz", images=np.full((3, 4, 4), np.nan))
    with pytest.raises(DataError, match="NaN or infinity, first in image 0"):
        read_images(tmp_path / "f.npz")
    np.savez_compressed(tmp_path / "g.npz", images=np.zeros((2000, 100, 100), np.uint8))
    with pytest.raises(DataError, match="unpacks to"):
        read_images(tmp_path / "g.npz", max_bytes=10**6)


# ------------------------------------------------------------------------------------------ recognised


def test_what_looks_like_images(tmp_path, animals, digits):
    folder = digits[0]
    assert looks_like_images(animals) and looks_like_images(str(animals)) and looks_like_images(animals / "cat")
    assert looks_like_images(animals / "cat" / "0.png")
    assert looks_like_images(folder / "train-images-idx3-ubyte.gz")
    assert looks_like_images(Images(np.zeros((2, 4, 4)))) and looks_like_images(np.zeros((2, 4, 4)))
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04junk")
    (tmp_path / "texts" / "a" / "b" / "c" / "d").mkdir(parents=True)
    put(tmp_path / "texts" / "a" / "b" / "c" / "d" / "far_below.png", grey())
    for other in (
        tmp_path / "table.csv",
        tmp_path / "broken.npz",
        tmp_path / "texts",
        tmp_path / "gone.npz",
        folder / "train-labels-idx1-ubyte",
        "-",
        "example:iris",
        np.zeros((2, 4)),
        {"a": [1]},
        None,
        3,
    ):
        assert not looks_like_images(other), other


def test_whatever_holds_images_is_read(animals):
    X = np.stack([grey(n) for n in range(3)])
    for source in (X, Images(X, names=list("abc"))):
        images, labels, notes = read_images(source)
        assert np.array_equal(images.pixels[..., 0], X) and labels is None and notes == []
    with pytest.raises(DataError, match=r"expected images of 8 x 8 pixels and 1 channel\(s\), got 6 x 5 and 1"):
        read_images(X, size=8)
    with pytest.raises(DataError, match="3 channel"):
        read_images(X, channels=3)
    assert read_images(animals, size=8, channels=3)[0].shape == (5, 8, 8, 3)
    for gone in (animals / "x.png", animals / "x.npz", animals / "x"):
        with pytest.raises(DataError, match="there is no"):
            read_images(gone)

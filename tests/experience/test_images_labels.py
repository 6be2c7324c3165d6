"""Flat folders of pictures beside a table of labels."""

import numpy as np
import pytest

from peira.core import DataError
from peira.experience.images import Images, read_images
from tests.experience.making_pictures import grey, put, said


def flat(folder, names=("a.png", "b.png", "c.png")):
    for n, name in enumerate(names):
        put(folder / name, grey(n))
    return folder


@pytest.mark.parametrize("key", ["b.png", "b", "./b.png"])
def test_a_table_beside_the_pictures_holds_the_labels(tmp_path, key):
    flat(tmp_path)
    rows = [("a.png", "cat"), (key, "dog"), ("c.png", "cat"), ("gone.png", "emu")]
    (tmp_path / "labels.csv").write_text("file,animal\n" + "".join(f"{f},{y}\n" for f, y in reversed(rows)))
    images, labels, notes = read_images(tmp_path)
    assert labels.tolist() == ["cat", "dog", "cat"] and images.names.tolist() == ["a.png", "b.png", "c.png"]
    assert any("column 'file' names the files; 1 of its rows name no file here" in note for note in notes)


def test_numbers_as_names_and_as_labels(tmp_path):
    flat(tmp_path, ("1.png", "2.png", "10.png"))
    (tmp_path / "labels.csv").write_text("id,label\n1,7\n2,8\n10,7\n")
    images, labels = Images.read_folder(tmp_path)
    assert dict(zip(images.names, labels.tolist(), strict=True)) == {"1.png": 7, "2.png": 8, "10.png": 7}
    assert labels.dtype == np.int64
    (tmp_path / "labels.csv").write_text("id,age\n1,7.5\n2,8\n10,7\n")
    assert Images.read_folder(tmp_path)[1].dtype == np.float64


def test_pictures_in_a_folder_of_their_own_beside_the_table(tmp_path):
    flat(tmp_path / "pictures")
    (tmp_path / "train.csv").write_text("path,label\npictures/a.png,x\nb.png,y\nc,x\n")
    images, labels = Images.read_folder(tmp_path)
    assert labels.tolist() == ["x", "y", "x"] and images.names[0] == "pictures/a.png"


def test_several_columns_need_a_target(tmp_path):
    flat(tmp_path)
    (tmp_path / "labels.csv").write_text("file,animal,age\na.png,cat,1\nb.png,dog,2\nc.png,cat,3\n")
    with pytest.raises(DataError, match="Name it as the target; there are animal, age"):
        read_images(tmp_path)
    assert read_images(tmp_path, "age")[1].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="did you mean 'animal'"):
        read_images(tmp_path, "animol")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("file,animal\na.png,cat\nb.png,dog\n", r"1 of 3 pictures .* have no label .*: c\.png"),
        ("file,animal\na.png,cat\nb.png,dog\nc.png,\n", r"1 of 3 pictures .* have no label .*: c\.png"),
        ("file,animal\na.png,cat\nb.png,dog\nc.png,cat\na.png,dog\n", r"names 'a\.png' in more than one row"),
        ("file,animal\nx.png,cat\ny.png,dog\n", r"no column of .* names the pictures"),
        ("file\na.png\nb.png\nc.png\n", "none beside their names"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, table, words):
    flat(tmp_path)
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=words):
        read_images(tmp_path)


def test_pictures_without_a_label_may_be_left_out_on_request(tmp_path):
    flat(tmp_path)
    (tmp_path / "labels.csv").write_text("file,animal\na.png,cat\nb.png,dog\n")
    images, labels = Images.read_folder(tmp_path, skip_damaged=True)
    assert labels.tolist() == ["cat", "dog"] and images.names.tolist() == ["a.png", "b.png"]
    said(images, "left out, because they have no label: c.png")


def test_without_a_table_there_are_no_labels(tmp_path):
    images, labels, _ = read_images(flat(tmp_path))
    assert len(images) == 3 and labels is None
    with pytest.raises(DataError, match="'animal' is a column of a table"):
        read_images(tmp_path, "animal")

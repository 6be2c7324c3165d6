"""The commands on images: learn, predict, data, compare, with names of folders that mean harm."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

FEW = ("--methods", "KNeighborsClassifier", "--trials", "1", "--cv", "2", "--jobs", "1")


def bars(seed, N=40, side=8):
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.arange(N) % 2)
    pixels = rng.integers(0, 40, size=(N, side, side)).astype(np.uint8)
    for n, kind in enumerate(kinds):
        at = int(rng.integers(3, 5))
        pixels[n, at if kind else slice(None), slice(None) if kind else at] = 255
    return pixels, kinds


def folder(path, pixels, kinds, names=("upright", "level")):
    for n, kind in enumerate(kinds):
        (path / names[kind]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[n]).save(path / names[kind] / f"{n:02d}.png")
    return path


@pytest.fixture(scope="module")
def learned(peira, tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    source = folder(path / "bars", *bars(0))
    done = peira("learn", source, *FEW, "-o", path / "run", "--json", "--require", "accuracy>=0.9")
    assert done.code == 0, done.err
    return source, path / "run", json.loads(done.out)


def test_learn_says_what_came_of_it(learned):
    _, _, summary = learned
    assert summary["task"] == "classification" and summary["target"] == "class"
    assert summary["best"]["method"] == "KNeighborsClassifier" and "of the images" in summary["verdict"]


def test_predict_names_each_image_and_makes_sizes_equal(peira, learned, tmp_path):
    pixels, kinds = bars(3, 10)
    done = peira("predict", learned[1], folder(tmp_path / "new", pixels, kinds), "--proba")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert done.code == 0 and len(rows) == 10 and set(rows[0]) == {"image", "prediction", "p(level)", "p(upright)"}
    right = [row["image"].split("/")[0] == row["prediction"] for row in rows]
    assert np.mean(right) > 0.8
    large = tmp_path / "large.png"
    Image.fromarray(np.kron(pixels[0], np.ones((4, 4), np.uint8))).convert("RGB").save(large)
    done = peira("predict", learned[1], large)
    assert done.code == 0 and done.out.splitlines()[0] == "image,prediction" and "large.png" in done.out


def test_arrays_are_learned_from_npz_and_idx(peira, tmp_path):
    pixels, kinds = bars(1)
    np.savez(tmp_path / "bars.npz", images=pixels, labels=kinds)
    plan = json.loads(peira("learn", tmp_path / "bars.npz", *FEW, "--dry-run", "--json").out)
    assert plan["rows"] == 40 and plan["target"] == "label" and plan["folds"] == 2
    head = bytes([0, 0, 8])
    (tmp_path / "train-images-idx3-ubyte").write_bytes(
        head + bytes([3]) + np.array(pixels.shape, ">i4").tobytes() + pixels.tobytes()
    )
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(
        head + bytes([1]) + np.array([40], ">i4").tobytes() + kinds.astype(np.uint8).tobytes()
    )
    done = peira("learn", tmp_path / "train-images-idx3-ubyte", *FEW, "--dry-run", "--json")
    assert done.code == 0 and json.loads(done.out)["rows"] == 40


def test_data_says_what_there_is(peira, learned):
    done = peira("data", learned[0])
    assert "40 images of 8 x 8 pixels, grey" in done.out and "upright" in done.out and "50.0 %" in done.out
    profile = json.loads(peira("data", learned[0], "--json").out)
    assert profile["images"] == 40 and profile["labels"] == [
        {"label": "level", "count": 20},
        {"label": "upright", "count": 20},
    ]


def test_compare_and_report_of_a_run_on_images(peira, learned, tmp_path):
    source = folder(tmp_path / "more", *bars(7, 20))
    rows = json.loads(peira("compare", learned[1], "--on", source, "-M", "accuracy", "--json").out)
    assert rows[0]["score"] > 0.8
    assert peira("report", learned[1]).code == 0
    assert json.loads(peira("diagnose", learned[1], "--json").out) is not None


def test_what_is_wrong_is_a_sentence_and_a_code(peira, learned, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n3,4\n")
    done = peira("predict", learned[1], table)
    assert done.code == 3 and "holds no images" in done.err
    (tmp_path / "flat").mkdir()
    Image.fromarray(bars(0)[0][0]).save(tmp_path / "flat" / "a.png")
    done = peira("learn", tmp_path / "flat", "-o", tmp_path / "run")
    assert done.code == 3 and "no labels" in done.err
    done = peira("learn", learned[0], "--calibrate", "sigmoid", "-o", tmp_path / "run")
    assert done.code == 2 and "tables" in done.err
    assert not (tmp_path / "run").exists()


def test_names_of_classes_move_no_cursor(peira, tmp_path):
    source = folder(tmp_path / "bars", *bars(0), names=("\x1b[31mred", "=1+1"))
    done = peira("data", source)
    assert done.code == 0 and "\x1b" not in done.out + done.err
    done = peira("learn", source, *FEW, "-o", tmp_path / "run")
    assert done.code == 0 and "\x1b" not in done.out + done.err
    done = peira("predict", tmp_path / "run", source)
    assert "\n=" not in done.out and ",=" not in done.out


def test_damaged_files_are_refused_or_left_out_and_named(peira, learned, tmp_path):
    source = folder(tmp_path / "new", *bars(4, 12))
    (source / "level" / "torn.png").write_bytes(b"\x89PNG no picture")
    for command in (["learn", source, *FEW, "-o", tmp_path / "run"], ["predict", learned[1], source]):
        done = peira(*command)
        assert done.code == 3 and "torn.png" in done.err and "--skip-damaged" in done.err and not done.out
    done = peira("predict", learned[1], source, "--skip-damaged")
    assert done.code == 0 and len(done.out.splitlines()) == 13
    assert "left out: 'level/torn.png'" in done.err
    done = peira("learn", source, *FEW, "-o", tmp_path / "run", "--skip-damaged", "--test", source, "--json")
    assert done.code == 0 and "left out: 'level/torn.png'" in done.err
    assert "--skip-damaged" in json.loads((tmp_path / "run" / "report.json").read_text())["reproduce"]["command"]
    done = peira("predict", learned[1], folder(tmp_path / "other", *bars(4, 4, side=12)))
    assert done.code == 0 and "resized from 12 x 12 to 8 x 8 pixels" in done.err


def test_skip_damaged_is_for_folders_of_files(peira, tmp_path):
    for command in (
        ["learn", "example:iris", "--skip-damaged"],
        ["learn", "example:iris", "--dry-run", "--skip-damaged"],
    ):
        done = peira(*command)
        assert done.code == 2 and "--skip-damaged is for folders of images or recordings" in done.err


def test_images_have_no_columns_to_explain(peira, learned):
    done = peira("explain", learned[1], learned[0], "--row", "1")
    assert done.code == 3 and "is a model of images, which have no columns" in done.err

"""The main job on images: planted shapes are found, the protocol is the tables' one, and nothing is hidden."""

import base64
import csv
import io
import pickle
import re
import time

import numpy as np
import pytest
from PIL import Image

import peira
from peira.core.errors import DataError, ParameterError
from peira.experience.images import Images
from peira.measures import get_measure
from peira.study.comparing import compare
from peira.study.evaluating import Cell, evaluate
from peira.study.image_material import images_like
from peira.study.items_classifier import ImagesClassifier
from peira.study.learning import learn
from peira.study.material import items
from peira.study.planning import Study
from peira.study.report import render
from peira.study.verdict import clear_winner, crosswise, leaderboard

FEW = ["KNeighborsClassifier"]


def shapes(seed, N=60, side=8, noise=40):
    """Bars upright, level and slanting in noise, with one that is blank."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.arange(N) % 3)
    pixels = rng.integers(0, noise, size=(N, side, side)).astype(np.uint8)
    for n, kind in enumerate(kinds):
        at = int(rng.integers(3, 5))
        if kind == 0:
            pixels[n, :, at] = 255
        elif kind == 1:
            pixels[n, at, :] = 255
        else:
            pixels[n, np.arange(side), np.arange(side)] = 255
    return Images(pixels), np.array(["upright", "level", "slanting"], object)[kinds]


def folder(path, data, labels):
    for n, label in enumerate(labels):
        (path / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.pixels[n, :, :, 0]).save(path / label / f"{n:03d}.png")
    return path


def config(**changed):
    plain = {
        "source": "images", "target": None, "task": "auto", "measure": None, "methods": FEW, "budget": None,
        "trials": 2, "cv": "3", "test": None, "seed": 0, "kinds": None, "costs": None,
        "calibration": None, "judge": None,
    }  # fmt: skip
    return plain | changed


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    source, further = folder(path / "shapes", *shapes(0)), folder(path / "further", *shapes(1, 30))
    return learn(
        str(source), methods=FEW, trials=2, cv=3, jobs=1, test=str(further), output=path / "run", progress=False
    )


def test_a_folder_of_images_is_learned_judged_and_predicted(run):
    state = run.state
    assert state["state"] == "complete" and state["task"] == "classification" and state["target"] == "class"
    best = state["leaderboard"][0]
    assert best["method"] == FEW[0] and best["params"]["expansion"] == "columns" and best["score"] < 0.5
    assert {row["method"] for row in state["leaderboard"]} == {FEW[0], "PriorClassifier"}
    assert state["verdict"]["test"]["rows"] == 30 and state["verdict"]["test"]["plain"]["value"] > 0.9
    assert "from images of 8 x 8 pixels, grey" in state["verdict"]["task"]
    assert "of the images" in state["verdict"]["sentence"]
    model = peira.load(run.path)
    data, labels = shapes(2)
    assert isinstance(model, ImagesClassifier) and np.mean(model.predict(data) == labels) > 0.9
    with open(run.path / "predictions" / f"{state['best']}.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 60 and lines[0]["image"].endswith(".png") and lines[0]["observed"] in labels
    recipe = run.read_json("report.json")["reproduce"]
    assert " -y " not in recipe["command"] and "read_images" in recipe["python"]
    profile = run.read_json("data/profile.json")
    assert profile["images"] == 60 and {line["count"] for line in profile["labels"]} == {20}


def test_the_report_shows_images_and_keeps_its_policy(run):
    report = run.read_json("report.json")
    pictures = report["pictures"]
    assert [s["label"] for s in pictures["samples"]] == ["level", "slanting", "upright"]
    shown = [p["png"] for s in pictures["samples"] for p in s["pictures"]]
    data, _ = shapes(0)
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown[0]))))
    assert decoded.shape == (8, 8) and any(np.array_equal(decoded, pixels[..., 0]) for pixels in data.pixels)
    page = (run.path / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= len(shown) and len(page) < 3_000_000
    assert "img-src data:" in page and "<script" not in page and " style=" not in page
    text = re.sub(r"<[^>]+>", " ", page)
    assert "60 images" in text and "Some of each label" in text and "rows" not in text.split("How the winning")[0]


def test_names_of_folders_are_text_wherever_they_stand(tmp_path):
    hostile = ['"><img src=x onerror=alert(1)>', "=cmd()", "\u202eevil", "a'b&c"]
    hostile[0] = hostile[0].replace("/", "")
    data, labels = shapes(3, 45)
    named = np.array(hostile, object)[np.unique(labels, return_inverse=True)[1]]
    named[::9] = hostile[3]
    source = folder(tmp_path / "shapes", data, named)
    run = learn(str(source), methods=FEW, trials=1, cv=2, jobs=1, output=tmp_path / "run", progress=False)
    page = (run.path / "report.html").read_text()
    assert "onerror=alert" in page and "<img src=x" not in page and "\u202e" not in page
    assert all('src="data:image/png;base64,' in tag for tag in re.findall(r"<img[^>]*>", page))
    with open(run.path / "predictions" / f"{run.state['best']}.csv", newline="") as file:
        assert not any(cell[:1] in "=+-@" for row in csv.DictReader(file) for cell in (row["observed"], row["image"]))


def test_a_picture_that_is_none_is_named_only(run, tmp_path):
    report = run.read_json("report.json")
    first = report["pictures"]["samples"][0]["pictures"]
    whole = first[3]["png"]
    first[0]["png"], first[1]["png"], first[2]["png"] = "<svg onload=x>", base64.b64encode(b"GIF89a").decode(), 7
    report["errors"] = [
        {"row": "a.png", "picture": '" onerror="x', "observed": "a", "predicted": "b", "truth": 0.1},
        {"row": "b.png", "picture": whole, "observed": "a", "predicted": "b", "truth": 0.1},
    ]
    page = render(report, tmp_path / "report.html").read_text()
    assert "errors: images whose true label" in page and "b.<wbr>png</span>" in page
    assert "onload" not in page and 'onerror="x' not in page and "a.png" in page


def test_the_first_fold_by_hand(run):
    """Only the training images of a fold are learned from: the same answers come from them alone."""
    study = Study(run.config, run.config["source"])
    train, test = study.folds[0]
    line = next(t for t in run.lines("trials.jsonl") if t["candidate"] == "k-neighbors-classifier" and t["fold"] == 0)
    chosen = {name: value for name, value in line["chosen"].items() if name != "expansion"}
    pixels = study.X.pixels.reshape(60, -1) / 255
    mean = pixels[train].mean(0)
    scale = np.sqrt(np.mean((pixels[train] - mean) ** 2))
    by_hand = peira.methods()["KNeighborsClassifier"](**chosen).fit((pixels[train] - mean) / scale, study.y[train])
    np.testing.assert_allclose(
        run.read_predictions("k-neighbors-classifier", 0)["probs"],
        by_hand.predict_proba((pixels[test] - mean) / scale),
        atol=1e-9,
    )


def test_same_seed_same_leaderboard_and_a_cut_run_goes_on(tmp_path, run):
    again = learn(run.config["source"], methods=FEW, trials=2, cv=3, jobs=1, output=tmp_path / "again", progress=False)
    assert again.state["leaderboard"] == run.state["leaderboard"]
    path = again.path / "trials.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    again.update(state="running")
    assert learn(resume=again.path, progress=False).state["leaderboard"] == run.state["leaderboard"]


def test_a_cell_is_the_same_in_another_process():
    """What travels there comes out as it went in, and gives the same answers."""
    study = Study(config(cv="2"), shapes(0, 30))
    train, test = study.folds[0]
    cell = (study.candidates[1], study.X, study.y, train, test, 0, study.protocol)
    here, there = evaluate(*cell), evaluate(*pickle.loads(pickle.dumps(cell)))
    assert here.status == there.status == "ok"
    np.testing.assert_array_equal(here.arrays["probs"], there.arrays["probs"])


def test_many_images_are_held_out_once(tmp_path, monkeypatch):
    monkeypatch.setattr("peira.study.items_question.HOLD_OUT_FROM", 50)
    run = learn(shapes(0), methods=FEW, trials=1, jobs=1, output=tmp_path / "run", progress=False)
    folds = run.read_json("data/splits.json")["folds"]
    assert len(folds) == 1 and len(folds[0]["test"]) == 12
    rows, verdict = run.state["leaderboard"], run.state["verdict"]
    assert rows[1]["difference"]["folds"] == 1 and rows[1]["difference"]["clear"]
    assert "12 were held out" in verdict["experience"]
    assert rows[0]["interval"][0] <= rows[0]["score"] <= rows[0]["interval"][1]


def test_methods_of_tables_are_offered_on_columns_and_nets_as_they_are():
    study = Study(config(methods="all"), shapes(0))
    by_name = {c.method: c for c in study.candidates}
    assert study.candidates[0].baseline
    assert by_name["LogisticRegression"].expansions == ("columns",) and by_name["SVC"].trials == 1
    assert "GaussianNB" not in by_name and "ImagesClassifier" not in by_name
    native = [c for c in study.candidates if c.cls.card.data == "images"]
    assert native and all(c.expansions == ("none",) and c.trials == 1 for c in native)
    named = Study(config(methods=["GaussianNB"]), shapes(0))
    assert [c.method for c in named.candidates] == ["PriorClassifier", "GaussianNB"]


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"task": "regression"}, DataError, "regression of images is not there yet"),
        ({"task": "clustering"}, DataError, "clustering of images is not there yet"),
        ({"calibration": "sigmoid"}, ParameterError, "--calibration is for tables"),
        ({"judge": "x"}, ParameterError, "--judge is for tables"),
        ({"cv": "time:day"}, ParameterError, "images have none"),
        ({"cv": "often"}, ParameterError, "cv must be"),
        ({"methods": ["Ridge"]}, DataError, "no method 'Ridge'"),
    ],
)
def test_what_images_cannot_be_asked_is_said(changed, error, words):
    with pytest.raises(error, match=words):
        Study(config(**changed), shapes(0))


def test_images_without_labels_and_of_another_size_are_refused(run):
    data, labels = shapes(0)
    with pytest.raises(DataError, match="no labels"):
        Study(config(), data)
    with pytest.raises(DataError, match="labels of shape"):
        Study(config(), (data, labels[:-1]))
    model = peira.load(run.path)
    with pytest.raises(DataError, match=r"shape \(8, 8, 1\)"):
        model.predict(shapes(0, side=9)[0])
    with pytest.raises(DataError, match="there is no file 'none.png'"):
        images_like("none.png", [8, 8, 1])


def test_tables_can_be_held_out_too(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    table = {"x": x, "y": 2 * x + 0.1 * rng.normal(size=100)}
    run = learn(table, "y", methods=["LinearRegression"], cv="holdout", jobs=1, output=tmp_path / "run", progress=False)
    assert len(run.read_json("data/splits.json")["folds"]) == 1
    assert run.state["leaderboard"][0]["method"] == "LinearRegression" and run.state["leaderboard"][1]["difference"]


def test_compare_takes_images(run, tmp_path):
    source = folder(tmp_path / "more", *shapes(5, 30))
    rows = compare([run.path, run.path], on=str(source), measure="accuracy")
    assert len(rows) == 2 and rows[0]["score"] > 0.9


# ---------------------------------------------------------------------- the parts


def test_crosswise_takes_for_each_part_the_best_of_the_others():
    """Two candidates, each good in one fold: the choice for a fold looks only at the other."""
    study = Study(config(cv="2", methods=["KNeighborsClassifier"]), shapes(0, 12))
    measure, question = get_measure("log_loss", "classification"), study.question
    cells = []
    for candidate, good in (("prior-classifier", 0), ("k-neighbors-classifier", 1)):
        for fold, (_, test) in enumerate(study.folds):
            observed = np.searchsorted(question.classes, study.y[test])
            right = 0.9 if fold == good else 0.4
            P = np.full((len(test), 3), (1 - right) / 2)
            P[np.arange(len(test)), observed] = right
            arrays = {"observed": observed, "predicted": P.argmax(1), "probs": P}
            cells.append(Cell(candidate, fold, score=-np.log(right), arrays=arrays))
    pooled = crosswise(study.candidates, cells, study.folds, question, measure)
    # What was best on the other fold is the worse one here, in both folds.
    assert question.value(pooled.arrays, measure) == pytest.approx(-np.log(0.4))
    assert sorted(pooled.rows.tolist()) == list(range(12))
    one = [(study.folds[0][0], np.arange(12))]
    observed = np.searchsorted(question.classes, study.y)
    P = np.full((12, 3), 0.2)
    P[np.arange(12), observed] = 0.6
    arrays = {"observed": observed, "predicted": P.argmax(1), "probs": P}
    cells = [Cell("prior-classifier", 0, score=1.0, arrays=arrays)]
    halves = crosswise(study.candidates, cells, one, question, measure)
    assert question.value(halves.arrays, measure) == pytest.approx(-np.log(0.6)) and len(halves.rows) == 12


def test_the_share_of_a_budget_ends_a_fit_and_is_told(monkeypatch):
    """A fit that is cut keeps what it has learned; its row stands, and says so."""
    study = Study(config(cv="2"), shapes(0, 24))
    candidate = study.candidates[1]
    spent = ImagesClassifier.fit

    def slow(self, X, y):
        time.sleep(0.05)
        return spent(self, X, y)

    monkeypatch.setattr(ImagesClassifier, "fit", slow)
    cells = [
        evaluate(candidate, study.X, study.y, *study.folds[fold], fold, study.protocol, share=0.01) for fold in (0, 1)
    ]
    assert all(cell.status == "ok" and cell.cut for cell in cells)
    row = leaderboard([candidate], cells, study.folds, study.question, study.measure, None)[0]
    assert row["status"] == "ok" and "share of the budget" in row["note"]


def test_the_model_of_images_alone(seed):
    data, labels = shapes(seed)
    model = ImagesClassifier(method=peira.methods()["GaussianNB"](), expansion="columns").fit(data, labels)
    np.testing.assert_array_equal(model.predict(data), model.predict(data.pixels))
    np.testing.assert_allclose(model.predict_proba(data).sum(1), 1.0)
    prior = ImagesClassifier().fit(data, labels)
    np.testing.assert_allclose(prior.predict_proba(data)[0], 1 / 3, atol=0.02)
    careful = ImagesClassifier(costs=[("level", "upright", 50.0), ("slanting", "upright", 50.0)]).fit(data, labels)
    assert "upright" not in careful.predict(data)


def test_there_is_a_winner_only_of_a_race():
    row = {"method": "a", "status": "ok", "baseline": False}
    other = row | {"method": "b", "difference": {"clear": True}}
    assert clear_winner([row, other]) is True
    assert clear_winner([row, other | {"difference": {"clear": False}}]) is False
    assert clear_winner([row, other | {"status": "skipped"}]) is None  # nobody else ran
    assert clear_winner([row | {"baseline": True}, other]) is None  # nobody beat it


def test_words():
    assert [items(n, "image") for n in (0, 1, 2000)] == ["0 images", "1 image", "2,000 images"]

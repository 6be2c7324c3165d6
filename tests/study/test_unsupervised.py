"""The main job without a target: what is planted is found, noise is called noise, and the protocol is the same."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

import peira
from peira.core.errors import DataError, ParameterError
from peira.measures import adjusted_rand_score
from peira.study.learning import learn
from peira.study.planning import Study
from peira.study.table_structures import TableClusterer, TableDensity, TableReducer


def people(seed, N=150):
    """Three kinds of people, a column of words that goes with them, and one that nobody knows."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.arange(N) % 3)
    height = rng.normal(170, 10, N)
    height[::19] = np.nan
    return {
        "age": np.array([70.0, 40.0, 20.0])[kind] + rng.normal(size=N),
        "height": height,
        "income": np.array([20.0, 90.0, 30.0])[kind] + 2 * rng.normal(size=N),
        "town": np.array(["Ulm", "Bonn", "Kiel"], object)[kind],
        "kind": np.array(["old", "rich", "young"], object)[kind],
    }


def outcome(run):
    return run.state["leaderboard"], run.state["verdict"], run.state["best"]


def table_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    """One run on people, judged by their kind."""
    path = tmp_path_factory.mktemp("clusters") / "run"
    return learn(
        people(0), task="clustering", methods=["KMeans"], judge="kind", cv=2, jobs=1, output=path, progress=False
    )


def test_planted_groups_are_found_named_and_judged(clusters):
    state, columns = clusters.state, people(0)
    assert state["state"] == "complete" and state["target"] is None and state["measure"] == "silhouette"
    assert "KMeans finds 3 clusters in 150 rows" in state["verdict"]["sentence"]
    assert state["verdict"]["structure"]["clear"] and state["leaderboard"][0]["params"]["n_clusters"] == 3
    model = peira.load(clusters.path)
    found = model.predict(peira.read(columns))
    assert isinstance(model, TableClusterer) and adjusted_rand_score(columns["kind"], found) == 1.0
    np.testing.assert_array_equal(found, model.labels_)
    report = clusters.read_json("report.json")
    assert {m["name"]: m["value"] for m in report["performance"]["measures"]}["adjusted_rand"] == 1.0
    words = {p["name"]: "; ".join(p["words"]) for p in report["structure"]["profiles"]}
    old = next(text for text in words.values() if "older" in text)
    assert "older (age 70" in old and "lower income (20" in old and "mostly town 'Ulm' (100 % against 0 %)" in old
    assert not any("kind" in text for text in words.values()), "what is judged by is no input"


def test_the_run_holds_the_cluster_of_every_row(clusters):
    rows = table_of(clusters.path / "predictions" / "k-means.csv")
    assert [int(r["row"]) for r in rows] == list(range(1, 151))
    assert [int(r["cluster"]) for r in rows] == peira.load(clusters.path).labels_.tolist()


def test_the_report_says_it_all(clusters):
    html = (clusters.path / "report.html").read_text()
    for words in (
        "Which rows belong together?", "What was found", "The rows on two axes", "How many? Number of clusters",
        "The most typical rows", "The most unusual rows", "older (age", "Stability", "--task clustering",
        "--judge kind",
    ):  # fmt: skip
        assert words in html, words
    assert "This run did not record it." not in html and 'id="explanation"' not in html


def test_each_half_is_judged_by_what_the_other_teaches(clusters):
    """The first fold again by hand: fit to one half, silhouette and agreement on the other."""
    from peira.measures import silhouette_score

    study = Study(clusters.config | {"judge": "kind"}, people(0))
    (train, test), (other_train, other_test) = study.folds
    np.testing.assert_array_equal(train, other_test)
    np.testing.assert_array_equal(test, other_train)
    cell = next(c for c in clusters.lines("trials.jsonl") if c["fold"] == 0)
    make = peira.methods()["KMeans"]
    model = TableClusterer(method=make(n_clusters=cell["chosen"]["n_clusters"], random_state=1), kinds=study.kinds)
    model.fit(study.X[train])
    Z, labels = model.numbers(study.X[test]), model.predict(study.X[test])
    assert cell["score"] == pytest.approx(silhouette_score(Z, labels), rel=1e-9)
    twin = make(n_clusters=cell["chosen"]["n_clusters"], random_state=1).fit(Z).labels_
    kept = clusters.read_predictions("k-means", 0)
    assert kept["stability"][0] == pytest.approx(adjusted_rand_score(twin, labels))


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_noise_has_no_clear_structure(tmp_path, seed, noise):
    X = getattr(np.random.default_rng(seed + 1), noise)(size=(120, 2))
    run = learn({"a": X[:, 0], "b": X[:, 1]}, task="clustering", methods=["KMeans"], cv=2, jobs=1,
                output=tmp_path / "run", progress=False)  # fmt: skip
    assert run.state["verdict"]["sentence"].startswith("No clear structure.")
    assert any(f["code"] == "P301" for f in run.read_json("diagnosis.json"))


def test_words_alone_are_a_lattice_and_no_structure(tmp_path, seed):
    rng = np.random.default_rng(seed)
    words = {name: rng.choice(["x", "y", "z"], 120).astype(object) for name in ("first", "second")}
    run = learn(words, task="clustering", methods=["KMeans"], cv=2, jobs=1, output=tmp_path / "run", progress=False)
    assert run.state["verdict"]["sentence"].startswith("No clear structure.")


def test_a_torn_run_resumes_with_the_same_result(clusters, tmp_path):
    path = tmp_path / "people.csv"
    columns = people(0)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([["" if v != v else v for v in row] for row in zip(*columns.values(), strict=True)])
    for task in ("clustering", "anomaly"):
        methods = ["KMeans"] if task == "clustering" else ["OneClassSVM", "IsolationForest"]
        keep = {"task": task, "methods": methods, "judge": "kind", "cv": 2, "jobs": 1, "progress": False}
        whole = learn(path, output=tmp_path / f"{task}-whole", **keep)
        torn = learn(path, output=tmp_path / f"{task}-torn", **keep)
        trials = torn.path / "trials.jsonl"
        trials.write_bytes(trials.read_bytes()[:-40])
        torn.update(state="running")
        again = learn(resume=torn.path, progress=False)
        for part in (again, whole):  # the command to score new rows names the run
            part.state["verdict"].pop("next")
        (board, verdict, best), (theirs, said, winner) = outcome(again), outcome(whole)
        verdict["next"] = said["next"] = None
        assert (board, verdict, best) == (theirs, said, winner)


def test_density_by_held_out_likelihood(tmp_path, seed):
    rng = np.random.default_rng(seed)
    far = np.where(rng.random(200) < 0.5, -3.0, 3.0)
    columns = {"a": far + 0.3 * rng.normal(size=200), "b": far + 0.3 * rng.normal(size=200), "w": ["u", "v"] * 100}
    run = learn(columns, task="density", methods=["GaussianMixture"], cv=3, jobs=1, output=tmp_path / "run",
                progress=False)  # fmt: skip
    best, baseline = run.state["leaderboard"]
    assert best["method"] == "GaussianMixture" and baseline["method"] == "IndependentNormals" and baseline["baseline"]
    assert best["params"]["n_components"] == 2
    assert "nats more than independent normal" in run.state["verdict"]["sentence"]
    study = Study(run.config, columns)
    assert study.kinds["w"] == "ignored" and any("have no density" in d for d in study.question.decisions)
    train, test = study.folds[0]
    by_hand = TableDensity(kinds=study.kinds).fit(study.X[train])
    logs = stats.norm.logpdf(by_hand.numbers(study.X[test])).sum(1)  # standardised: mean 0, variance 1
    np.testing.assert_allclose(run.read_predictions("independent-normals", 0)["log_likelihood"], logs, rtol=1e-9)
    answers = peira.load(run.path).answers(peira.read(columns))
    assert answers["log_density"].shape == (200,)


def test_anomalies_by_agreement_and_with_labels_by_the_roc_area(tmp_path, seed):
    rng = np.random.default_rng(seed)
    X = np.vstack([rng.normal(size=(114, 2)), rng.uniform(6, 9, size=(6, 2)) * rng.choice([-1, 1], size=(6, 2))])
    columns = {"a": X[:, 0], "b": X[:, 1]}
    detectors = ["OneClassSVM", "IsolationForest"]
    keep = {"task": "anomaly", "methods": detectors, "cv": 2, "jobs": 1, "progress": False}
    run = learn(columns, output=tmp_path / "run", **keep)
    assert run.state["measure"] == "agreement" and "Nobody said which rows are" in run.state["verdict"]["sentence"]
    one, two = (run.read_predictions(name, 0)["usual"] for name in ("one-class-svm", "isolation-forest"))
    row = run.state["leaderboard"][0]
    assert row["fold_scores"][0] == pytest.approx(stats.spearmanr(one, two).statistic)
    said = peira.load(run.path).answers(peira.read(columns))
    assert (said["prediction"][-6:] == -1).all() and (said["prediction"] == 1).mean() > 0.8
    np.testing.assert_array_equal(said["prediction"], np.where(said["score"] >= 0, 1, -1))
    shown = run.read_json("report.json")["structure"]["tables"][0]["rows"]
    assert {r["row"] for r in shown[:6]} == set(range(115, 121))

    judged = learn(columns | {"bad": np.arange(120) >= 114}, judge="bad", output=tmp_path / "judged", **keep)
    assert judged.state["measure"] == "roc_auc" and judged.state["leaderboard"][0]["score"] > 0.99


def test_one_detector_alone_is_judged_by_its_stability(tmp_path, seed):
    X = np.random.default_rng(seed).normal(size=(60, 2))
    run = learn({"a": X[:, 0], "b": X[:, 1]}, task="anomaly", methods=["OneClassSVM"], cv=2, jobs=1,
                output=tmp_path / "run", progress=False)  # fmt: skip
    assert run.state["measure"] == "stability" and -1 <= run.state["leaderboard"][0]["score"] <= 1


def test_reduction_by_what_codes_lead_back_to(tmp_path, seed):
    rng = np.random.default_rng(seed)
    plane = rng.normal(size=(120, 2))
    X = plane @ rng.normal(size=(2, 6)) + 0.05 * rng.normal(size=(120, 6))
    columns = {f"x{j}": X[:, j] for j in range(6)}
    run = learn(columns, task="reduction", methods=["PCA", "Isomap"], cv=3, jobs=1, output=tmp_path / "run",
                progress=False)  # fmt: skip
    best, other = run.state["leaderboard"]
    assert best["params"]["n_components"] == 2 and other["status"] == "skipped" and "trustworthiness" in other["reason"]
    study = Study(run.config, columns)
    train, test = study.folds[0]
    model = TableReducer(method=peira.methods()["PCA"](n_components=2), kinds=study.kinds).fit(study.X[train])
    T, Z = model.numbers(study.X[train]), model.numbers(study.X[test])
    V = np.linalg.svd(T - T.mean(0))[2][:2]
    left = Z - T.mean(0) - (Z - T.mean(0)) @ V.T @ V
    kept = run.read_predictions("pca", 0)["reconstruction"]
    np.testing.assert_allclose(kept, (left**2).mean(1), rtol=1e-6, atol=1e-12)
    assert run.state["verdict"]["score"] < 0.01
    codes = peira.load(run.path).answers(peira.read(columns))
    assert list(codes) == ["code_1", "code_2"]
    assert len(run.read_json("report.json")["structure"]["scree"]["variances"]) == 6


def test_maps_without_a_way_back_are_judged_by_their_neighbours(tmp_path, seed):
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 6, size=130)
    columns = {"x": np.cos(t), "y": np.sin(t), "z": 0.1 * rng.normal(size=130)}
    run = learn(columns, task="reduction", methods=["Isomap", "PCA"], measure="trustworthiness", cv=2, jobs=1,
                output=tmp_path / "run", progress=False)  # fmt: skip
    assert [row["status"] for row in run.state["leaderboard"]] == ["ok", "ok"]
    assert all(0.8 < row["score"] <= 1 for row in run.state["leaderboard"])
    assert "most trustworthy map" in run.state["verdict"]["sentence"]


@pytest.mark.parametrize("task", ["clustering", "density", "anomaly", "reduction"])
def test_what_cannot_be_learned_from_is_explained_before_a_run_is_made(tmp_path, seed, task):
    rng = np.random.default_rng(seed)
    keep = {"task": task, "output": tmp_path / "run", "progress": False}
    words = {"note": np.array([f"{i} words of free text, all different" for i in range(40)], object)}
    cases = [
        ({"a": [1.0], "b": [2.0]}, "the table has 1 row: nothing can be compared"),
        ({"a": np.full(30, np.nan), "b": np.full(30, np.nan)}, "no column is left to learn from"),
        ({"a": np.ones(30)}, "no column is left to learn from"),
        (words, "no column is left to learn from"),
    ]
    for columns, says in cases:
        with pytest.raises(DataError, match=says):
            learn(columns, **keep)
    good = {"a": rng.normal(size=40), "b": rng.normal(size=40), "c": ["u", "v"] * 20, "same": ["w"] * 40}
    with pytest.raises(ParameterError, match=f"{task} has no target: leave -y a out.*--judge a"):
        learn(good, "a", **keep)
    with pytest.raises(DataError, match="no column 'd' to judge by"):
        learn(good, judge="d", **keep)
    with pytest.raises(DataError, match="holds 1 different labels"):
        learn(good, judge="same", **keep)
    for option in ({"costs": [("a", "b", 1.0)]}, {"calibration": "sigmoid"}, {"test": good}):
        with pytest.raises(ParameterError, match="is for tasks with a target"):
            learn(good, **option, **keep)
    assert not (tmp_path / "run").exists()


def test_what_to_ask_instead_is_said(tmp_path, seed):
    columns = {"a": np.random.default_rng(seed).normal(size=40), "b": np.arange(40.0) ** 2}
    keep = {"output": tmp_path / "run", "progress": False}
    with pytest.raises(DataError, match="--task clustering, density, anomaly, reduction"):
        learn(columns, **keep)
    with pytest.raises(ParameterError, match="for tasks without a target"):
        learn(columns, "a", judge="b", **keep)
    with pytest.raises(DataError, match="words and truth values have no density|no column is left"):
        learn({"w": ["u", "v"] * 20}, task="density", **keep)
    with pytest.raises(DataError, match="needs labels to judge by"):
        learn(columns, task="clustering", measure="adjusted_rand", **keep)


def test_the_column_that_a_source_means_to_be_predicted_is_left_out():
    study = Study({"task": "clustering", "cv": "2", "seed": 0, "methods": "all", "trials": 1}, "example:iris")
    assert "species" not in study.X.names and any("--judge 'species'" in note for note in study.roles.notes)


def test_the_command_line_learns_and_predicts(tmp_path, seed):
    from tests.cli.conftest import run_command

    rng = np.random.default_rng(seed)
    path = tmp_path / "two.csv"
    x = np.where(np.arange(60) % 2, 4.0, -4.0) + 0.5 * rng.normal(size=60)
    path.write_text("a,b\n" + "\n".join(f"{u},{v}" for u, v in zip(x, -x, strict=True)) + "\n")
    heads = {
        "clustering": ("KMeans", "cluster"),
        "density": ("GaussianMixture", "log_density"),
        "anomaly": ("OneClassSVM", "prediction,score,p_value"),
        "reduction": ("PCA", "code_1"),
    }
    for task, (method, head) in heads.items():
        done = run_command("learn", path, "--task", task, "--methods", method, "--cv", 2, "--jobs", 1, "-o",
                           tmp_path / task, "--json")  # fmt: skip
        assert done.code == 0, done.err
        said = json.loads(done.out)
        assert said["task"] == task and said["target"] is None and said["best"]["method"] == method
        done = run_command("predict", tmp_path / task, path)
        assert done.code == 0 and done.out.splitlines()[0] == head and len(done.out.splitlines()) == 61, done.err
        assert run_command("predict", tmp_path / task, path, "--interval", 0.9).code == 3
        assert run_command("diagnose", tmp_path / task).code == 0
        assert run_command("report", tmp_path / task).code == 0
        assert run_command("compare", tmp_path / task).code == 3
    assert run_command("learn", path, "--task", "clustering", "--dry-run").code == 0
    done = run_command("learn", path, "--task", "clustering", "-y", "a")
    assert done.code == 2 and "--judge a" in done.err

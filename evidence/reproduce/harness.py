"""Row 18.15: the harness around methods. Folds, strata, leakage, and what a choice does to a reported score."""

import numpy as np

from evidence import check, reproduction


@reproduction(
    "18.15",
    claim="folds partition the rows and differ by one in size; stratified ones hold each label's share; groups stay "
    "whole; in time, no test row comes before a training row",
    source="definitions (Hastie, Tibshirani, Friedman 2009, 7.10.1)",
    protocol="100 random tables of 20 to 300 rows, 2 to 10 folds",
    mark="C",
)
def folds():
    from peira.experience.splits import grouped, kfold, stratified, time_ordered

    rng = np.random.default_rng(0)
    uneven, unlike, cut, early, missed = 0, 0.0, 0, 0, 0
    for trial in range(100):
        N, k = int(rng.integers(20, 300)), int(rng.integers(2, 11))
        plain = kfold(N, k, seed=trial)
        sizes = [len(test) for _, test in plain]
        uneven = max(uneven, max(sizes) - min(sizes))
        missed += sorted(np.concatenate([test for _, test in plain]).tolist()) != list(range(N))
        missed += any(np.intersect1d(train, test).size or len(train) + len(test) != N for train, test in plain)
        y = np.repeat(["a", "b"], [k + N // 10, N - k - N // 10])
        held = [np.sum(y[test] == "a") for _, test in stratified(y, k, seed=trial)]
        unlike = max(unlike, max(held) - min(held))
        groups = rng.integers(0, 3 * k, N)
        groups[: 3 * k] = np.arange(3 * k)[:N]
        cut += sum(np.intersect1d(groups[train], groups[test]).size for train, test in grouped(groups, k, seed=trial))
        early += sum(train.max() >= test.min() for train, test in time_ordered(N, min(k, 5)))
    yield check("folds that do not partition the rows", missed, 0)
    yield check("largest difference of two folds' sizes", uneven, at_most=1)
    yield check("largest difference of a label's rows in two folds", int(unlike), at_most=1)
    yield check("groups on both sides", int(cut), 0)
    yield check("folds that look into the future", int(early), 0)


@reproduction(
    "18.15",
    claim="the best of many equal methods looks better than chance on the folds that chose it, and not on outer folds",
    source="Cawley & Talbot (2010), JMLR 11, 2079-2107; Ambroise & McLachlan (2002), PNAS 99, 6562-6566",
    protocol="60 rows with random labels and 1,000 random columns; accuracy of the nearest mean on the 10 columns that "
    "tell the labels apart best, chosen on all rows or within the folds; 30 tables",
    mark="C(design)",
)
def selection_inside_the_folds():
    from peira.experience.splits import stratified
    from peira.linear import NearestCentroid

    rng = np.random.default_rng(0)
    N, D, d = 60, 1_000, 10

    def telling(X, y):
        gap = X[y == 1].mean(0) - X[y == 0].mean(0)
        return np.argsort(-np.abs(gap) / X.std(0))[:d]

    outside, inside = [], []
    for trial in range(30):
        X, y = rng.normal(size=(N, D)), rng.permutation(np.arange(N) % 2)
        chosen = telling(X, y)
        for train, test in stratified(y, 5, seed=trial):
            own = telling(X[train], y[train])
            outside.append(NearestCentroid().fit(X[train][:, chosen], y[train]).score(X[test][:, chosen], y[test]))
            inside.append(NearestCentroid().fit(X[train][:, own], y[train]).score(X[test][:, own], y[test]))
    yield check("accuracy with columns chosen on all rows", float(np.mean(outside)), at_least=0.8)
    spread = 4 * 0.5 / (30 * N) ** 0.5
    yield check("accuracy with columns chosen within the folds", float(np.mean(inside)), 0.5, tolerance=spread)


@reproduction(
    "18.15",
    claim="the main job reports chance where labels are random, however many methods it tries; its interval holds it",
    source="Varma & Simon (2006), BMC Bioinformatics 7, 91: nested folds are nearly unbiased",
    protocol="10 tables of 80 rows, 12 random columns, random labels; five methods with settings; accuracy",
    mark="C(design)",
)
def the_main_job_on_random_labels():
    import tempfile

    import peira

    methods = ["LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis", "GaussianNB", "NearestCentroid",
               "RidgeClassifier"]  # fmt: skip
    rng = np.random.default_rng(0)
    scores, held, flattered = [], 0, []
    with tempfile.TemporaryDirectory() as folder:
        for trial in range(10):
            table = {f"x{j}": rng.normal(size=80) for j in range(12)}
            table["y"] = np.where(rng.permutation(80) < 40, "a", "b")
            run = peira.learn(
                peira.read(table), "y", methods=methods, measure="accuracy", trials=4, seed=trial, jobs=1,
                output=f"{folder}/{trial}", progress=False,
            )  # fmt: skip
            verdict, cells = run.state["verdict"], run.lines("trials.jsonl")
            scores.append(verdict["score"])
            held += verdict["interval"][0] <= 0.5 <= verdict["interval"][1]
            flattered.append(max(c["inner_score"] for c in cells if c["inner_score"] is not None))
    spread = 4 * 0.5 / (10 * 80) ** 0.5
    yield check("mean accuracy reported", float(np.mean(scores)), 0.5, tolerance=spread)
    yield check("intervals that hold one half", held, at_least=8)
    yield check("mean of the best inner score, which is not reported", float(np.mean(flattered)), at_least=0.55)

"""Parts of the main job without a target: measures, models, references, words, and the report's section."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn import manifold

from peira.core import Card, Clusterer
from peira.core.registry import methods
from peira.experience.table import Table
from peira.measures import get_measure, rank_correlation, silhouette_samples
from peira.study.candidates import candidates
from peira.study.clustering import Clustering, silhouettes
from peira.study.density import DensityEstimation
from peira.study.independent_normals import IndependentNormals
from peira.study.nothing import _reference
from peira.study.plane import parallel_analysis, principal
from peira.study.price import price
from peira.study.profiles import describe, describe_groups
from peira.study.showing import in_words
from peira.study.table_structures import TableClusterer
from tests.study.test_report import HOSTILE, read, replace, spoil


class Signs(Clusterer):
    """A clusterer without a rule for new rows: the sign of the first column."""

    card = Card(tasks="clustering", reference="0000")

    def fit(self, X, y=None, sample_weight=None):
        data = self._begin(X, None, sample_weight)
        self.labels_ = data.give((data.X[:, 0] > 0).long())
        return self


def test_without_a_rule_new_rows_follow_the_nearest_row():
    table = {"a": [-2.0, -1.0, 1.0, 2.0], "b": [0.0, 0.0, 9.0, 9.0]}
    model = TableClusterer(method=Signs()).fit(table)
    assert model.n_clusters_ == 2 and model.rows_.shape == (4, 2)
    assert model.predict({"a": [-1.2, 1.7], "b": [1.0, 8.0]}).tolist() == [0, 1]
    np.testing.assert_array_equal(model.predict(table), model.labels_)


def test_the_cheap_candidates_run_first():
    def order(asks, N):
        found = candidates(asks(N, None, None, {}), sizes={"N": N, "D": 8}, trials=8)
        return [c.method for c in found if c.skip is None]

    few, many = order(Clustering, 500), order(Clustering, 20_000)
    for names in (few, many):
        assert names.index("KMeans") < names.index("GaussianMixture")
    assert few.index("GaussianMixture") < few.index("SpectralClustering")
    assert many.index("KMeans") < many.index("AgglomerativeClustering"), "all pairs of rows"
    densities = order(DensityEstimation, 500)
    assert densities.index("PCA") < densities.index("KernelDensity") < densities.index("GaussianMixture")


def test_every_card_has_a_price():
    assert price("T (N K D + 2 D^3) a step", {"N": 7, "D": 2}) == 100 * (7 * 10 * 2 + 2 * 8)
    assert price("N D log N to N^2 D", {"N": 8, "D": 3}) == 8 * 3 * 3
    assert price("2^D", {"N": 8, "D": 9999}) == np.inf
    for name, cls in methods().items():
        assert price(cls.card.cost, {"N": 500, "D": 8}) >= 1, name


def test_every_word_is_equally_far_from_every_other():
    model = TableClusterer(method=Signs())
    Z = model.prepare({"w": np.array(["u", "v", "x", "u"], object), "n": np.arange(4.0)})[:, :3]
    d = np.linalg.norm(Z[:, None] - Z, axis=2)
    assert d[0, 1] == d[0, 2] == d[1, 2] and d[0, 3] == 0


def test_measures_have_their_names_and_values(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 40))
    assert get_measure("agreement", "anomaly").value(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert rank_correlation(a, np.ones(40)) == 0
    X, back = rng.normal(size=(2, 40, 3))
    measure = get_measure("reconstruction", "reduction")
    assert measure.value(X, back) == pytest.approx(np.mean((X - back) ** 2))
    low, high = measure.interval(X, back)
    assert low < measure.value(X, back) < high
    assert get_measure("log_likelihood", "density").value(X, a) == pytest.approx(a.mean())
    assert get_measure("stability", "clustering").value([0, 0, 1, 1], [5, 5, 3, 3]) == 1
    assert get_measure("nmi", "clustering").value([0, 0, 1, 1], [5, 5, 3, 3]) == pytest.approx(1)
    theirs = manifold.trustworthiness(X, X[:, :2], n_neighbors=12)
    assert get_measure("trustworthiness", "reduction").value(X, X[:, :2]) == pytest.approx(theirs, abs=1e-12)


def test_rows_without_a_cluster_count_as_between_two(seed):
    rng = np.random.default_rng(seed)
    Z = np.vstack([rng.normal(size=(10, 2)), rng.normal(size=(10, 2)) + 9])
    labels = np.repeat([0, 1], 10)
    np.testing.assert_array_equal(silhouettes(Z, labels), silhouette_samples(Z, labels))
    labels[3] = -1
    assert silhouettes(Z, labels)[3] == 0 and silhouettes(Z, labels)[4] > 0.5
    assert not silhouettes(Z, np.zeros(20, int)).any() and not silhouettes(Z, np.full(20, -1)).any()


def test_principal_directions_are_those_of_the_covariance(seed):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3))
    plane = principal(Z)
    np.testing.assert_allclose(plane.variances, np.sort(np.linalg.eigvalsh(np.cov(Z.T, bias=True)))[::-1])
    np.testing.assert_allclose(plane.scores @ plane.directions.T + plane.mean, Z, atol=1e-12)
    assert plane.shares.sum() == pytest.approx(1) and (plane.directions.max(0) == np.abs(plane.directions).max(0)).all()
    for N in (1, 2):
        assert principal(Z[:N]).scores.shape == (N, min(N, 3))


@pytest.mark.parametrize("K", [0, 1, 2])
def test_parallel_analysis_counts_the_directions_that_are_there(seed, K):
    rng = np.random.default_rng(seed)
    X = 0.3 * rng.normal(size=(400, 6)) if K else rng.normal(size=(400, 6))
    X[:, : 3 * K] += np.repeat(rng.normal(size=(400, K)), 3, axis=1)
    found, noise = parallel_analysis((X - X.mean(0)) / X.std(0), seed)
    assert found == K and noise.shape == (6,)


def test_references_keep_the_spread_and_shuffle_what_is_a_lattice(seed):
    rng = np.random.default_rng(seed)
    Z = np.column_stack([rng.normal(size=(300, 2)) @ [[2.0, 1.0], [0.0, 0.5]], rng.integers(0, 3, 300)])

    def draw(scores, rng):
        return rng.normal(size=scores.shape) * scores.std(0)

    made = _reference(Z, [np.array([0]), np.array([1]), np.array([2])], draw, rng)
    np.testing.assert_array_equal(np.sort(made[:, 2]), np.sort(Z[:, 2]))
    np.testing.assert_allclose(np.cov(made[:, :2].T), np.cov(Z[:, :2].T), atol=1.0)


def test_groups_in_words():
    table = Table.of(
        {
            "age": [60.0, 62.0, 20.0, 22.0],
            "size": [5.0, 5.1, 5.0, 5.1],
            "town": ["Ulm", "Ulm", "Bonn", "Bonn"],
            "member": [True, True, False, False],
            "since": np.array(["2020-01-01", "2020-03-01", "2001-01-01", "2001-03-01"], "datetime64[us]"),
        }
    )
    kinds = {"age": "numeric", "size": "numeric", "town": "categorical", "member": "boolean", "since": "datetime"}
    words = describe(table, kinds, np.array([True, True, False, False]))
    assert "older (age 61 against 21)" in words and "mostly town 'Ulm' (100 % against 0 %)" in words
    assert "later since (2020-01-31 against 2001-01-30)" in words and not any("size" in w for w in words)
    groups = describe_groups(table, kinds, np.array([0, 0, 1, -1]))
    assert [g["code"] for g in groups] == [0, 1, -1] and groups[0]["share"] == 0.5
    assert describe_groups(table, kinds, np.zeros(4, int))[0]["words"] == []
    assert in_words(np.array([0.9, -0.4, 0.1, 0.0]), ["a", "b", "c", "d"]) == "more a, less b"


def test_independent_normals_are_the_product_of_their_columns(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 3)) * [1, 5, 0.1]
    model = IndependentNormals().fit(X)
    expected = stats.norm(X.mean(0), X.std(0)).logpdf(X).sum(1)
    np.testing.assert_allclose(model.log_prob(X), expected, rtol=1e-10)
    drawn = model.sample(20_000, random_state=seed)
    np.testing.assert_allclose(drawn.std(0), X.std(0), rtol=0.05)
    with pytest.warns(UserWarning, match="without spread"):
        IndependentNormals().fit(np.ones((3, 2)))


def sample_structure(seed, groups=3, points=80):
    rng = np.random.default_rng(seed)
    rows = [{"row": i, "said": ["cluster 1", 0.5], "values": {"age": 30.0 + i, "town": "Ulm"}} for i in range(5)]
    return {
        "task": "clustering",
        "question": "which rows belong together?",
        "structure": {
            "map": {
                "points": rng.normal(size=(points, 2)).tolist(),
                "codes": (rng.integers(0, groups, points) - 1).tolist(),
                "names": [f"cluster {k + 1}" for k in range(groups - 1)],
                "axes": ["more a, less b", "more c"],
                "shares": [0.5, 0.2],
                "of": "principal directions",
                "rows": 1000,
            },
            "choice": {
                "title": "number of clusters", "measure": "silhouette", "numbers": [2, 3, 4], "scores": [0.3, 0.6, 0.4],
                "chosen": 3, "nothing": {"uniform": [0.3, 0.35], "normal": [0.2, 0.25]},
            },
            "scree": {"variances": [3.0, 1.0, 0.5], "noise": [1.2, 1.0, 0.8], "chosen": 1},
            "profiles": [{"name": f"cluster {k}", "rows": 9, "share": 0.3, "words": ["older (age 3)"]} for k in "123"],
            "profiles_left_out": 2,
            "loadings": [{"name": "direction 1", "share": 0.5, "words": "more a"}],
            "tables": [{"title": "Typical", "caption": "Near.", "said": ["Cluster", "Distance"], "rows": rows}],
            "others": [{"title": "Another method", "alike": 0.87}],
            "others_title": "Do others agree?",
            "others_caption": "Rand.",
        },
    }  # fmt: skip


def test_the_section_shows_what_it_is_given(tmp_path, seed):
    page = read(sample_structure(seed), tmp_path)
    for words in ("The rows on two axes", "How many? Number of clusters", "older (age 3)", "Another method", "0.87",
                  "2 smaller ones are left out", "Which rows belong together?", "70 % of their variance"):  # fmt: skip
        assert words in page.all, words
    report = sample_structure(seed)
    report["structure"]["map"] |= {"codes": None, "values": list(range(80)), "title": "score", "flag": "odd ones",
                                   "flagged": [1] + [0] * 79}  # fmt: skip
    assert "Orange: odd ones" in read(report, tmp_path).all


@pytest.mark.parametrize(
    "bad",
    [None, np.nan, np.inf, -np.inf, 10**400, "<b>", [], {}, True, 0, -0.0, 1e308, 5e-324, [1, "2", None]],
    ids=repr,
)
def test_odd_values_in_the_section(tmp_path, seed, bad):
    report = sample_structure(seed)
    page = read(report | {"structure": spoil(report["structure"], bad)}, tmp_path)
    assert "nan" not in page.all.lower().split() and "inf" not in page.all.lower().split()
    read(report | {"structure": dict.fromkeys(report["structure"], bad)}, tmp_path)


@pytest.mark.parametrize("offset", range(0, len(HOSTILE), 9))
def test_hostile_texts_stay_texts_in_the_section(tmp_path, seed, offset):
    strings = itertools.cycle(HOSTILE[offset:] + HOSTILE[:offset])
    report = sample_structure(seed)
    page = read(report | {"structure": replace(report["structure"], strings, np.random.default_rng(seed))}, tmp_path)
    assert "<script" not in page.html.lower()


@pytest.mark.parametrize("points", [0, 1, 2, 3])
def test_few_points(tmp_path, seed, points):
    page = read(sample_structure(seed, points=points), tmp_path)
    assert ("The rows on two axes" in page.all) == (points > 0)

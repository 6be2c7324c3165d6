# ruff: noqa: E501
"""A report's dict for tests: the shape of a real one, its numbers made up by a small generator (they are no results)."""

import numpy as np

PAGE = r"""Bayesian linear regression: weights with a Gaussian prior, known up to two precisions.

The model
---------
Each target is a linear function of the features with Gaussian noise of precision :math:`\beta`, and the weights have
a Gaussian prior of precision :math:`\alpha`:

.. math::

    p(\mathbf{t} \mid \mathbf{X}, \mathbf{w}, \beta) = \prod_{n=1}^{N} \mathcal{N}(t_n \mid \mathbf{w}^\top \mathbf{x}_n, \beta^{-1})

    p(\mathbf{w} \mid \alpha) = \mathcal{N}(\mathbf{w} \mid \mathbf{0}, \alpha^{-1} \mathbf{I})

The posterior is Gaussian with

.. math::
    \mathbf{m}_N = \beta \mathbf{S}_N \mathbf{X}^\top \mathbf{t}, \qquad \mathbf{S}_N^{-1} = \alpha \mathbf{I} + \beta \mathbf{X}^\top \mathbf{X}

and both precisions are found by maximising the log evidence

.. math::
    \ln p(\mathbf{t} \mid \alpha, \beta) = \frac{D}{2} \ln \alpha + \frac{N}{2} \ln \beta - E(\mathbf{m}_N) - \frac{1}{2} \ln |\mathbf{A}| - \frac{N}{2} \ln 2\pi

Assumptions
-----------
* The mean is *linear* in the features as given; use a basis (``PolynomialBasis``) for curves.
* The noise has **one** variance for all rows.

  A funnel in the residuals says otherwise.
* Rows are independent.

Cost
----
:math:`O(N D^2 + D^3)` once, then :math:`O(D)` a step. Memory ``D^2``.

When to use it: few rows, correlated columns, or when the *uncertainty* matters.

>>> BayesianLinearRegression().fit(X, y).predict_dist(X).interval(0.9)

.. [1] C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, section 3.3 and 3.5, equations 3.49 to 3.95.
"""


def _bounds(value, half):
    return [value - half, value + half]


def sample_report(seed=0, rows=20640, points=2000):
    """A finished regression run on a table of house prices."""
    rng = np.random.default_rng(seed)
    titles = [
        (
            "BayesianLinearRegression",
            "Bayesian linear regression, splines",
            60900.0,
            {"alpha": 0.012, "basis": "natural spline, 8 knots"},
        ),
        ("Ridge", "Ridge regression, splines", 61050.0, {"alpha": 3.16, "basis": "natural spline, 8 knots"}),
        ("ElasticNet", "Elastic net, splines", 61420.0, {"alpha": 0.001, "l1_ratio": 0.5}),
        ("Lasso", "Lasso", 66890.0, {"alpha": 0.01}),
        ("LinearRegression", "Least squares", 68710.0, {}),
        ("PLSRegression", "Partial least squares", 69230.0, {"n_components": 6}),
        ("PrincipalComponentRegression", "Principal-component regression", 73400.0, {"n_components": 8}),
        ("PolynomialRidge", "Ridge regression, cubic with interactions", 212000.0, {"degree": 3, "alpha": 1e-6}),
        ("DummyRegressor", "Always the mean", 115380.0, {"strategy": "mean"}),
    ]
    board = []
    for k, (method, title, score, params) in enumerate(titles):
        spread = 900 if k != 7 else 60000
        folds = rng.standard_normal(5)
        folds = score + spread * (folds - folds.mean())
        mean = float(folds.mean())
        gap = mean - 60900
        board.append(
            {
                "id": f"m{k}",
                "method": method,
                "title": title,
                "score": mean,
                "interval": _bounds(mean, 1.1 * spread),
                "fold_scores": folds.tolist(),
                "fit_seconds": float(rng.gamma(2, 0.12)),
                "predict_seconds": float(rng.gamma(2, 0.004)),
                "params": params,
                "status": "ok",
                "reason": None,
                "baseline": method == "DummyRegressor",
                "difference": {}
                if k == 0
                else {
                    "mean": gap,
                    "interval": _bounds(gap, 0.8 * spread),
                    "better": 0.01,
                    "equivalent": 0.97 if k == 1 else 0.6 if k == 2 else 0.0,
                    "worse": 0.02 if k == 1 else 0.39 if k == 2 else 1.0,
                },
            }
        )
    board.append(
        {
            "id": "m9",
            "method": "BestSubset",
            "title": "Best subset",
            "status": "failed",
            "reason": "ValueError: 13 columns after coding are more than max_features=12; raise it or choose columns",
        }
    )
    board.append(
        {
            "id": "m10",
            "method": "LARS",
            "title": "Least-angle regression",
            "status": "skipped",
            "reason": "the time budget was spent",
        }
    )

    observed = np.clip(rng.lognormal(12.1, 0.55, points), 15000, 500001)
    predicted = observed * 0.72 + 58000 + 0.24 * np.sqrt(observed / 2e5) * 2e5 * rng.standard_normal(points)
    half = 1.64 * (35000 + 0.13 * np.abs(predicted))
    residual = observed - predicted
    nominal = np.arange(0.05, 1.0, 0.05)
    width = half / 1.645
    empirical = [float((np.abs(residual) < width * z).mean()) for z in np.sqrt(2) * np.vectorize(_erfinv)(nominal)]

    names = [
        "median_income",
        "housing_median_age",
        "total_rooms",
        "total_bedrooms",
        "population",
        "households",
        "longitude",
        "latitude",
    ]
    columns = [
        {
            "name": "median_house_value",
            "role": "target",
            "kind": "numeric",
            "reason": "named with -y",
            "missing": 0,
            "unique": 3842,
            "summary": _summary(observed),
        }
    ]
    for k, name in enumerate(names):
        x = rng.gamma(2 + k, 1.3, points) * 10 ** (k % 4) if k < 6 else rng.normal(-119 if k == 6 else 35, 2, points)
        columns.append(
            {
                "name": name,
                "role": "feature",
                "kind": "numeric",
                "reason": "",
                "missing": 207 if name == "total_bedrooms" else 0,
                "unique": int(900 + 700 * k),
                "summary": _summary(x),
            }
        )
    columns.append(
        {
            "name": "ocean_proximity",
            "role": "feature",
            "kind": "categorical",
            "reason": "text with 5 distinct values",
            "missing": 0,
            "unique": 5,
            "summary": {
                "levels": [
                    ["<1H OCEAN", 9136],
                    ["INLAND", 6551],
                    ["NEAR OCEAN", 2658],
                    ["NEAR BAY", 2290],
                    ["ISLAND", 5],
                ]
            },
        }
    )

    sizes = [100, 250, 600, 1500, 4000, 10000, 16512]
    validation = [(60500 + 290000 / np.sqrt(n) + 9000 / n**0.25 * rng.standard_normal(5)).tolist() for n in sizes]
    train = [(60300 - 200000 / n**0.6 + 4000 / n**0.25 * rng.standard_normal(5)).tolist() for n in sizes]
    effects = [(n, v) for n, v in zip(names, [71400, 13800, -9700, 29500, -43100, 31200, -54300, -56100], strict=True)]
    effects += [
        ("ocean_proximity = INLAND", -39800),
        ("ocean_proximity = NEAR BAY", -3200),
        ("ocean_proximity = ISLAND", 156000),
    ]
    worst = np.argsort(-np.abs(residual))[:12]
    return {
        "peira": "0.1.0",
        "created": "2025-11-23T10:14:05",
        "run": "ca",
        "source": "california-housing/housing.csv.gz",
        "task": "regression",
        "target": "median_house_value",
        "measure": {"name": "rmse", "title": "RMSE", "better": "lower", "units": "US dollars", "range": [0, None]},
        "rows": rows,
        "columns": 10,
        "seed": 0,
        "seconds": 48.3,
        "complete": True,
        "stopped": None,
        "verdict": {
            "sentence": "Yes, it can be learned: Bayesian linear regression on splines predicts median_house_value with an RMSE of 60,900 US dollars on rows that it had not seen, about half the error of always predicting the mean. Ridge regression does as well within the noise.",
            "task": "Predict median_house_value, a number, from 9 other columns.",
            "experience": "20,640 rows of housing.csv.gz; 16,512 learned from in each of 5 folds.",
            "performance": "RMSE in US dollars (lower is better), on rows held out of fitting and tuning.",
            "score": board[0]["score"],
            "interval": board[0]["interval"],
            "level": 0.95,
            "baseline": {
                "method": "DummyRegressor",
                "title": "Always the mean",
                "score": board[8]["score"],
                "interval": board[8]["interval"],
            },
            "gain": board[8]["score"] - board[0]["score"],
            "gain_interval": _bounds(board[8]["score"] - board[0]["score"], 1500.0),
            "clear_winner": False,
            "tied_with": ["m1", "m2"],
            "next": [
                "Look at the residuals: the error grows with the value. A target on the logarithmic scale may help.",
                "More rows of the same kind would help little: the curves have met.",
                "965 rows hold exactly 500,001: the target seems to be cut off there.",
            ],
        },
        "diagnosis": [
            {
                "code": "D014",
                "title": "The target is cut off",
                "severity": "warning",
                "evidence": "965 of 20,640 rows (4.7 %) hold the largest value 500,001 exactly.",
                "fix": "Leave these rows out of the judgement, or use a method for censored targets.",
            },
            {
                "code": "D003",
                "title": "Error grows with the value",
                "severity": "info",
                "evidence": "The spread of the residuals in the upper third is 1.9 times that in the lower third.",
                "fix": "Try the logarithm of the target.",
            },
        ],
        "leaderboard": board,
        "data": {
            "decisions": [
                "Delimiter ',' and encoding UTF-8 found; the first row is a header.",
                "total_bedrooms: 207 missing values are imputed by the median of the training folds, with an indicator column.",
                "ocean_proximity: 5 levels, one-hot; ISLAND (5 rows) joins the rare levels.",
            ],
            "duplicates": 0,
            "columns": columns,
        },
        "performance": {
            "measures": [
                {
                    "name": "rmse",
                    "title": "RMSE",
                    "value": board[0]["score"],
                    "interval": board[0]["interval"],
                    "units": "US dollars",
                    "better": "lower",
                },
                {
                    "name": "mae",
                    "title": "Mean absolute error",
                    "value": 43216.7,
                    "interval": [42650.0, 43790.0],
                    "units": "US dollars",
                    "better": "lower",
                },
                {
                    "name": "r2",
                    "title": "R²",
                    "value": 0.72134,
                    "interval": [0.7138, 0.7289],
                    "units": "",
                    "better": "higher",
                },
                {
                    "name": "nll",
                    "title": "Negative log likelihood",
                    "value": 12.4313,
                    "interval": [12.412, 12.451],
                    "units": "nats",
                    "better": "lower",
                },
                {
                    "name": "crps",
                    "title": "CRPS",
                    "value": 31480.2,
                    "interval": [31010.0, 31950.0],
                    "units": "US dollars",
                    "better": "lower",
                },
            ],
            "observed": observed.tolist(),
            "predicted": predicted.tolist(),
            "low": (predicted - half).tolist(),
            "high": (predicted + half).tolist(),
            "level": 0.9,
            "calibration": {"nominal": nominal.tolist(), "empirical": empirical, "rows": points},
        },
        "learning": {
            "sizes": sizes,
            "train": train,
            "validation": validation,
            "doubling": 61400.0,
            "history": {
                "log evidence": (-260000 + 4000 * (1 - np.exp(-np.arange(14) / 2))).tolist(),
                "alpha": (1 / (1 + np.arange(14.0))).tolist(),
            },
            "history_of": "Bayesian linear regression",
        },
        "explanation": {
            "coefficients": [
                {"name": n, "value": v, "low": v - 1500 - abs(v) * 0.09, "high": v + 1500 + abs(v) * 0.09}
                for n, v in effects
            ],
            "importance": [
                {"name": n, "mean": abs(v) * 0.6, "low": abs(v) * 0.57 - 200, "high": abs(v) * 0.63 + 200}
                for n, v in effects[:8]
            ],
            "note": "Coefficients are for standardised columns: the change in US dollars when a column grows by one standard deviation and the others stay.",
        },
        "errors": [
            {
                "row": int(i),
                "observed": float(observed[i]),
                "predicted": float(predicted[i]),
                "low": float(predicted[i] - half[i]),
                "high": float(predicted[i] + half[i]),
                "values": {
                    "median_income": float(rng.gamma(2, 2)),
                    "housing_median_age": int(rng.integers(1, 52)),
                    "total_rooms": int(rng.integers(10, 9000)),
                    "total_bedrooms": None,
                    "population": int(rng.integers(3, 4000)),
                    "ocean_proximity": "<1H OCEAN",
                },
            }
            for i in worst
        ],
        "method_page": {
            "title": "Bayesian linear regression",
            "found": ["Most of the weight lies on <b>median_income</b>."],
            "text": PAGE,
            "card": {
                "tasks": "regression",
                "reference": "Bishop (2006) 3.3, 3.5",
                "exact": True,
                "incremental": "equals one fit",
                "cost": "N D^2 + D^3",
            },
            "parameters": [
                {
                    "name": "alpha",
                    "value": 0.012,
                    "default": 1.0,
                    "doc": "precision of the Gaussian prior on the weights",
                },
                {
                    "name": "beta",
                    "value": None,
                    "default": None,
                    "doc": "precision of the noise; None: found by maximising the evidence",
                },
                {"name": "fit_intercept", "value": True, "default": True, "doc": "add a constant column"},
            ],
        },
        "reproduce": {
            "command": "peira learn california-housing/housing.csv.gz -y median_house_value --budget 60s --seed 0 -o runs/ca",
            "python": 'import peira\n\nrun = peira.learn("california-housing/housing.csv.gz", target="median_house_value",\n                  budget="60s", seed=0, output="runs/ca")',
            "environment": {"python": "3.11.2", "torch": "2.13.0", "numpy": "2.3.4", "threads": 2},
            "data_sha256": "5c1dd1b0d1c4b1f4c7c2d1e3a0f9b8a7665544332211000ffeeddccbbaa99887",
            "splits": "5-fold, shuffled, data/splits.json",
        },
    }


def _erfinv(p):
    from scipy.special import erfinv

    return float(erfinv(p))


def _summary(x):
    counts, edges = np.histogram(x, bins=24)
    return {
        "min": float(x.min()),
        "max": float(x.max()),
        "mean": float(x.mean()),
        "std": float(x.std()),
        "quartiles": np.quantile(x, (0.25, 0.5, 0.75)).tolist(),
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }

"""Race 8.09: the Kalman filter and smoother against statsmodels."""

import numpy as np

from evidence import Sides, racing

TERMS = {"better": "lower", "target": 1e-8}
RULE = "filter and smoother with known variances and an exact diffuse start: smoothed means and variances of all states"


def series(T, gaps=0.0, seed=0):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(size=T)) + 3 * rng.normal(size=T)
    x[rng.uniform(size=T) < gaps] = np.nan
    return x


def dense(x, variance=9.0, motion=1.0):
    """Smoothed levels by solving the banded normal equations of the whole series, for the quality of both."""
    from scipy.linalg import solveh_banded

    seen = ~np.isnan(x)
    T = len(x)
    diagonal = np.where(seen, 1 / variance, 0.0)
    diagonal[:-1] += 1 / motion
    diagonal[1:] += 1 / motion
    off = np.concatenate([[0.0], np.full(T - 1, -1 / motion)])
    return solveh_banded(np.stack([off, diagonal]), np.where(seen, x, 0.0) / variance)


def smooth(x, lengths, trend, variances, period=1):
    from peira.sequences.state_space import filtered
    from peira.sequences.structural_model import Structure

    structure = Structure(trend, period, period // 2)
    belief = filtered(structure.model(np.array(variances), 1.0), x[:, None], np.array(lengths))
    return belief.smooth()


def by_statsmodels(x, variances, **parts):
    """Its compiled smoother, asked for states and their variances alone, without its results object."""
    from statsmodels.tsa.statespace.kalman_smoother import SMOOTHER_STATE, SMOOTHER_STATE_COV
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    model = UnobservedComponents(x, use_exact_diffuse=True, **parts)
    model.update(np.array(variances))
    model.ssm.smoother_output = SMOOTHER_STATE | SMOOTHER_STATE_COV
    found = model.ssm.smooth()
    return found.smoothed_state.T, found.smoothed_state_cov.transpose(2, 0, 1)


@racing("8.09", case="local level, one series of 10,000 steps", peer="statsmodels",
        quality="largest error of a smoothed level against the normal equations", rule=RULE, **TERMS)  # fmt: skip
def one_long_series():
    x = series(10_000)
    exact = dense(x)
    return Sides(
        lambda: smooth(x, [len(x)], "none", [9.0, 1.0]),
        lambda: by_statsmodels(x, [9.0, 1.0], level="llevel"),
        quality=lambda found: float(np.abs(found[0][:, 0] - exact).max()),
    )


@racing("8.09", case="local level, 10,000 steps, a tenth of them missing", peer="statsmodels",
        quality="largest error of a smoothed level against the normal equations", rule=RULE, **TERMS)  # fmt: skip
def with_gaps():
    x = series(10_000, gaps=0.1)
    exact = dense(x)
    return Sides(
        lambda: smooth(x, [len(x)], "none", [9.0, 1.0]),
        lambda: by_statsmodels(x, [9.0, 1.0], level="llevel"),
        quality=lambda found: float(np.abs(found[0][:, 0] - exact).max()),
    )


@racing("8.09", case="local level, 100 series of 1,000 steps", peer="statsmodels",
        quality="largest error of a smoothed level against the normal equations", rule=RULE, **TERMS)  # fmt: skip
def many_series():
    X = np.stack([series(1_000, seed=s) for s in range(100)])
    exact = np.stack([dense(x) for x in X])

    def peer():
        return np.concatenate([by_statsmodels(x, [9.0, 1.0], level="llevel")[0] for x in X]), None

    return Sides(
        lambda: smooth(X.ravel(), [1_000] * 100, "none", [9.0, 1.0]),
        peer,
        quality=lambda found: float(np.abs(found[0][:, 0].reshape(100, -1) - exact).max()),
    )


def textbook(x, A, Q, c, r, start=1e8):
    """Smoothed levels by the textbook's filter and Rauch-Tung-Striebel smoother in NumPy, from a start N(0, start)."""
    K = len(A)
    m, P, kept = np.zeros(K), start * np.eye(K), []
    for v in x:
        F = c @ P @ c + r
        k = P @ c / F
        filtered_m = m + k * (v - c @ m)
        I_kc = np.eye(K) - np.outer(k, c)
        filtered_P = I_kc @ P @ I_kc.T + r * np.outer(k, k)
        m, P = A @ filtered_m, A @ filtered_P @ A.T + Q
        kept.append((filtered_m, filtered_P, m, P))
    z, levels = kept[-1][0], [kept[-1][0][0]]
    for filtered_m, filtered_P, ahead, P in kept[-2::-1]:
        z = filtered_m + filtered_P @ A.T @ np.linalg.solve(P, z - ahead)
        levels.append(z[0])
    return np.array(levels[::-1])


@racing("8.09", case="level, slope and a season of 4, one series of 10,000 steps", peer="statsmodels",
        quality="largest error of a smoothed level, after the first 100, against the textbook's recursions in NumPy",
        rule=RULE, better="lower", target=1e-4)  # fmt: skip
def with_season():
    x = series(10_000) + np.tile([3.0, -1.0, -4.0, 2.0], 2_500)
    A = np.zeros((5, 5))
    A[:2, :2] = [[1, 1], [0, 1]]
    A[2:4, 2:4] = [[0, 1], [-1, 0]]
    A[4, 4] = -1
    exact = textbook(x, A, np.diag([1.0, 0.01, 0.01, 0.01, 0.01]), np.array([1.0, 0.0, 1.0, 0.0, 1.0]), 9.0)
    return Sides(
        lambda: smooth(x, [len(x)], "local", [9.0, 1.0, 0.01, 0.01], period=4),
        lambda: by_statsmodels(
            x, [9.0, 1.0, 0.01, 0.01], level="lltrend", freq_seasonal=[{"period": 4, "harmonics": 2}]
        ),
        quality=lambda found: float(np.abs(found[0][100:, 0] - exact[100:]).max()),
    )

"""Race 7.11: an echo state network of 1,000 units learns to forecast a series of 10,000 steps, against reservoirpy."""

import numpy as np

from evidence import Sides, racing

UNITS, STEPS, NEW = 1000, 10_000, 3000
TERMS = {
    "peer": "reservoirpy",
    "quality": "error of one step on 3,000 new steps, root mean square",
    "better": "lower",
    "slack": 0.2,
    "limit": "the sum of squares of 10,000 rows of states by BLAS",
}


def series():
    from evidence.reproduce.reservoirs import mackey_glass

    return np.tanh(mackey_glass(STEPS + NEW + 1, 17, [0])[:, 0] - 1)


def sides(ours_connections, peer_share):
    y = series()
    train, new = y[: STEPS + 1], y[STEPS:]

    def ours():
        from peira.sequences import EchoStateForecaster

        return EchoStateForecaster(
            units=UNITS, connections=ours_connections, spectral_radius=0.9, leak=0.5, input_scaling=1.0,
            bias_scaling=0.2, standardise=False, washout=100, alpha=1e-6, differences=0, precise=False,
            random_state=0,
        ).fit(train)  # fmt: skip

    def peer():
        import reservoirpy
        from reservoirpy.nodes import Reservoir, Ridge

        if hasattr(reservoirpy, "verbosity"):
            reservoirpy.verbosity(0)
        pool = Reservoir(UNITS, lr=0.5, sr=0.9, rc_connectivity=peer_share, input_connectivity=1.0, seed=0)
        return (pool >> Ridge(ridge=1e-6)).fit(train[:-1, None], train[1:, None], warmup=100)

    def quality(model):
        if hasattr(model, "readout_"):
            S = [s.copy() for _, s in model._restored().blocks(new[:-1, None], np.arange(NEW) == 0)]
            said = np.hstack([np.concatenate(S), new[:-1, None]]) @ model.readout_ + model.intercept_
        else:
            model.reset() if hasattr(model, "reset") else None
            said = np.asarray(model.run(new[:-1, None]))
        return float(np.sqrt(np.mean((said[200:, 0] - new[201:]) ** 2)))

    X = np.random.default_rng(0).standard_normal((STEPS, UNITS))
    return Sides(ours, peer, quality=quality, limit=lambda: X.T @ X)


@racing(
    "7.11", case="1,000 units, 10,000 steps, each library's own default of connections (ours 10 a unit, theirs 100)",
    rule="the same series, radius, leak and penalty; reservoirs drawn by each; both learn the readout exactly", **TERMS,
)  # fmt: skip
def against_reservoirpy():
    return sides(10, 0.1)


@racing(
    "7.11", case="1,000 units, 10,000 steps, 100 connections a unit",
    rule="the same series, radius, leak, penalty and number of connections", **TERMS,
)  # fmt: skip
def against_reservoirpy_with_as_many_connections():
    return sides(100, 0.1)


@racing(
    "7.11", case="1,000 units, 10,000 steps, 10 connections a unit",
    rule="the same series, radius, leak, penalty and number of connections", **TERMS,
)  # fmt: skip
def against_reservoirpy_with_few_connections():
    return sides(10, 0.01)

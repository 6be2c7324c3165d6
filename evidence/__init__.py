"""Evidence: reference results that Peira reproduces, and races against the specialist libraries.

A row is a function in ``evidence/reproduce/*.py`` or ``evidence/race/*.py``. Every module there is imported; there
is no list to edit. A module's top level imports only numpy, the standard library and :mod:`evidence`; peira and the
peers are imported inside the functions (a race may run in an environment that has only one of them).

**A reproduction** is a generator of checks::

    from evidence import check, data, reproduction

    @reproduction("1.02", claim="least squares on the prostate data has test error 0.521",
                  source="Hastie, Tibshirani, Friedman (2009), Table 3.3", mark="V",
                  protocol="67 train, 30 test; inputs standardised over all 97",
                  data="esl/prostate.csv.gz")
    def prostate_least_squares():
        table = data("esl/prostate.csv.gz")               # a Table: table["lpsa"], table.matrix(["lcavol", "age"])
        train = table["train"] == "T"
        ...
        yield check("test error", error, reference=0.521, tolerance=0.0005)      # |value - reference| <= tolerance
        yield check("coefficients", coef, reference=[0.68, 0.26], tolerance=0.005)        # arrays: every element
        yield check("b0", b0, reference=-3482258.63459582, digits=9)    # -log10 |value - reference|/|reference| >= 9
        yield check("slope", slope, reference=2.0, relative=1e-6)       # |value - reference| <= relative |reference|
        yield check("coverage", c, at_least=0.94, at_most=0.96)         # a range instead of a reference
        yield check("order", order, reference=[3, 9, 4])                # nothing said: equal
        yield check("M that wins", m, reference=3, refuted="on the printed points M = 4 has ... by two routes")

        yield Grid("error by set and method", sets, methods, errors)   # to look at beside the checks, held to nothing

The row holds if all its checks do. ``refuted`` says why the printed reference itself is wrong; such a check holds if
the value does *not* agree with it (and a second check then holds the value that is right by another route). One id
may have several functions: their checks are put together. ``data`` names the files that the row reads (one string or
several), looked for below ``$PEIRA_DATA`` and then in ``evidence/data/``; none for bundled or generated data.
``slow`` keeps a row that takes minutes out of the tests; ``public`` may name the public source where the table of
sources does not have it.

**A race** is a function that builds the data and returns both sides (``racing`` declares it; ``race`` is the folder)::

    from evidence import Sides, racing

    @racing("1.01", case="n=100k d=100", peer="scikit-learn", quality="correct digits of the coefficients",
          better="higher", rule="both solve to the end", limit="one Gram matrix by BLAS")
    def least_squares():
        X, y, truth = ...                                  # numpy alone, from a fixed seed
        def ours():
            from peira.linear import LinearRegression
            return LinearRegression().fit(X, y)
        def peer():
            from sklearn.linear_model import LinearRegression
            return LinearRegression().fit(X, y)
        return Sides(ours, peer, quality=lambda model: digits(model.coef_, truth), limit=lambda: X.T @ X)

Each side lives in a fresh process of its own with the same number of threads, builds the same data, and is called in
turn with the other: once to warm up (imports, compilation), then ``--rounds`` times (5). Each call must do the whole
work and return the answer. An import belongs at the head of ``ours``/``peer``; it is paid in the warm-up. Short calls
are repeated until a sample lasts 50 ms. ``quality(answer)`` gives one float for either side's answer; ``target`` is
the quality that counts as reached by both (a duality gap of 1e-6, say), ``slack`` what may lie between two equal
ones. ``limit`` is a bare callable that does the least arithmetic or memory traffic that the task needs. Peak memory
is what the process's high-water mark (VmHWM, reset before the call) rises above what it held before the first call.

A peer that needs an environment of its own: ``environment="adelie"`` runs the peer's process with the interpreter
that ``$PEIRA_RACE_ADELIE`` names, else with ``.venv-adelie/bin/python`` (made by ``make races``).
"""

from .loading import DataAbsent, Table, data, data_path, sources
from .rows import RACES, REPRODUCTIONS, Check, Grid, Sides, check, racing, reproduction

__all__ = [
    "RACES",
    "REPRODUCTIONS",
    "Check",
    "DataAbsent",
    "Grid",
    "Sides",
    "Table",
    "check",
    "data",
    "data_path",
    "racing",
    "reproduction",
    "sources",
]

"""The design matrix: a table as numbers that a linear method can multiply.

The model of a linear method is

.. math:: y = \\Phi w + \\epsilon

and the rows of :math:`\\Phi` are what this transformer makes of the rows of a table. A number is
standardised,

.. math:: \\phi(x) = (x - m) / s

a word is compared with the reference level, one column a level,

.. math:: \\phi_k(x) = 1 \\quad if \\quad x = level_k, \\quad else \\quad 0

and a date goes round its year, week and day,

.. math:: \\phi(t) = (\\sin 2 \\pi t / P, \\; \\cos 2 \\pi t / P)

beside the time itself. A missing number is filled, and an indicator column says where; so a linear
method can learn what being missing means.

What is learned (means, levels, fill values) is learned from the rows given to ``fit`` and no
others: put the transformer inside the pipeline that is cross-validated.

Costs N D in time; N D' in memory, for D' columns written.

Hastie, Tibshirani & Friedman (2009), section 2.2 (dummy variables) and 9.6 (missing predictors).
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names, _check_feature_names_in, check_is_fitted

from peira.core import Card, Transformer, param
from peira.core.errors import DataError, UnreadableError, closest
from peira.core.inputs import is_frame

from .encoding import ENCODERS, Dates, Dropped, Encoder, Levels, Numeric
from .kinds import KINDS, kind_of
from .naming import count
from .profile import missing_in, summarise
from .table import Table

TOGETHER = 1 << 18
"""Numbers that are encoded in one pass: enough that columns by the thousand cost little, and they stay near the CPU."""


class DesignMatrix(Transformer):
    """Design matrix: a table as a matrix of numbers.

    Attributes
    ----------
    plans_ : list of dict
        How each column of the table is encoded.
    notes_ : list of str
        What was left out, pooled or filled, and why.

    Examples
    --------
    >>> t = {"size": [1.0, 3.0, None], "town": ["Ulm", "Bonn", "Ulm"]}
    >>> design = DesignMatrix(kinds={"town": "categorical"}).fit(t)
    >>> design.get_feature_names_out().tolist()
    ['size', 'size=(missing)', 'town=Bonn']
    >>> design.transform(t).round(2).tolist()
    [[-1.22, 0.0, 0.0], [1.22, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """

    card = Card(tasks="representation", reference="Hastie et al. (2009) 2.2, 9.6", cost="N D", exact=True, missing=True)
    kinds: dict | None = param(None, "kind of each column by its name, as infer_roles gives it; the rest is inferred")
    intercept: bool = param(False, "a first column of ones")
    standardise: bool = param(True, "shift and scale numbers and times to mean 0 and standard deviation 1")
    impute: Literal["median", "mean", "most_frequent"] = param("median", "what a missing number is replaced by")
    indicators: bool = param(True, "a column that says where values were missing")
    reference: bool = param(True, "leave out the most frequent level, with which the others are then compared")
    min_share: float = param(0.01, "levels in a smaller share of the rows are pooled", low=0, below=1)
    max_levels: int = param(30, "levels that get a column of their own, at most, the most frequent ones", low=1)

    def fit(self, X: Any, y: Any = None) -> "DesignMatrix":
        """Learn how to encode each column.

        Parameters
        ----------
        X : Table, frame, dict of columns, array or tensor of shape (N, D)
            Numbers may be missing (NaN), words too (None).
        y : ignored

        Raises
        ------
        DataError
            If a number is infinite, or a column does not hold what its kind says.
        """
        self._check_parameters()
        self._check_kinds()
        table, named = self._table(X)
        for learned in [n for n in vars(self) if n.endswith("_") and not n.startswith("__")]:
            delattr(self, learned)
        _check_feature_names(self, X, reset=True)
        if isinstance(X, Table | Mapping):
            self.feature_names_in_ = np.array(table.names, object)
        unknown = (self.kinds or {}).keys() - set(table.names)
        if unknown and named:
            name = sorted(unknown)[0]
            raise DataError(f"kinds names a column {name!r} that is not there; {closest(name, table.names)}")
        self.n_features_in_ = len(table.names)
        self.notes_: list[str] = []
        self.plans_ = [{"kind": e.kind, **vars(e)} for e in self._learn(table, named)]
        return self

    def transform(self, X: Any) -> Any:
        """The design matrix of these rows.

        Parameters
        ----------
        X : as in ``fit``
            A `Table` may have more columns, in any order.

        Returns
        -------
        array or tensor of shape (N, D')

        Raises
        ------
        DataError
            If a column is missing or does not hold what it held in ``fit``.
        """
        table = self._again(X)
        encoders = self._encoders()
        start = int(self.intercept)
        out = np.empty((len(table), start + sum(len(e.labels()) for e in encoders)))
        out[:, :start] = 1.0
        names = iter(table.names)
        for cls, run in itertools.groupby(encoders, type):
            for part in _parts(list(run), len(table)):
                stop = start + sum(len(e.labels()) for e in part)
                columns = [table[name] for name in itertools.islice(names, len(part))]
                cls.encode_run(part, columns, table.rows, out[:, start:stop])
                start = stop
        return _like(X, out)

    def inverse_transform(self, X: Any) -> Any:
        """The table that a design matrix stands for.

        Pooled levels come back as "(other)", filled values as missing where an indicator says so,
        and columns that were left out as their constant value, or as missing.

        Parameters
        ----------
        X : array or tensor of shape (N, D')

        Returns
        -------
        Table, or array of shape (N, D) if the columns had no names
        """
        check_is_fitted(self)
        matrix = np.asarray(X.numpy(force=True) if hasattr(X, "detach") else X, np.float64)
        width = len(self.get_feature_names_out())
        if matrix.ndim != 2 or matrix.shape[1] != width:
            raise DataError(f"expected a design matrix of {width} columns, got an array of shape {matrix.shape}")
        columns: dict[str, np.ndarray] = {}
        start = int(self.intercept)
        for encoder in self._encoders():
            stop = start + len(encoder.labels())
            columns[encoder.name] = (
                _constant(encoder, len(matrix))
                if isinstance(encoder, Dropped)
                else encoder.decode(matrix[:, start:stop])
            )
            start = stop
        if hasattr(self, "feature_names_in_") or any(c.dtype.kind != "f" for c in columns.values()):
            return Table(columns)
        return _like(X, np.column_stack(list(columns.values())))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of the design matrix: "age", "town=Ulm", "day:month_sin", "age=(missing)"."""
        check_is_fitted(self)
        given = _check_feature_names_in(self, input_features)
        names = [f"{name}{label}" for name, e in zip(given, self._encoders(), strict=True) for label in e.labels()]
        return np.array(["intercept", *names] if self.intercept else names, object)

    def get_origins(self) -> list[str]:
        """For each column of the design matrix, the name of the column that it was made from; "" for the ones."""
        check_is_fitted(self)
        return [""] * self.intercept + [e.name for e in self._encoders() for _ in e.labels()]

    def unknown_levels(self, X: Any) -> dict[str, dict[str, int]]:
        """Words that ``fit`` gave no column of their own, with their counts, by the column that holds them.

        A pooled column stands for them if there is one; otherwise their rows count as average ones. A
        word outside of a declared order counts as missing.
        """
        table = self._again(X)
        found = {
            name: e.unknown(table[name])
            for name, e in zip(table.names, self._encoders(), strict=True)
            if isinstance(e, Levels | Numeric)
        }
        return {name: levels for name, levels in found.items() if levels}

    # ---------------------------------------------------------------- private

    def _learn(self, table: Table, named: bool) -> list[Encoder]:
        """The encoders of all columns: those of numbers together, the others one by one."""
        encoders: dict[str, Encoder] = {}
        numbers: dict[str, tuple[list[str] | None, bool]] = {}
        seen: dict[bytes, str] = {}  # each pattern of missing rows, and the first column that has it
        sayers: dict[str, str] = {}  # whose indicator says which rows are missing
        n_missing: dict[str, int] = {}
        for name in table.names:
            column = table[name]
            kind, reason = self._kind(name, table, named)
            if kind == "constant":
                if reason == "declared":  # most often because infer_roles saw it in these very rows
                    seen_as, seen_why = kind_of(name, column, summarise(column))
                    reason = seen_why if seen_as == "constant" else "it is taken for constant"
                encoders[name] = Dropped(name, reason, _only_value(column))
                continue
            if kind in ("identifier", "text", "ignored"):
                encoders[name] = Dropped(
                    name, f"it is taken for {kind}" if reason == "declared" else f"{kind}, {reason}"
                )
                continue
            if (gone := missing_in(column)).any():
                n_missing[name] = int(gone.sum())
                if self.indicators:
                    sayers[name] = seen.setdefault(gone.tobytes(), name)
            indicator = sayers.get(name) == name
            if kind in ("datetime", "categorical", "boolean"):
                blank = name in sayers and not indicator
                encoders[name] = self._encoder(kind, name, column, table.rows, indicator, blank)
            else:
                numbers[name] = (kind if isinstance(kind, list) else None, indicator)
        for part in _parts(list(numbers), len(table)):
            learned = Numeric.learn(
                part,
                [table[name] for name in part],
                table.rows,
                impute=self.impute,
                standardise=self.standardise,
                indicators=[numbers[name][1] for name in part],
                orders=[numbers[name][0] for name in part],
            )
            encoders.update(zip(part, learned, strict=True))
        for name in table.names:
            if (sayer := sayers.get(name, name)) != name:
                self.notes_.append(f"column {name!r} is missing in the same rows as {sayer!r}, whose indicator says so")
            self._note(encoders[name], table[name], n_missing.get(name, 0))
        return [encoders[name] for name in table.names]

    def _encoder(
        self, kind: str, name: str, column: np.ndarray, rows: np.ndarray, indicator: bool, blank: bool
    ) -> Encoder:
        """The encoder of a column of dates or words."""
        if kind == "datetime":
            return Dates.learn(name, column, rows, standardise=self.standardise, indicator=indicator)
        size = {"min_share": self.min_share, "max_levels": self.max_levels}
        shape = {"reference": self.reference, "boolean": kind == "boolean", "indicator": indicator, "blank": blank}
        return Levels.learn(name, column, **size, **shape)

    def _note(self, encoder: Encoder, column: np.ndarray, n_missing: int) -> None:
        """State what was left out, pooled or filled."""
        name = encoder.name
        if isinstance(encoder, Dropped):
            self.notes_.append(f"column {name!r} is left out: {encoder.why}")
        elif isinstance(encoder, Levels) and encoder.other:
            rare = encoder.unknown(column)
            shown = ", ".join(repr(level[:40]) for level in list(rare)[:5]) + (" ..." if len(rare) > 5 else "")
            rows = count(sum(rare.values()), "row")
            self.notes_.append(f"column {name!r}: {count(len(rare), 'rare level')} in one column ({shown}; {rows})")
        elif isinstance(encoder, Numeric) and n_missing:
            fill = encoder.fill if encoder.order is None else encoder.order[round(encoder.fill)]
            how = self.impute.replace("_", " ")
            self.notes_.append(f"column {name!r}: {count(n_missing, 'missing value')} filled with the {how}, {fill}")

    def _kind(self, name: str, table: Table, named: bool) -> tuple[Any, str]:
        """The declared kind of a column, else the inferred one; unnamed numbers are numbers."""
        declared = (self.kinds or {}).get(name)
        if declared is not None:
            return list(declared) if not isinstance(declared, str) else declared, "declared"
        if not named and table[name].dtype.kind == "f":
            return "numeric", "numbers"
        kind, reason = kind_of(name, table[name], summarise(table[name]), table.orders.get(name))
        return (table.orders[name], reason) if kind == "ordinal" else (kind, reason)

    def _check_kinds(self) -> None:
        for name, kind in (self.kinds or {}).items():
            if isinstance(kind, str) and kind not in KINDS:
                raise DataError(
                    f"unknown kind {kind!r} for column {name!r}; {closest(kind, KINDS)}, or a list of ordered levels"
                )
            if not isinstance(kind, str | list | tuple):
                raise DataError(f"the kind of column {name!r} must be a word or a list of ordered levels, got {kind!r}")

    def _table(self, X: Any) -> tuple[Table, bool]:
        """What came in as a table, and whether its columns have names of their own."""
        if sparse.issparse(X):
            raise TypeError("Sparse data was passed, but DesignMatrix needs dense data: use X.toarray()")
        table = Table.of(X)
        N, D = table.shape
        for size, what in ((N, "sample"), (D, "feature")):
            if not size:
                raise DataError(
                    f"Found array with 0 {what}(s) (shape=({N}, {D})) while a minimum of 1 is required by DesignMatrix."
                )
        structured = isinstance(X, np.ndarray) and X.dtype.names is not None
        return table, structured or isinstance(X, Table | Mapping) or is_frame(X)

    def _again(self, X: Any) -> Table:
        """The columns that ``fit`` saw, in its order."""
        check_is_fitted(self)
        table, _ = self._table(X)
        if isinstance(X, Table | Mapping) and hasattr(self, "feature_names_in_"):
            gone = [name for name in self.feature_names_in_ if name not in table]
            if gone:
                raise DataError(
                    f"column {gone[0]!r} of fit is missing ({len(gone)} in all); {closest(gone[0], table.names)}"
                )
            return table.select(self.feature_names_in_)
        if not hasattr(X, "detach"):
            _check_feature_names(self, X, reset=False)
        if len(table.names) != self.n_features_in_:
            raise DataError(
                f"X has {len(table.names)} features, "
                f"but DesignMatrix is expecting {self.n_features_in_} features as input"
            )
        return table

    def _encoders(self) -> list[Encoder]:
        return [ENCODERS[p["kind"]](**{k: v for k, v in p.items() if k != "kind"}) for p in self.plans_]

    def _check_learned(self) -> None:
        super()._check_learned()
        try:
            encoders = self._encoders()
            for encoder in encoders:
                encoder.check()
        except (TypeError, KeyError, AttributeError) as error:
            raise UnreadableError(f"the plans of a stored DesignMatrix cannot be read: {error!r}") from error
        if len(encoders) != self.n_features_in_:
            raise UnreadableError(f"a stored DesignMatrix has {len(encoders)} plans for {self.n_features_in_} columns")

    def __sklearn_is_fitted__(self) -> bool:
        return "plans_" in vars(self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def _parts(columns: list, N: int) -> Iterator[list]:
    """Neighbouring columns of N rows in parts of at most so many numbers that are taken together."""
    n = max(1, TOGETHER // N)
    return (columns[i : i + n] for i in range(0, len(columns), n))


def _only_value(column: np.ndarray) -> float | str | None:
    held = column[~missing_in(column)]
    return None if not len(held) or held.dtype.kind == "M" else held[:1].tolist()[0]


def _constant(encoder: Dropped, N: int) -> np.ndarray:
    if isinstance(encoder.value, str):
        return np.full(N, encoder.value, object)
    return np.full(N, np.nan if encoder.value is None else float(encoder.value))


def _like(X: Any, values: np.ndarray) -> Any:
    """The values as a tensor on the device of ``X``, where that is a tensor."""
    if not hasattr(X, "detach"):
        return values
    import torch

    return torch.from_numpy(values).to(X.device)

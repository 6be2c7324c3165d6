"""The door: arrays, frames, sparse matrices and tensors come in, checked tensors go on.

Whatever is wrong with the data is found here, before anything is changed, and said in terms of
columns, rows and values. What came in as a tensor goes out as a tensor on its device; everything
else goes out as NumPy. On the CPU nothing is copied that need not be.
"""

import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import check_array, column_or_1d

from .errors import DataError
from .seeds import torch_generator

Matrix: TypeAlias = torch.Tensor | sparse.csr_matrix | sparse.csr_array


@dataclass
class Queries:
    """Inputs that passed the door, and the way back for what is computed from them.

    Of sequences, ``X`` has a row for each step, one sequence after the other, and ``lengths`` (N,) says how many rows
    each has; ``single`` says that the steps came as single numbers or symbols.
    """

    X: Matrix
    as_numpy: bool
    device: torch.device
    dtype: torch.dtype = torch.float64
    names: tuple[str, ...] | None = None
    lengths: torch.Tensor | None = None
    single: bool = False

    def __len__(self) -> int:
        return self.X.shape[0] if self.lengths is None else len(self.lengths)

    def tensor(self, value: Any) -> torch.Tensor:
        """A learned value as a tensor beside the inputs."""
        return torch.as_tensor(value, dtype=self.dtype, device=self.device)

    def give(self, value: torch.Tensor) -> Any:
        """A result in the form in which the inputs came."""
        return value.numpy(force=True) if self.as_numpy else value


@dataclass
class Data(Queries):
    """Experience that passed the door: inputs, targets (N, K) or labels, and weights (N,).

    Labels stand as ``codes`` (N,), positions in the sorted ``classes`` (C,).
    """

    Y: torch.Tensor | None = None
    codes: torch.Tensor | None = None
    classes: np.ndarray | None = None
    w: torch.Tensor | None = None
    squeeze: bool = True
    seed: int | None = None

    def indicators(self) -> torch.Tensor:
        """One column a class, 1 for the items that belong to it and 0 for the others, of shape (N, C)."""
        return torch.nn.functional.one_hot(self.codes, len(self.classes)).to(self.dtype)

    def rng(self) -> np.random.Generator:
        """NumPy's generator for this fit; drawing moves nothing outside of it."""
        return np.random.default_rng(self.seed)

    def generator(self) -> torch.Generator:
        """torch's generator for this fit, on the device of the data."""
        return torch_generator(self.seed, self.device)


def is_frame(X: Any) -> bool:
    """Whether ``X`` is a data frame of any library that narwhals knows."""
    return not isinstance(X, np.ndarray | torch.Tensor) and nw.dependencies.is_into_dataframe(X)


def column_names(X: Any) -> list[str] | None:
    """Names of the columns of a frame or table, None for what has none."""
    if is_frame(X):
        return [str(name) for name in _open_frame(X).columns]
    names = getattr(X, "names", None)
    return list(names) if isinstance(names, list | tuple) and not isinstance(X, torch.Tensor) else None


def open_matrix(
    X: Any,
    *,
    owner: str,
    names: list[str] | tuple[str, ...] | None = None,
    sparse_ok: bool = False,
    missing_ok: bool = False,
    name: str = "X",
    dtype: torch.dtype = torch.float64,
) -> Queries:
    """Turn one matrix of inputs into a checked tensor.

    Parameters
    ----------
    X : array, frame, sparse matrix or tensor of shape (N, D)
    owner : str
        Who asks, for the messages.
    names : sequence of str, optional
        Names of the columns, for the messages.
    sparse_ok, missing_ok : bool, default False
        Whether sparse matrices and NaN are welcome.

    Raises
    ------
    ValueError, TypeError
        If the shape, the type or a value is wrong; the message names the column and the row.
    """
    if isinstance(X, torch.Tensor):
        if X.dim() != 2:
            raise DataError(
                f"{owner} expected 2D array for {name}, got a tensor of shape {tuple(X.shape)}. Reshape your data"
            )
        if X.is_complex():
            raise DataError(f"Complex data not supported: {owner} got {X.dtype}")
        if X.is_sparse or X.layout == torch.sparse_csr:
            raise TypeError(f"{owner} takes sparse input as SciPy matrices; use scipy.sparse.csr_array")
        _require_size(X.shape, owner)
        opened = Queries(X.detach().to(dtype), as_numpy=False, device=X.device, dtype=dtype)
    elif sparse.issparse(X):
        if not sparse_ok:
            raise TypeError(
                f"Sparse data was passed, but {owner} needs dense data: use X.toarray() if memory allows, "
                "or a method whose card says 'sparse'"
            )
        array = check_array(
            X, accept_sparse="csr", dtype=np.float64, ensure_all_finite=False, estimator=owner, input_name=name
        )
        opened = Queries(array, as_numpy=True, device=torch.device("cpu"), dtype=dtype)
    else:
        array = _numeric_array(X, owner, name)
        array = check_array(
            array, dtype=[np.float64, np.float32], ensure_all_finite=False, estimator=owner, input_name=name
        )
        opened = Queries(_share(array).to(dtype), as_numpy=True, device=torch.device("cpu"), dtype=dtype)
    opened.names = tuple(names) if names is not None else None
    _require_finite(opened, owner, missing_ok, name)
    return opened


def open_targets(y: Any, N: int, like: Queries, *, owner: str, multi_output: bool) -> tuple[torch.Tensor, bool]:
    """Numeric targets as a tensor of shape (N, K), and whether they came as a vector."""
    if y is None:
        raise DataError(f"requires y to be passed, but the target y is None: {owner} learns from inputs and targets")
    if isinstance(y, torch.Tensor):
        if y.is_complex():
            raise DataError(f"Complex data not supported: {owner} got targets of {y.dtype}")
        Y = y.detach()
    else:
        array = _numeric_array(y, owner, "y")
        if not multi_output:
            array = column_or_1d(array, warn=True)
        try:
            Y = _share(np.asarray(array, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise DataError(f"{owner} needs numbers as targets: {error}") from error
    if Y.dim() not in (1, 2) or (Y.dim() == 2 and (Y.shape[1] == 0 or (not multi_output and Y.shape[1] != 1))):
        raise DataError(
            f"{owner} expected targets of shape (N,){' or (N, K)' if multi_output else ''}, got {tuple(Y.shape)}"
        )
    if Y.shape[0] != N:
        raise DataError(
            f"Found input variables with inconsistent numbers of samples: X has {N} rows, y has {Y.shape[0]}"
        )
    Y = Y.to(device=like.device, dtype=like.dtype)
    squeeze = Y.dim() == 1 or not multi_output
    Y = Y.reshape(N, -1)
    bad = ~torch.isfinite(Y)
    if bad.any():
        row, column = (int(i) for i in bad.nonzero()[0])
        kind = "NaN" if torch.isnan(Y[row, column]) else "infinity"
        where = "" if squeeze else f" of output {column}"
        raise DataError(
            f"Input y contains NaN or infinity: {int(bad.sum())} of {Y.numel()} targets, "
            f"first {kind} in row {row}{where}; drop these rows before fitting"
        )
    return Y, squeeze


def open_weights(sample_weight: Any, N: int, like: Queries, *, owner: str) -> torch.Tensor | None:
    """Weights of the items as a tensor of shape (N,), None where all count alike."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, torch.Tensor):
        if sample_weight.is_complex():
            raise DataError(f"Complex data not supported: {owner} got weights of {sample_weight.dtype}")
        w = sample_weight.detach()
    else:
        array = _numeric_array(sample_weight, owner, "sample_weight")
        try:
            array = np.asarray(array, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{owner} needs numbers as sample weights: {error}") from error
        w = _share(array) if array.ndim else torch.full((N,), float(array))
    w = w.to(device=like.device, dtype=like.dtype)
    if w.dim() != 1:
        raise DataError(f"Sample weights must be 1D array or scalar, got shape {tuple(w.shape)} ({owner})")
    if w.shape[0] != N:
        raise DataError(f"sample_weight.shape == {tuple(w.shape)}, expected {(N,)}: one weight for each row ({owner})")
    bad = ~(torch.isfinite(w) & (w >= 0))
    if bad.any():
        row = int(bad.nonzero()[0])
        raise DataError(
            f"sample_weight must hold finite numbers >= 0; "
            f"{owner} got {float(w[row])} (NaN, infinity or negative) in row {row}"
        )
    if float(w.sum()) == 0:
        raise DataError(f"all sample weights are zero: nothing is left for {owner} to learn from")
    if not torch.isfinite(w.sum()):
        raise DataError(
            f"the sample weights add up to infinity; {owner} needs a finite sum: divide them by their largest"
        )
    return w


def _numeric_array(value: Any, owner: str, what: str) -> np.ndarray:
    """An array from any container, refusing what NumPy would quietly take for numbers: texts, dates, masks."""
    if is_frame(value):
        value = _frame_to_numpy(value, owner)
    elif nw.dependencies.is_into_series(value):
        value = nw.from_native(value, series_only=True).to_numpy()
    elif nw.dependencies.is_polars_lazyframe(value):
        raise DataError(f"{owner} got a lazy frame as {what}: call collect() first")
    if np.ma.is_masked(value):
        raise DataError(
            f"{owner} got a masked array as {what}, with {np.ma.count_masked(value)} values masked: fill or drop them"
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{owner} cannot read {what} as an array, are its rows of equal length? {error}") from error
    if array.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {owner} got {what} of {array.dtype}")
    if array.dtype.kind in "mMSUVT" or (
        array.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in array.flat)
    ):
        raise DataError(
            f"{owner} needs numbers as {what}, got {'texts' if array.dtype.kind in 'SUTO' else array.dtype}: "
            "convert them first, or put peira.experience.DesignMatrix before it. could not convert string to float"
        )
    return array


def _share(array: np.ndarray) -> torch.Tensor:
    """A tensor over the same memory; copied only where torch cannot look at it as it lies."""
    if any(stride < 0 for stride in array.strides) or not array.dtype.isnative:
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        # Read-only memory (a memory map shared between processes): nothing in Peira writes to its inputs.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _open_frame(frame: Any) -> nw.DataFrame:
    try:
        return nw.from_native(frame, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"the names of the columns must differ: {error}".replace("\n", " ")) from error


def _frame_to_numpy(frame: Any, owner: str) -> np.ndarray:
    table = _open_frame(frame)
    words = [
        c for c, dtype in table.schema.items() if not (dtype.is_numeric() or dtype == nw.Boolean or dtype == nw.Object)
    ]
    if words:
        raise DataError(
            f"column {words[0]!r} holds {table.schema[words[0]]}, not numbers"
            + (f" (so do {len(words) - 1} more)" if len(words) > 1 else "")
            + f"; {owner} needs numbers: put peira.experience.DesignMatrix before it. could not convert string to float"
        )
    return table.to_numpy()


def _require_size(shape: tuple[int, ...], owner: str) -> None:
    N, D = shape
    if N == 0:
        raise DataError(
            f"Found array with 0 sample(s) (shape={tuple(shape)}) while a minimum of 1 is required by {owner}."
        )
    if D == 0:
        raise DataError(
            f"Found array with 0 feature(s) (shape={tuple(shape)}) while a minimum of 1 is required by {owner}."
        )


def _require_finite(opened: Queries, owner: str, missing_ok: bool, name: str) -> None:
    X = opened.X
    values = torch.from_numpy(X.data) if sparse.issparse(X) else X
    # One pass over memory in the usual case: a sum is finite only if every term is; if it overflows, we look closer.
    if torch.isfinite(values.sum()):
        return
    bad = torch.isinf(values) if missing_ok else ~torch.isfinite(values)
    if not bad.any():
        return
    if sparse.issparse(X):
        places = X.tocoo()
        hits = bad.numpy()
        rows, columns = places.row[hits], places.col[hits]
    else:
        columns = bad.any(0).nonzero()[:, 0].numpy(force=True)[:1].repeat(int(bad[:, bad.any(0)][:, 0].sum()))
        rows = bad[:, int(columns[0])].nonzero()[:, 0].numpy(force=True)
    column = int(columns[0])
    rows = rows[columns == column]
    X_bad = X[int(rows[0]), column]
    kind = "NaN" if np.isnan(float(X_bad)) else "infinite"
    label = repr(opened.names[column]) if opened.names else f"{column} of {name}"
    others = int(bad.sum()) - len(rows)
    raise DataError(
        f"Input {name} contains NaN or infinity: column {label} holds {len(rows)} "
        f"{'NaN or infinite values' if len(rows) > 1 else f'{kind} value'} (first: {kind} in row {int(rows[0])})"
        + (f", other columns {others} more" if others else "")
        + f"; {owner} needs finite numbers: drop or clip them, or impute with peira.experience.DesignMatrix"
    )

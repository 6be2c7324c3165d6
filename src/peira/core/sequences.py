"""The door for sequences: ragged, of vectors or of symbols, in whatever form they come.

Inside, the steps of all sequences stand one after the other: ``X`` has a row for each step, ``lengths`` (N,) says how
many rows each sequence has. Nothing is padded, so that one long sequence beside many short ones costs what they hold.

Vectors become floats of shape (S, D), S steps in all; a missing number is NaN. Symbols (whole numbers, truth values or
texts) become positions in their sorted list, of shape (S, 1), int64; a missing one is -1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .errors import DataError
from .inputs import Queries, _share, column_names, is_frame

SHOWN = 5  # unknown symbols that a message lists


def open_sequences(
    X: Any,
    *,
    owner: str,
    missing_ok: bool = False,
    empty_ok: bool = False,
    dtype: torch.dtype = torch.float64,
    name: str = "X",
) -> Queries:
    """Turn sequences of numbers or vectors into one checked tensor of steps.

    Parameters
    ----------
    X : Sequences, list of arrays, array, tensor or frame
        A list (or container with ``values`` and ``lengths``) holds several sequences, each of shape (T,) or (T, D). A
        list of numbers, an array or tensor of shape (T,) or (T, D), and a frame are one sequence; an array of shape
        (N, T, D) is N of them.
    owner : str
        Who asks, for the messages.
    missing_ok : bool, default False
        Take NaN, a number that was not observed.
    empty_ok : bool, default False
        Take sequences without steps.
    dtype : torch dtype, default float64
    name : str, default "X"
        What the sequences are called in messages.

    Returns
    -------
    Queries
        ``X`` of shape (S, D), ``lengths`` of shape (N,); ``single`` if the steps were numbers, not vectors.

    Raises
    ------
    DataError
        If there are none, one has no steps or another width than the first, or a value is not finite; the message
        names sequence and step, counted from 0.

    Examples
    --------
    >>> opened = open_sequences([[1.0, 2.0, 3.0], [4.0]], owner="GaussianHMM")
    >>> opened.X[:, 0].tolist(), opened.lengths.tolist(), len(opened)
    ([1.0, 2.0, 3.0, 4.0], [3, 1], 2)
    """
    parts, lengths, as_numpy, device = _parts(X, owner, name)
    names = column_names(X)
    single = all(part.ndim == 1 for part in parts)
    width = 1 if single else next(part.shape[1] for part in parts if part.ndim == 2)
    steps = []
    for i, part in enumerate(parts):
        if not single and (part.ndim != 2 or part.shape[1] != width):
            raise DataError(
                f"{owner} got sequences of unlike steps as {name}: sequence {i} has shape {tuple(part.shape)}, "
                f"where (steps, {width}) was expected"
            )
        steps.append(_as_numbers(part, i, owner, name, dtype, device))
    values = steps[0] if len(steps) == 1 else torch.cat(steps)
    values = values.reshape(-1, width)
    _check_lengths(lengths, owner, name, empty_ok)
    _check_finite(values, lengths, owner, name, missing_ok)
    return Queries(values, as_numpy, device, dtype, tuple(names) if names else None, lengths.to(device), single)


def open_symbols(
    X: Any,
    *,
    owner: str,
    symbols: np.ndarray | None = None,
    missing_ok: bool = False,
    empty_ok: bool = False,
    unknown_ok: bool = False,
    name: str = "X",
) -> tuple[Queries, np.ndarray]:
    """Turn sequences of symbols into positions in the sorted list of symbols.

    Parameters
    ----------
    X : Sequences, list, array, tensor or text
        Symbols are whole numbers, truth values or texts. A list of lists or arrays holds several sequences, and so does
        a list of texts: each is a sequence of characters. A text, a list of numbers, and an array of shape (T,) or
        (T, 1) are one sequence.
    owner : str
    symbols : array of shape (K,), optional
        The symbols there are, sorted; those of ``X`` without it.
    missing_ok : bool, default False
        Take None and NaN, a symbol that was not observed; it becomes -1.
    empty_ok : bool, default False
        Take sequences without steps.
    unknown_ok : bool, default False
        Take symbols that are not among ``symbols``; they become K.
    name : str, default "X"

    Returns
    -------
    Queries
        ``X`` int64 of shape (S, 1), ``lengths`` of shape (N,), ``single`` True.
    symbols : array of shape (K,)

    Raises
    ------
    DataError
        If a step is no symbol, or is unknown; the message names it, and the sequence.

    Examples
    --------
    >>> opened, symbols = open_symbols(["abba", "cab"], owner="MarkovChain")
    >>> opened.X[:, 0].tolist(), opened.lengths.tolist(), symbols.tolist()
    ([0, 1, 1, 0, 2, 0, 1], [4, 3], ['a', 'b', 'c'])
    """
    parts, lengths, as_numpy, device = _parts(X, owner, name)
    flat = [_as_symbols(part, i, owner, name) for i, part in enumerate(parts)]
    if any(part.dtype.kind == "U" for part in flat):  # of a sequence without a single symbol nobody sees the kind
        flat = [np.full(len(p), "\0") if p.dtype.kind == "f" and np.isnan(p).all() else p for p in flat]
    kinds = {part.dtype.kind for part in flat if len(part)}
    if "U" in kinds and kinds - {"U"}:
        raise DataError(f"{owner} got texts and numbers as symbols in {name}: write them all alike")
    values = flat[0] if len(flat) == 1 else np.concatenate(flat)
    _check_lengths(lengths, owner, name, empty_ok)
    absent = np.zeros(len(values), dtype=bool)
    if values.dtype.kind == "f":
        absent = np.isnan(values)
    elif values.dtype.kind == "U" and values.dtype.itemsize:
        absent = values == "\0"
    if absent.any() and not missing_ok:
        i, t = _place(int(absent.argmax()), lengths)
        raise DataError(
            f"{owner} got {int(absent.sum())} missing symbols in {name}, first at step {t} of sequence {i}; "
            "leave out those steps, or use a method whose card says that it takes missing steps"
        )
    present = values[~absent] if absent.any() else values
    if present.dtype.kind == "f":
        if not np.array_equal(present, np.floor(present)):
            raise DataError(f"{owner} takes whole numbers or texts as symbols in {name}, got {present[0]}")
        present = present.astype(np.int64)
    known, codes = _coded(present)
    if symbols is None:
        symbols = known
    else:
        codes = _matched(known, symbols, unknown_ok, owner, name)[codes]
    all_codes = np.full(len(values), -1, dtype=np.int64)
    all_codes[~absent] = codes
    steps = torch.from_numpy(all_codes)[:, None].to(device)
    return Queries(steps, as_numpy, device, torch.float64, None, lengths.to(device), True), symbols


def _parts(X: Any, owner: str, name: str) -> tuple[list[Any], torch.Tensor, bool, torch.device]:
    """The sequences as arrays or tensors (all steps in one where they came so), their lengths, and how they came."""
    cpu = torch.device("cpu")
    if hasattr(X, "values") and hasattr(X, "lengths"):
        return [X.values], torch.as_tensor(np.array(X.lengths, dtype=np.int64)), True, cpu
    if is_frame(X):
        from .inputs import _open_frame

        X = _open_frame(X).to_numpy()
    if isinstance(X, str):
        X = [X]
    if isinstance(X, torch.Tensor | np.ndarray):
        if X.ndim == 3:
            N, T, D = X.shape
            parts, lengths = [X.reshape(N * T, D)], torch.full((N,), T)
        elif X.ndim in (1, 2) and not (isinstance(X, np.ndarray) and X.dtype.kind == "O" and _holds_sequences(X)):
            parts, lengths = [X], torch.tensor([len(X)])
        elif X.ndim == 1:
            return _parts(list(X), owner, name)
        else:
            raise DataError(
                f"{owner} expected sequences as {name}: arrays of shape (T,), (T, D) or (N, T, D); got {tuple(X.shape)}"
            )
        tensor = isinstance(X, torch.Tensor)
        return [part.detach() if tensor else part for part in parts], lengths, not tensor, X.device if tensor else cpu
    if not isinstance(X, Sequence):
        raise DataError(f"{owner} expected sequences as {name}, got {type(X).__name__}")
    if not len(X):
        raise DataError(f"Found array with 0 sample(s): {owner} got no sequence as {name}")
    if not _holds_sequences(X):
        return [_one(X, 0, owner, name)], torch.tensor([len(X)]), True, cpu
    parts = [_one(part, i, owner, name) for i, part in enumerate(X)]
    tensors = [part for part in parts if isinstance(part, torch.Tensor)]
    device = tensors[0].device if tensors else cpu
    return parts, torch.tensor([len(part) for part in parts]), not tensors, device


def _holds_sequences(X: Any) -> bool:
    """Whether the members of a list are sequences themselves, rather than steps of one."""
    if not len(X):
        return False
    first = X[0]
    return first.ndim > 0 if isinstance(first, np.ndarray | torch.Tensor) else isinstance(first, Sequence)


def _one(part: Any, i: int, owner: str, name: str) -> Any:
    if isinstance(part, torch.Tensor):
        part = part.detach()
    elif isinstance(part, str):
        part = np.array(list(part), dtype="U1") if part else np.empty(0, dtype="U1")
    elif not isinstance(part, np.ndarray):
        ragged = f"{owner} cannot read sequence {i} of {name}: its steps differ in size"
        try:
            mixed = any(isinstance(v, str) for v in part) and not all(isinstance(v, str) for v in part)
            part = np.asarray(part, dtype=object if mixed or any(v is None for v in part) else None)
        except (ValueError, TypeError) as error:
            raise DataError(ragged) from error
    if part.ndim not in (1, 2):
        raise DataError(f"{owner} expected sequence {i} of {name} as (steps,) or (steps, D), got {tuple(part.shape)}")
    return part


def _as_numbers(part: Any, i: int, owner: str, name: str, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    if isinstance(part, torch.Tensor):
        if part.is_complex():
            raise DataError(f"Complex data not supported: {owner} got sequence {i} of {name} as {part.dtype}")
        return part.to(device=device, dtype=dtype)
    if part.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {owner} got sequence {i} of {name} as {part.dtype}")
    if part.dtype.kind in "US":
        held = repr(part.flat[0].item()) if part.size else "texts"
        raise DataError(f"{owner} learns from sequences of numbers; sequence {i} of {name} holds {held}")
    try:
        return _share(np.asarray(part, dtype=np.float64)).to(device=device, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise DataError(f"{owner} learns from sequences of numbers; sequence {i} of {name}: {error}") from error


def _as_symbols(part: Any, i: int, owner: str, name: str) -> np.ndarray:
    """One-dimensional, of whole numbers, floats with NaN, or texts with NUL for what is missing."""
    values = part.numpy(force=True) if isinstance(part, torch.Tensor) else part
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(
            f"{owner} learns from sequences of symbols, one a step; sequence {i} of {name} has shape {values.shape}"
        )
    if values.dtype.kind == "O":
        gaps = np.array([v is None or v != v for v in values], dtype=bool)
        kinds = {type(v) for v in values[~gaps]}
        if kinds and all(issubclass(kind, str) for kind in kinds):
            return np.array(["\0" if gap else v for v, gap in zip(values, gaps, strict=True)], dtype=np.str_)
        if not all(issubclass(kind, int | float | np.number | np.bool_) for kind in kinds):
            shown = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise DataError(f"{owner} takes whole numbers or texts as symbols; sequence {i} of {name} holds {shown}")
        return np.array([np.nan if gap else v for v, gap in zip(values, gaps, strict=True)], dtype=np.float64)
    if values.dtype.kind not in "biufU":
        raise DataError(f"{owner} takes whole numbers or texts as symbols; {name} holds {values.dtype}")
    return values.astype(np.int64) if values.dtype.kind in "biu" else values


def _coded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sorted symbols, and the position of each value among them; without sorting where numbers lie close."""
    if values.dtype.kind == "i" and len(values):
        low = int(values.min())
        if int(values.max()) - low < 4 * len(values) + 1024:
            there = np.bincount(values - low) > 0
            return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[values - low]
    if values.dtype == np.dtype("U1") and len(values):  # characters: by their code points
        known, codes = _coded(np.ascontiguousarray(values).view(np.int32).astype(np.int64))
        return known.astype(np.int32).view("U1"), codes
    if values.dtype.kind == "U":  # equal words are found faster than sorted
        words = values.tolist()
        known = sorted(set(words))
        place = {word: k for k, word in enumerate(known)}
        return np.array(known, dtype=values.dtype), np.fromiter(map(place.__getitem__, words), np.int64, len(words))
    return np.unique(values, return_inverse=True)


def _matched(known: np.ndarray, symbols: np.ndarray, unknown_ok: bool, owner: str, name: str) -> np.ndarray:
    """The position of each of some symbols among those there are; their number for the unknown."""
    if len(known) and len(symbols) and (known.dtype.kind == "U") != (symbols.dtype.kind == "U"):
        raise DataError(f"{owner} has learned symbols such as {symbols[0].item()!r}; {name} holds {known[0].item()!r}")
    if not len(symbols):
        return np.zeros(len(known), dtype=np.int64)
    at = np.minimum(np.searchsorted(symbols, known), len(symbols) - 1)
    unknown = symbols[at] != known
    if unknown.any() and not unknown_ok:
        shown = ", ".join(repr(s) for s in known[unknown][:SHOWN].tolist())
        raise DataError(
            f"{owner} has not seen {int(unknown.sum())} of the symbols in {name}: {shown}; "
            f"it knows {len(symbols)}, such as {', '.join(repr(s) for s in symbols[:SHOWN].tolist())}"
        )
    return np.where(unknown, len(symbols), at)


def _check_lengths(lengths: torch.Tensor, owner: str, name: str, empty_ok: bool) -> None:
    if not len(lengths):
        raise DataError(f"Found array with 0 sample(s): {owner} got no sequence as {name}")
    empty = lengths == 0
    if empty.any() and not empty_ok:
        raise DataError(
            f"{owner} got sequences without a single step as {name}: {int(empty.sum())} of {len(lengths)}, "
            f"first sequence {int(empty.nonzero()[0])}; leave them out"
        )


def _check_finite(values: torch.Tensor, lengths: torch.Tensor, owner: str, name: str, missing_ok: bool) -> None:
    bad = torch.isinf(values) if missing_ok else ~torch.isfinite(values)
    if not bad.any():
        return
    row, column = (int(v) for v in bad.nonzero()[0])
    i, t = _place(row, lengths)
    what = "NaN" if torch.isnan(values[row, column]) else "infinity"
    raise DataError(
        f"Input {name} contains NaN or infinity: {int(bad.sum())} numbers, first {what} at step {t} of sequence {i}, "
        f"column {column}; {owner} takes " + ("NaN for what is missing, and no infinity" if missing_ok else "neither")
    )


def _place(row: int, lengths: torch.Tensor) -> tuple[int, int]:
    """The sequence and the step of a row of all steps."""
    ends = lengths.cumsum(0)
    i = int(torch.searchsorted(ends, row, right=True))
    return i, row - int(ends[i] - lengths[i])

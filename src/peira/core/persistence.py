"""Models as plain folders, and the one loader.

A stored model is a folder of two files that anybody can read:

``model.json``
    format number, key of the class, parameters, the tree of learned values in which each array
    stands as a reference, the SHA-256 of the other member, and the SHA-256 of all this;
``weights.safetensors``
    the arrays.

Loading never executes code and never imports by a name from the file: the key is looked up in
the registry of Peira's own classes, and everything else is data. Sizes, depth and counts are
bounded before parsing; the digests are checked before use; parameters pass the same checks as in
``fit``, and what was learned passes the method's own. What is not understood is refused, and
there is no second loader behind the first.

A model is written over another one so that a kill at any moment leaves one of the two: the old
weights step aside under a second name, and go only when the new description stands.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

import peira

from . import strictjson
from .errors import UnreadableError, closest
from .method import Method
from .packing import field, pack_method, unpack_method
from .registry import registry

FORMAT = 1
DESCRIPTION, WEIGHTS, ASIDE = "model.json", "weights.safetensors", "weights.previous.safetensors"
MAX_JSON, MAX_WEIGHTS, MAX_HEADER, MAX_TENSORS = 64 * 2**20, 16 * 2**30, 16 * 2**20, 10_000


def save(method: Method, path: str | Path) -> Path:
    """Write a method, fitted or not, into a folder. See `Method.save`."""
    path = Path(path)
    if path.exists() and not _may_be_replaced(path):
        raise FileExistsError(f"{path} exists and is not a model of Peira; choose another name")
    tensors: dict[str, torch.Tensor] = {}
    described = pack_method(method, tensors, type(method).__name__)
    if len(tensors) > MAX_TENSORS:
        raise TypeError(f"{type(method).__name__} has learned {len(tensors)} arrays; at most {MAX_TENSORS} are stored")
    weights = save_tensors(tensors)
    described = {
        "format": FORMAT,
        "peira": peira.__version__,
        **described,
        "members": {WEIGHTS: {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}},
    }
    text = strictjson.dumps({**described, "sha256": _digest(described)}, indent=1).encode()
    try:
        strictjson.loads(text, what="it", max_bytes=MAX_JSON)
    except UnreadableError as error:
        raise TypeError(f"this {type(method).__name__} could not be read back, so it is not stored: {error}") from error
    path.mkdir(parents=True, exist_ok=True)
    if _belong_together(path):  # otherwise an earlier save was cut off, and what matters stands aside already
        os.replace(path / WEIGHTS, path / ASIDE)
    write_atomically(path / WEIGHTS, weights)
    write_atomically(path / DESCRIPTION, text)
    (path / ASIDE).unlink(missing_ok=True)
    return path


def load(path: str | Path) -> Method:
    """Load a model, or the winner of a run.

    Parameters
    ----------
    path : path
        A folder that `Method.save` or ``peira learn`` wrote.

    Returns
    -------
    Method

    Raises
    ------
    UnreadableError
        If the folder is not a model, is damaged, was written by a later format, or holds
        anything but data.

    Examples
    --------
    >>> import peira, tempfile
    >>> from peira.linear.ridge import Ridge
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Ridge().fit([[0.0], [1.0]], [0.0, 1.0]).save(folder + "/model")
    ...     peira.load(path).predict([[0.5]])
    array([0.5])
    """
    path = Path(path)
    if not path.exists():
        raise UnreadableError(f"there is nothing at {path}")
    if (path / "run.json").is_file():
        path = _winner(path)
    if not path.is_dir():
        raise UnreadableError(f"{path} is a file; a model of Peira is a folder with {DESCRIPTION} and {WEIGHTS}")
    described = strictjson.loads(_read(path / DESCRIPTION, MAX_JSON), what=str(path / DESCRIPTION), max_bytes=MAX_JSON)
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        found = described.get("format") if isinstance(described, dict) else type(described).__name__
        raise UnreadableError(f"{path / DESCRIPTION} has format {found!r}; this version of Peira reads format {FORMAT}")
    if described.pop("sha256", None) != _digest(described):
        raise UnreadableError(
            f"{path / DESCRIPTION} is damaged or was edited: its SHA-256 is not the one that it states"
        )
    expected = field(field(described, "members", dict), WEIGHTS, dict).get("sha256")
    weights = next((w for w in _weights(path) if hashlib.sha256(w).hexdigest() == expected), None)
    if weights is None:
        raise UnreadableError(f"{path / WEIGHTS} is damaged: its SHA-256 is not the one in {DESCRIPTION}")
    tensors = _parse_weights(weights, str(path / WEIGHTS))
    registry()  # here, so that an error of the package is not taken for one of the file
    try:
        return unpack_method(described, tensors)
    except UnreadableError:
        raise
    except Exception as error:  # whatever a stranger's values provoke, there is one answer to it
        raise UnreadableError(f"{path} holds values that make no sense: {type(error).__name__}: {error}") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary name beside it, flush to disk, and move into place."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _winner(run: Path) -> Path:
    described = strictjson.loads(_read(run / "run.json", MAX_JSON), what=str(run / "run.json"))
    best = described.get("best") if isinstance(described, dict) else None
    if not isinstance(best, str):
        raise UnreadableError(f"the run {run} has no model yet; finish it with: peira learn --resume {run}")
    names = {folder.name: folder for folder in (run / "models").iterdir()} if (run / "models").is_dir() else {}
    if best not in names:
        raise UnreadableError(
            f"the run {run} names {best!r} as its best model, which is not there; {closest(best, names)}"
        )
    return names[best]


def _may_be_replaced(path: Path) -> bool:
    """Whether a folder is empty or holds a model of Peira, and not somebody else's file of the same name."""
    if not path.is_dir():
        return False
    if not (path / DESCRIPTION).is_file():
        return not any(path.iterdir())
    try:
        described = strictjson.loads(_read(path / DESCRIPTION, MAX_JSON), what="it")
    except UnreadableError:
        return False
    return isinstance(described, dict) and {"format", "peira", "members"} <= described.keys()


def _belong_together(path: Path) -> bool:
    """Whether description and weights of a folder are of one model."""
    if not (path / DESCRIPTION).is_file() or not (path / WEIGHTS).is_file():
        return False
    described = strictjson.loads(_read(path / DESCRIPTION, MAX_JSON), what="it")
    weights = _read(path / WEIGHTS, MAX_WEIGHTS)
    return hashlib.sha256(weights).hexdigest() == field(described["members"], WEIGHTS, dict).get("sha256")


def _digest(described: dict[str, Any]) -> str:
    return hashlib.sha256(strictjson.dumps(described).encode()).hexdigest()


def _weights(path: Path) -> Iterator[bytes]:
    """The weights, and those that a save over them put aside and did not live to remove."""
    if (path / WEIGHTS).exists() or not (path / ASIDE).exists():
        yield _read(path / WEIGHTS, MAX_WEIGHTS)
    if (path / ASIDE).exists():
        yield _read(path / ASIDE, MAX_WEIGHTS)


def _parse_weights(weights: bytes, what: str) -> dict[str, torch.Tensor]:
    """The arrays of a safetensors file; its header is read strictly before safetensors reads it."""
    length = int.from_bytes(weights[:8], "little")
    if len(weights) < 8 or length > min(MAX_HEADER, len(weights) - 8):
        raise UnreadableError(f"{what} is not a safetensors file: its first eight bytes are not the length of a header")
    header = strictjson.loads(weights[8 : 8 + length], what=f"the header of {what}")
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise UnreadableError(f"{what} should hold at most {MAX_TENSORS} arrays by name, and does not")
    try:
        return load_tensors(weights)
    except (SafetensorError, ValueError, KeyError, OverflowError, RuntimeError) as error:
        raise UnreadableError(f"{what} is not a safetensors file: {error}") from error


def _read(path: Path, limit: int) -> bytes:
    """The bytes of a member; a link is followed no further than its folder."""
    try:
        if not path.is_file():
            raise UnreadableError(f"{path} is missing")
        if path.resolve().parent != path.parent.resolve():
            raise UnreadableError(f"{path} is a link that leads out of its folder; copy the file into it")
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise UnreadableError(f"{path} is longer than {limit} bytes, the most that is read")
    return content


def umask() -> int:
    """The permissions that new files of this process go without."""
    mask = os.umask(0)
    os.umask(mask)
    return mask

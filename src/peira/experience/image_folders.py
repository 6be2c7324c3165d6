"""Which files of a folder are meant to be learned from, and what their places say about them."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from peira.core.errors import DataError
from peira.core.text import printable

from .opening import describe
from .pictures import SUFFIXES

MAX_FILES = 2_000_000

_LITTER = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}  # what operating systems leave behind
_TRAIN = ("train", "training")
_OTHER_PARTS = ("test", "testing", "val", "valid", "validation")
_TABLES = (".csv", ".tsv")


@dataclass
class Found:
    """The files of a folder that are to be pictures."""

    where: str
    paths: list[Path]
    names: list[str]
    """Relative to the folder, with forward slashes, without control characters."""
    labels: np.ndarray | None = None
    table: Path | None = None
    """The table beside a flat folder that says what the pictures show."""
    strangers: list[tuple[str, str]] = field(default_factory=list)
    """Pictures that lie where they have no class, and the reason."""
    notes: list[str] = field(default_factory=list)


def find_pictures(path: str | Path) -> Found:
    """Look through a folder.

    Raises
    ------
    DataError
        If there is no such folder, nothing is in it, or a link leads out of it.
    """
    where, root = describe(path), Path(path).expanduser()
    if not root.is_dir():
        raise DataError(f"{where} is not a folder" if root.exists() else f"there is no folder {where}")
    root = root.resolve()
    notes: list[str] = []
    try:
        folders, files = _listed(root, root, where)
        names = {f.name.lower() for f in folders}
        part = next((f for f in folders if f.name.lower() in _TRAIN), None)
        if part is not None and names <= {*_TRAIN, *_OTHER_PARTS}:
            others = [f.name for f in folders if f != part]
            notes.append(
                f"read from the sub-folder {part.name!r}" + (f"; {', '.join(others)} left aside" if others else "")
            )
            beside = [f for f in files if f.suffix.lower() in _TABLES]
            folders, files = _listed(part, root, where)
            files += [f for f in beside if not folders]
            base = part
        else:
            base = root
        tables = [f for f in files if f.suffix.lower() in _TABLES]
        pictures = [f for f in files if f.suffix.lower() in SUFFIXES]
        if (len(folders) <= 1 and len(tables) == 1) or not folders:
            if len(folders) == 1:  # the pictures in a sub-folder of their own, the table beside it
                pictures += _below(folders[0], root, where)
            found = _found(where, root, pictures, notes)
            found.table = tables[0] if tables else None
            _note_others(found, set(files) - set(pictures) - set(tables[:1] if found.table else []))
        else:
            found = _classes(where, root, base, folders, pictures, notes)
            _note_others(found, set(files) - set(pictures))
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from error
    if not found.paths:
        raise DataError(
            f"there are no pictures in {where}: expected a sub-folder for each class, or files ending in "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    return found


def _classes(where: str, root: Path, base: Path, folders: list[Path], beside: list[Path], notes: list[str]) -> Found:
    paths: list[Path] = []
    labels: list[str] = []
    for folder in folders:
        inside = _below(folder, root, where)
        if not inside:
            notes.append(f"the sub-folder {printable(folder.name, 80)!r} is empty: there is no such class")
        paths += inside
        labels += [printable(folder.name)] * len(inside)
    found = _found(where, root, paths, notes)
    found.labels = np.array(labels, dtype=str)
    reason = "lies beside the folders of the classes, and so has no class"
    found.strangers = [(_name(path, root), reason) for path in beside]
    return found


def _found(where: str, root: Path, paths: list[Path], notes: list[str]) -> Found:
    return Found(where, paths, [_name(path, root) for path in paths], notes=notes)


def _note_others(found: Found, others: set[Path]) -> None:
    if others:
        names = sorted(printable(p.name, 60) for p in others)
        found.notes.append(
            f"beside the pictures, not read: {', '.join(names[:10])}"
            + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        )


def _below(folder: Path, root: Path, where: str) -> list[Path]:
    """All files of a folder and of the folders in it, in order."""
    folders, files = _listed(folder, root, where)
    for inner in folders:
        files += _below(inner, root, where)
        if len(files) > MAX_FILES:
            raise DataError(f"{where} holds more than {MAX_FILES:,} files")
    return files


def _listed(folder: Path, root: Path, where: str) -> tuple[list[Path], list[Path]]:
    """Folders and files in a folder, each in the order of their names."""
    folders: list[Path] = []
    files: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in _LITTER:
                continue
            path = Path(entry.path)
            if entry.is_symlink():
                _require_inside(path, root, where)
            (folders if entry.is_dir(follow_symlinks=False) else files).append(path)
            if len(files) > MAX_FILES:
                raise DataError(f"{where} holds more than {MAX_FILES:,} files")
    return sorted(folders), sorted(files)


def _require_inside(link: Path, root: Path, where: str) -> None:
    try:
        aim = link.resolve()
    except (OSError, RuntimeError):  # a link to itself
        aim = Path("/")
    if not aim.is_relative_to(root):
        raise DataError(f"{_name(link, root)!r} in {where} is a link that leads out of the folder: refused")
    if aim.is_dir():
        raise DataError(f"{_name(link, root)!r} in {where} is a link to a folder: refused, put the folder itself there")


def _name(path: Path, root: Path) -> str:
    return printable(path.relative_to(root).as_posix())

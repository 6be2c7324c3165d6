"""Words for messages: names of columns that differ, notes that many columns share, counts."""

from collections import Counter


def unique_names(names: list[str], notes: list[str]) -> list[str]:
    """Names without gaps and repeats: x3 for an empty one, a_2 for the second a; changes are stated."""
    taken = set(names)
    counts: Counter[str] = Counter()
    out: list[str] = []
    changed: list[str] = []
    for d, name in enumerate(names):
        new = name or f"x{d}"
        counts[name] += 1
        n = counts[name]
        while (n > 1 or not name) and new in taken:
            n = max(n, 2)
            new = f"{name or f'x{d}'}_{n}"
            n += 1
        taken.add(new)
        out.append(new)
        if new != name:
            changed.append(f"column {d + 1} ({name!r}) is called {new!r}")
    if changed:
        notes.append(
            "names that were empty or repeated: " + "; ".join(changed[:10]) + (" ..." if len(changed) > 10 else "")
        )
    return out


def gather_notes(told: dict[str, list[str]]) -> list[str]:
    """Notes on columns, one for all columns that share it."""
    sharing: dict[str, list[str]] = {}
    for name, texts in told.items():
        for text in texts:
            sharing.setdefault(text, []).append(name)
    notes = []
    for text, names in sharing.items():
        shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        notes.append(f"column{'s' if len(names) > 1 else ''} {shown}: {text}")
    return notes


def count(n: int, noun: str) -> str:
    """A number with its noun: "1 row", "2 rows"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"

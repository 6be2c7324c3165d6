"""Images in the page: small PNG files as data addresses, checked to be that and nothing else."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any

from markupsafe import Markup

from peira.study.report.escaping import clean, named, shorten
from peira.study.report.figures import count, percent, real
from peira.study.report.sections.classes import error_rows
from peira.study.report.sections.common import records, table

_LABELS, _EACH, _LINES = 30, 12, 12
_LARGEST = 200_000
"""Characters of one image."""
_TOTAL = 1_200_000
"""Characters of the images of one section; further ones are named only."""
_SHOWN = 56
"""Pixels of the longer side on the page; small images are magnified to about that."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pictures(report: dict) -> dict[str, Any] | None:
    """Samples of each label, what augmentation makes of images, and the most frequent mistakes."""
    part = table(report.get("pictures"))
    of = clean(part.get("of") or "images", 40)
    room = Room(_SHOWN if of == "images" else 84)
    samples = [
        {
            "label": named(s.get("label")),
            "short": shorten(named(s.get("label")), 32),
            "count": count(s.get("count")),
            "pictures": [room.picture(p) for p in records(s.get("pictures"), _EACH)],
        }
        for s in records(part.get("samples"), _LABELS)
    ]
    confusions = [
        {
            "observed": named(c.get("observed")),
            "short_observed": shorten(named(c.get("observed")), 32),
            "predicted": named(c.get("predicted")),
            "short_predicted": shorten(named(c.get("predicted")), 32),
            "count": count(c.get("count")),
            "share": f"of {count(c['of'])}, {percent(c.get('count'), c['of'])}" if real(c.get("of")) else "",
            "pictures": [room.picture(p) for p in records(c.get("pictures"), _EACH)],
        }
        for c in records(part.get("confusions"), _LINES)
    ]
    augmented = table(part.get("augmented"))
    lines = augmented.get("rows") if isinstance(augmented.get("rows"), list) else []
    changed = [
        [room.picture({"png": png, "name": "changed" if k else "the image"}) for k, png in enumerate(line[:_EACH])]
        for line in lines[:_LINES]
        if isinstance(line, list)
    ]
    if not samples and not confusions and not changed:
        return None
    return {
        "of": of,
        "by": clean(part.get("by") or "label", 60),
        "size": clean(part.get("size") or "", 80),
        "samples": samples,
        "left_out": int(real(part.get("samples_left_out")) or 0),
        "augmented": changed,
        "words": clean(augmented.get("words") or ""),
        "confusions": confusions,
    }


def errors(rows: list[dict]) -> list[dict[str, Any]]:
    """Images that were misjudged, with what was said of them."""
    room = Room(2 * _SHOWN)
    return [
        words
        | {
            "picture": room.picture({"png": row.get("picture"), "name": row.get("row")}),
            "short_name": shorten(named(row.get("row"), 120), 20),
            "short_observed": shorten(words["observed"], 28),
            "short_predicted": shorten(words["predicted"], 28),
        }
        for row, words in zip(rows, error_rows(rows), strict=True)
    ]


class Room:
    """Room for images in a section: what is no PNG, or has no room any more, is named only.

    ``shown`` is the longer side on the page in pixels; None shows every image in its own size.
    """

    def __init__(self, shown: int | None = _SHOWN) -> None:
        self.left, self.shown = _TOTAL, shown

    def picture(self, p: dict) -> dict[str, Any]:
        """An image: its address and its size on the page."""
        told = {"name": named(p.get("name"), 120), "src": None, "width": 0, "height": 0}
        text = p.get("png")
        if not isinstance(text, str) or len(text) > min(_LARGEST, self.left):
            return told
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return told
        if data[:8] != _SIGNATURE or data[12:16] != b"IHDR" or len(data) < 33:
            return told
        width, height = struct.unpack(">II", data[16:24])
        if not (0 < width <= 4096 and 0 < height <= 4096):
            return told
        self.left -= len(text)
        zoom = 1.0 if self.shown is None else self.shown / max(width, height)
        zoom = max(1.0, round(zoom)) if zoom > 1 else zoom
        address = Markup("data:image/png;base64," + base64.b64encode(data).decode())
        return told | {"src": address, "width": max(1, round(zoom * width)), "height": max(1, round(zoom * height))}

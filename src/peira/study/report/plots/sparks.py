"""Drawings the size of a word, for the cells of a table; written directly, since there may be hundreds of them."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from peira.study.report.escaping import clean, escape
from peira.study.report.figures import array

_WIDTH, _HEIGHT = 96, 24


def histogram(counts: object, label: str) -> Markup:
    """A column's distribution as one stepped outline; empty without counts."""
    c = array(counts)[:60]
    c = np.where(np.isfinite(c) & (c > 0), c, 0.0)
    if not c.sum() > 0:
        return Markup("")
    step = _WIDTH / len(c)
    # A bin that holds anything at all keeps a line's height, or a long tail would look empty.
    heights = np.where(c > 0, np.maximum(c / c.max() * (_HEIGHT - 2), 1.0), 0.0)
    path = f"M0 {_HEIGHT}" + "".join(f"V{_HEIGHT - h:.1f}H{(i + 1) * step:.1f}" for i, h in enumerate(heights))
    return Markup(
        f'<svg class="spark" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(clean(label))}">'
        f'<path class="f-accent" d="{path}V{_HEIGHT}Z"/><path class="s-faint" d="M0 {_HEIGHT - 0.5}H{_WIDTH}"/></svg>'
    )


def bar(share: float) -> Markup:
    """A share between 0 and 1 as a bar; decoration, since the figure stands beside it."""
    share = min(max(share, 0.0), 1.0)
    return Markup(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="f-faint" width="100" height="6"/>'
        f'<rect class="f-accent" width="{100 * share:.1f}" height="6"/></svg>'
    )

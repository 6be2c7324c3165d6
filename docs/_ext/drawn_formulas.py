"""Formulas as drawings in the page, by the same code that draws them in the report: no script, no network."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from peira.study.report.formulas import display, inline

LOGGER = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("drawn", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer, node: nodes.math) -> None:
    writer.body.append(f'<span class="formula">{_placed(str(inline(node.astext())), node)}</span>')
    raise nodes.SkipNode


def _block(writer, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula block">{_placed(str(display(node.astext())), node)}</div>')
    raise nodes.SkipNode


def _placed(drawing: str, node: nodes.Node) -> str:
    """The report says a drawing's depth below the line as a class (twentieths of an em); here a style can say it."""
    if "<svg" not in drawing:
        LOGGER.warning("this formula cannot be drawn: %s", node.astext(), location=node)
    return re.sub(r'class="tex d(\d+)"', lambda m: f'style="vertical-align:-{int(m[1]) / 20:.2f}em"', drawing)

"""Sphinx: pages in MyST, a page for every method made from its card and parameters, formulas drawn without network."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "src"), str(HERE.parent)]

import peira

project = "Peira"
author = "The Peira developers"
copyright = "2026, The Peira developers"
release = version = peira.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "drawn_formulas",
    "measure_table",
    "method_links",
    "method_pages",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
root_doc = "index"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "drawn"

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = False

html_theme = "furo"
html_title = f"Peira {release}"
html_static_path = ["_static"]
html_css_files = ["peira.css"]
html_show_sourcelink = False
html_copy_source = False
nitpicky = False

"""A method's name in backticks, such as ``Ridge``, leads to its page: on every page, without other markup."""

from collections.abc import Callable, Mapping

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

from peira.core.registry import registry


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(MethodLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class MethodLinks(SphinxPostTransform):
    default_priority = 900  # after all other references

    def run(self) -> None:
        builder, here = self.app.builder, self.env.docname
        pages = {cls.__name__: f"methods/{key}" for key, cls in registry().items()}
        pages = {name: page for name, page in pages.items() if page != here and page in self.env.found_docs}
        link(self.document, pages, lambda page, text: make_refnode(builder, here, page, "", text))


def link(document: nodes.document, pages: Mapping[str, str], make: Callable[[str, nodes.Node], nodes.Node]) -> None:
    """Replace each name in backticks, double or single, unless it stands in a title or leads somewhere already."""
    names = [*document.findall(nodes.literal), *document.findall(nodes.title_reference)]
    for node in names:
        if node.astext() in pages and not isinstance(node.parent, nodes.title | nodes.reference):
            node.replace_self(make(pages[node.astext()], nodes.literal(text=node.astext())))

"""The documentation as a site (`make site`), from the Markdown pages that code hosts show, too."""

import re
from importlib.metadata import version as installed_version

from sphinx.application import Sphinx

project = "Gauntlet"
release = installed_version("gauntlet")

# The source folder is the repository, so that links to README.md and RESULTS.md work in the site.
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/RESULTS.md",
    "docs/**",
]
exclude_patterns = [".*"]
root_doc = "docs/index"

extensions = ["myst_parser"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "Gauntlet"
html_show_sphinx = False
html_show_copyright = False


def add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Append the site's navigation to the index: its own links, by heading."""
    if page == root_doc:
        for section in source[0].split("\n## ")[1:]:
            heading, _, text = section.partition("\n")
            links = dict.fromkeys(re.findall(r"\]\(([^)#:]+\.md)\)", text))
            source[0] += _toctree(f":caption: {heading}", *links)
    elif page == "docs/decisions/README":
        source[0] += _toctree(":glob:", "0*")


def _toctree(option: str, *pages: str) -> str:
    return "\n".join(["", "", "```{toctree}", ":hidden:", option, "", *pages, "```", ""])


def setup(app: Sphinx) -> None:
    """Connect the navigation."""
    app.connect("source-read", add_navigation)

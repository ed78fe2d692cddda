"""Configure Sphinx; the directives of the pages are in the folder ``_ext``."""

import sys
from pathlib import Path

import emotionrecog

sys.path.insert(0, str(Path(__file__).parent))

project = "emotionrecog"
author = "emotionrecog developers"
copyright = f"2026, {author}"
release = version = emotionrecog.__version__

extensions = [
    "_ext.command_line",
    "_ext.corpora",
    "_ext.results",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_ext"]

html_theme = "furo"
html_title = f"emotionrecog {release}"

# Single backticks in docstrings are names of Python objects where one is known, and code elsewhere.
default_role = "py:obj"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True  # as written in the source
numpydoc_show_class_members = False  # autodoc lists them

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

# The copy button leaves out prompts and printed results.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

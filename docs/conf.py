"""How Sphinx builds the documentation."""

import emotionrecog

project = "emotionrecog"
author = "emotionrecog developers"
copyright = f"2026, {author}"
release = version = emotionrecog.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"emotionrecog {release}"

# Single backticks in docstrings are names of Python objects where one is known, and code elsewhere.
default_role = "py:obj"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings state types, shapes and units
numpydoc_show_class_members = False  # autodoc lists them

myst_heading_anchors = 2

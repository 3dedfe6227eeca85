"""Sphinx configuration: Markdown pages, built without a network."""

project = "airmeta"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
myst_heading_anchors = 3

"""Sphinx directives that generate tables and pages from the code and the kept results."""

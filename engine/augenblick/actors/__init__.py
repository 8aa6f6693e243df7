"""Thin shells: they receive, call one pure core and carry out its effects."""

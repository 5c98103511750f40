"""What the code says to its readers: docstrings and comments."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("airbyte_workers", "workflows", "activities", "demo_connectors", "tests", "docs", "benchmarks")
FILES = [file for folder in OURS for file in sorted((ROOT / folder).rglob("*.py"))]


def remarks(source: str) -> Iterator[str]:
    """A module's docstrings and its comments, each as one line; comments of neighbouring lines belong together."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield " ".join(node.value.value.split())
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    for _, block in groupby(enumerate(comments), lambda each: each[1].start[0] - each[0]):
        yield " ".join(comment.string.lstrip("# ") for _, comment in block)

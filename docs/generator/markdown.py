"""How generated pages are written."""

from __future__ import annotations

from collections.abc import Sequence


def title(text: str) -> str:
    """The beginning of a page; the remark tells who would change it by hand."""
    return f"<!-- made by docs/generate_reference.py -->\n# {text}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *[[cell.replace("|", r"\|") for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

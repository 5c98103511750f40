"""The shape of our code in figures, beside those of the code bases it is modelled on: `make metrics`.

Lengths are lines of the source, docstrings and comments among them; a function has its `def` line and its nested
functions, not its decorators. Ends with exit code 1 where a figure is worse than its limit: `make check` holds them.
"""

from __future__ import annotations

import ast
import graphlib
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGES = ("airbyte_workers", "workflows", "activities", "demo_connectors")
ALSO_WITHOUT_UNEXPLAINED = ("benchmarks", "tests", "docs")
SUPPRESSION = re.compile(r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^]]*\])?|pragma:[^#]*)")
SAME_FROM_LINES = 6  # shorter functions of one form are no copies
# reference: procrastinate, httpx, anyio, structlog and stamina, uvicorn, aiodocker, measured in the same way
MODELS = {
    "function, median": "6 to 9",
    "function, p90": "22 to 40",
    "function, longest": "100 to 184",
    "module, median": "34 to 248",
    "module, p90": "351 to 629",
    "module, longest": "2000",
    "arguments annotated": "85 to 100 %",
    "suppressions": "2 to 69",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; `limit` is the most that is allowed, None where nothing is."""

    name: str
    value: float
    limit: float | None = None
    unit: str = ""
    where: str = ""

    @property
    def too_much(self) -> bool:
        return self.limit is not None and self.value > self.limit


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def lines(self) -> int:
        return (self.node.end_lineno or self.node.lineno) - self.node.lineno + 1

    @property
    def arguments(self) -> list[ast.arg]:
        given = self.node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        return [each for each in every if each is not None and each.arg not in ("self", "cls")]

    @property
    def form(self) -> str:
        """The body with every name, word and number taken out: what two copies have in common."""
        bare = ast.dump(ast.Module(body=self.node.body, type_ignores=[]))
        return re.sub(r"(id|attr|arg|value|name)='[^']*'|value=[\w.]+", "", bare)


def main() -> None:
    """Print the table; exit code 1 where a limit is passed."""
    figures = [*lengths(), *suppressions(), *structure()]
    print(f"{'figure':28} {'ours':>8} {'limit':>7}   the models'")
    for each in figures:
        limit = "" if each.limit is None else f"{each.limit:g}"
        ours = f"{each.name:28} {each.value:>7g}{each.unit:1} {limit:>7}"
        print(f"{ours}   {MODELS.get(each.name, ''):12}  {each.where}".rstrip())
    over = [each.name for each in figures if each.too_much]
    if over:
        sys.exit(f"over the limit: {', '.join(over)}")


def lengths() -> Iterator[Figure]:
    """Of functions and modules, and how much of the arguments says its type."""
    functions = [each for path in sources(*PACKAGES) for each in functions_of(path)]
    longest = max(functions, key=lambda each: each.lines)
    yield Figure("functions", len(functions))
    yield Figure("function, median", statistics.median(each.lines for each in functions), 9)
    yield Figure("function, p90", _p90([each.lines for each in functions]), 36)
    yield Figure("function, longest", longest.lines, 40, where=longest.name)
    arguments = [each for function in functions for each in function.arguments]
    told = sum(each.annotation is not None for each in arguments)
    yield Figure("arguments annotated", round(100 * told / len(arguments), 1), unit="%")
    modules = {path: len(path.read_text().splitlines()) for path in sources(*PACKAGES)}
    biggest = max(modules, key=lambda path: modules[path])
    yield Figure("lines", sum(modules.values()))
    yield Figure("modules", len(modules))
    yield Figure("module, median", statistics.median(modules.values()))
    yield Figure("module, p90", _p90([*modules.values()]), 300)
    yield Figure("module, longest", modules[biggest], where=str(biggest.relative_to(ROOT)))
    yield from duplicates(functions)


def duplicates(functions: list[Function]) -> Iterator[Figure]:
    """Functions of one form, but for names and literals."""
    alike: dict[str, list[str]] = defaultdict(list)
    for each in functions:
        if each.lines >= SAME_FROM_LINES:
            alike[each.form].append(each.name)
    groups = [names for names in alike.values() if len(names) > 1]
    yield Figure("functions of one form", sum(map(len, groups)), where="; ".join(" = ".join(each) for each in groups))


def suppressions() -> Iterator[Figure]:
    """Of the linter and the type checker; a reason is what follows on the line."""
    ours = [line for path in sources(*PACKAGES) for line in suppressed(path)]
    everywhere = [*ours, *(line for path in sources(*ALSO_WITHOUT_UNEXPLAINED) for line in suppressed(path))]
    unexplained = [where for where, reason in everywhere if not reason]
    yield Figure("suppressions", len(ours))
    yield Figure("suppressions without a reason", len(unexplained), 0, where=" ".join(unexplained[:5]))


def suppressed(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := list(SUPPRESSION.finditer(line)):
            yield f"{path.relative_to(ROOT)}:{number}", line[found[-1].end() :].strip(" #-")


def structure() -> Iterator[Figure]:
    """What imports what."""
    graph = grimp.build_graph(*PACKAGES)
    imports = {each: graph.find_modules_directly_imported_by(each) for each in graph.modules}
    yield Figure("imports between modules", sum(map(len, imports.values())))
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as err:
        yield Figure("import cycles", 1, 0, where=" -> ".join(err.args[1]))
    else:
        yield Figure("import cycles", 0, 0)
    contracts = (ROOT / "pyproject.toml").read_text().count("[[tool.importlinter.contracts]]")
    yield Figure("import contracts", contracts)


def sources(*packages: str) -> list[Path]:
    return [path for name in packages for path in sorted((ROOT / name).rglob("*.py"))]


def functions_of(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(f"{path.relative_to(ROOT)}:{node.name}", node)


def _p90(values: list[int]) -> float:
    return statistics.quantiles(values, n=10, method="inclusive")[-1]


if __name__ == "__main__":
    main()

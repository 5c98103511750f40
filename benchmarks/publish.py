"""What the figures say, as tables and charts; and putting them into the README and pages of docs/explanation."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks.charts import Bar, Heading, memory_curve, rate_bars

ROOT = Path(__file__).parents[1]
LATEST = Path(__file__).parent / "results" / "latest.json"
BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"
FIGURES, THROUGHPUT, MEMORY = "speed.json", "speed-throughput.svg", "speed-memory.svg"
"""Files in docs/explanation."""

PATHS = {
    "cat": "cat | cat",
    "bare": "bare Python relay",
    "process": "airbyte-workers, process pods",
    "docker": "airbyte-workers, Docker pods",
    "docker_run": "docker run | docker run -i",
    "docker_run_quiet": "docker run | docker run -i, no log",
}
OURS = ("process", "docker")
README_PEERS = ("PyAirbyte", "airbyte_serverless", "Meltano")
RATIOS = {
    "process/cat": "process pods / cat | cat",
    "process/bare": "process pods / bare relay",
    "docker/process": "Docker pods / process pods",
    "docker/docker_run": "Docker pods / docker run | docker run -i",
    "docker/docker_run_quiet": "Docker pods / the same without a log",
}
_NONE = "-"

Document = Mapping[str, Any]


class MarkMissingError(Exception):
    """A page has no place for the figures."""


def publish(document: Document, root: Path = ROOT) -> None:
    """Everything or, with MarkMissingError, nothing; the same document again changes nothing."""
    folder = root / "docs" / "explanation"
    kept = _without_runs(document)
    texts = {root / "README.md": readme_table(kept), folder / "speed.md": markdown(kept)}
    texts[folder / "comparison.md"] = texts[root / "README.md"]
    pages = {page: _between_marks(page, text) for page, text in texts.items()}
    charts = {folder / THROUGHPUT: throughput_chart(kept), folder / MEMORY: memory_chart(kept)}
    figures = {folder / FIGURES: json.dumps(kept, indent=2, ensure_ascii=False) + "\n"}
    for file, text in {**pages, **charts, **figures}.items():
        file.write_text(text, encoding="utf-8")


def markdown(document: Document) -> str:
    """The tables for people, ratios first; what was not measured has none."""
    sections = (_ratios, _rates, _peers, _starts, _latency, _at_once, _growth)
    return "\n\n".join((_head(document), *(text for section in sections if (text := section(document)))))


def readme_table(document: Document) -> str:
    """Ours beside what a user would take instead: 500-byte records in one stream."""
    paths: Document = _compared(document).get("paths", {})
    ratios: Document = _compared(document).get("ratios", {})
    ours = {"cat": ratios.get("process/cat"), "docker_run": ratios.get("docker/docker_run")}
    rows = [
        (f"**{PATHS[name]}**" if name in OURS else PATHS[name], *_costs(paths[name]), _times(ours.get(name)))
        for name in ("process", "docker", "cat", "docker_run")
        if name in paths
    ]
    peers = {peer["name"]: peer for peer in document.get("peers", ())}
    rows += [
        (_named(peers[name]), *_costs(peers[name]), _times(peers[name].get("ratio")))
        for name in README_PEERS
        if name in peers
    ]
    what = f"500-byte records, {document['machine'].partition(',')[0]}"
    return _table((what, "MB/s", "CPU s per GB", "peak memory", "ours is"), rows)


def throughput_chart(document: Document) -> str:
    """Every path and every peer, 500-byte records in one stream."""
    paths: Document = _compared(document).get("paths", {})
    bars = [Bar(label, paths[name]["mb_s"], name in OURS) for name, label in PATHS.items() if name in paths]
    bars += [Bar(_named(peer), peer["mb_s"]) for peer in document.get("peers", ())]
    return rate_bars(Heading("MB/s of messages, records of 500 B in one stream: more is better", _how(document)), bars)


def memory_chart(document: Document) -> str:
    """The orchestrator's peak memory in ever longer syncs."""
    points = [(each["records"], each["peak_mib"]) for each in document.get("growth", ())]
    heading = Heading("Peak memory of the orchestrator in MiB: flat is better", f"{_where(document)}; one run each")
    return memory_curve(heading, points)


def main() -> None:
    """`python -m benchmarks.publish`: what the last `make bench` measured."""
    try:
        publish(json.loads(LATEST.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is not there; `make bench` writes the figures that are published")
    except MarkMissingError as error:
        sys.exit(f"nothing is published: {error}")


def _between_marks(page: Path, text: str) -> str:
    """The page with this text in place of what stands between its marks."""
    old = page.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    if not begin:
        raise MarkMissingError(f"{page} has no line {BEGIN}")
    _, end, after = rest.partition(END)
    if not end:
        raise MarkMissingError(f"{page} has no line {END} after {BEGIN}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def _without_runs(value: Any) -> Any:
    """A document as deep as it goes, without the figures of single runs."""
    if isinstance(value, Mapping):
        return {name: _without_runs(each) for name, each in value.items() if name != "runs"}
    if isinstance(value, list):
        return [_without_runs(each) for each in value]
    return value


def _compared(document: Document) -> Document:
    """The workload that everything is compared with: 500-byte records, one stream, no options; else an empty one."""
    kind = itemgetter("record_bytes", "streams", "options")
    return next((cell for cell in document.get("moved", ()) if kind(cell) == (500, 1, "")), {})


def _data(cell: Document) -> str:
    return f"{cell['data']}, {cell['options']}" if cell["options"] else str(cell["data"])


def _named(peer: Document) -> str:
    """The product with its version, then the way it was used."""
    product, comma, way = peer["name"].partition(",")
    return f"{product} {peer['version']}{comma}{way}"


def _how(document: Document) -> str:
    rounds = f"{document['rounds']} alternated round{'s' if document['rounds'] > 1 else ''}"
    return f"{_where(document)}; medians of {rounds}"


def _where(document: Document) -> str:
    return f"{document['at'][:10]}, {document['machine']}"


def _head(document: Document) -> str:
    load = f", load average {document['load_before']:.1f} before" if "load_before" in document else ""
    return f"{_how(document)}, {document['took_s']:,.0f} s in all{load}."


def _ratios(document: Document) -> str:
    moved = document.get("moved", ())
    names = [name for name in RATIOS if any(name in cell["ratios"] for cell in moved)]
    rows = [(_data(cell), *(_figure(cell["ratios"].get(name), _ratio) for name in names)) for cell in moved]
    head = ("data of a record", *(RATIOS[name] for name in names))
    return _section("Ratios of rates, each with its neighbour of the same round", head, rows)


def _rates(document: Document) -> str:
    rows = [
        (_data(cell), PATHS[name], _figure(figures.get("records_s"), "{:,.0f}".format), *_costs(figures))
        for cell in document.get("moved", ())
        for name, figures in cell["paths"].items()
    ]
    head = ("data of a record", "path", "records/s", "MB/s of messages", "CPU s per GB", "peak memory")
    text = _section("Rates and costs", head, rows)
    return text and f"{text}\n\n![MB/s of every path and every peer]({THROUGHPUT})"


def _peers(document: Document) -> str:
    rows = [(_named(peer), _times(peer.get("ratio")), *_costs(peer), peer["how"]) for peer in document.get("peers", ())]
    head = ("peer", "our process pods are", "MB/s of messages", "CPU s per GB", "peak memory", "how it was used")
    return _section("Peers, records of 500 B in one stream", head, rows)


def _starts(document: Document) -> str:
    rows = [(each["what"], f"{each['s']:.2f} s") for each in document.get("starts", ())]
    return _section("Starts", ("from the start of the workflow", "takes"), rows)


def _latency(document: Document) -> str:
    asked = ((each["what"], each["ours_s"], each["bare_s"]) for each in document.get("latency", ()))
    rows = [(what, f"{ours:.2f} s", f"{bare:.2f} s", f"{ours - bare:+.2f} s") for what, ours, bare in asked]
    return _section("Answers", ("question", "through us", "the bare program or container", "more"), rows)


def _at_once(document: Document) -> str:
    found = document.get("at_once")
    if not found:
        return ""
    rows = [(str(found["syncs"]), f"{found['mb_s']:,.0f}", f"{found['peak_mib']:,.0f} MiB")]
    return _section("Syncs at once", ("syncs", "MB/s of all", "peak memory of all orchestrators"), rows)


def _growth(document: Document) -> str:
    rows = [(f"{each['records']:,}", *_costs(each)[1:]) for each in document.get("growth", ())]
    text = _section("Ever longer syncs, one run each", ("records of 500 B", "CPU s per GB", "peak memory"), rows)
    return text and f"{text}\n\n![Peak memory over the number of records]({MEMORY})"


def _costs(figures: Document) -> tuple[str, str, str]:
    """MB/s, CPU seconds per GB and peak memory, as far as known."""
    return (
        _figure(figures.get("mb_s"), "{:,.0f}".format),
        _figure(figures.get("cpu_s_per_gb"), "{:,.1f}".format),
        _figure(figures.get("peak_mib"), "{:,.0f} MiB".format),
    )


def _figure(value: float | None, form: Callable[[float], str]) -> str:
    return _NONE if value is None else form(value)


def _ratio(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}"


def _times(ratio: float | None) -> str:
    return _figure(ratio, lambda value: f"{_ratio(value)} x as fast")


def _section(heading: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"### {heading}\n\n{_table(head, rows)}" if rows else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """A bar or a line break would end the cell."""
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    main()

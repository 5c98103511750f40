"""Whether JSON is a dashboard by the TypeScript types that Grafana's own page is built with (npm's @grafana/schema)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent / "typescript"
RAW = "@grafana/schema/dist/types/raw"
HEAD = f"""\
import type {{ Dashboard }} from "{RAW}/dashboard/x/dashboard_types.gen.d.ts";
import type * as bargauge from "{RAW}/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen.d.ts";
import type * as stat from "{RAW}/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts";
import type * as timeseries from "{RAW}/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts";

/** JSON has an enumeration's value where the types have its member; what is left out has a default. */
type Plain<T> =
  unknown extends T ? T
  : T extends string ? `${{T}}`
  : T extends Array<infer Each> ? Array<Plain<Each>>
  : T extends object ? {{ [Name in keyof T]?: Plain<T[Name]> }}
  : T;
type Places = {{ bargauge: bargauge.Options; stat: stat.Options; timeseries: timeseries.Options }};
type Fields = {{ bargauge: object; stat: object; timeseries: timeseries.FieldConfig }};
type Options<Type extends keyof Places> = Plain<Places[Type]>;
type Custom<Type extends keyof Places> = Plain<Fields[Type]>;
"""


def install(folder: Path) -> None:
    """The packages that typescript/package-lock.json pins, checked by their checksums; none of their scripts runs."""
    for name in ("package.json", "package-lock.json", "tsconfig.json"):
        shutil.copy(PROJECT / name, folder)
    words = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def complaints(folder: Path, boards: Mapping[str, dict[str, Any]]) -> str:
    """What the compiler says of them; nothing when they fit."""
    (folder / "boards.ts").write_text(HEAD + "".join(_lines(name, board) for name, board in boards.items()))
    words = (str(folder / "node_modules" / ".bin" / "tsc"), "--project", str(folder))
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert bool(done.returncode) == bool(done.stdout.strip()), done.stderr
    return done.stdout


def _lines(name: str, board: dict[str, Any]) -> str:
    """Literals, so that the compiler refuses also fields that there are none of."""
    made = [f"export const {name}: Plain<Dashboard> = {json.dumps(board)};\n"]
    for panel in board["panels"]:
        kind, number = panel["type"], panel["id"]
        if kind == "row":
            continue
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        made.append(f'export const {name}_options_{number}: Options<"{kind}"> = {json.dumps(panel["options"])};\n')
        made.append(f'export const {name}_custom_{number}: Custom<"{kind}"> = {json.dumps(custom)};\n')
    return "".join(made)

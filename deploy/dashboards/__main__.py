"""Write the dashboards' files, and remove those of dashboards that are no more."""

from __future__ import annotations

from pathlib import Path

from deploy.dashboards.boards import files

FOLDER = Path(__file__).parents[1] / "compose" / "grafana" / "dashboards"


def write(folder: Path) -> None:
    texts = files()
    for file in folder.glob("*.json"):
        if file.name not in texts:
            file.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)

"""What others have published of their own speed. Measured elsewhere, on other machines: never divide by these."""

from __future__ import annotations

from typing import NamedTuple

NOTE = (
    "Published by others and measured elsewhere, on other machines with other data and other connectors: "
    "they say in which order of magnitude a product moves, not how it would do here."
)


class Published(NamedTuple):
    """One published figure and where it stands."""

    what: str
    figure: str
    source: str


PEERS = (
    Published("Airbyte, MySQL to S3, before socket mode", "23 MB/s", "airbyte.com/blog/speed-improvements"),
    Published("Airbyte, MySQL to S3, socket mode", "110 MB/s", "airbyte.com/blog/speed-improvements"),
    Published(
        "Airbyte's orchestrator alone, dummy connectors, 178 B records (January 2023)",
        "21.4 MB/s, about 120,000 records/s",
        "airbytehq/airbyte#20956",
    ),
    Published("Airbyte, time from the start of a sync to its data", "30 to 36 s", "airbytehq/airbyte#17776"),
    Published(
        "PyAirbyte, source-faker into the local cache (2024)", "about 15,000 records/s", "airbytehq/PyAirbyte#67"
    ),
    Published(
        "Meltano, tap-postgres to target-postgres, 2,000,000 rows",
        "7,300 rows/s, 543 MiB",
        "carlospadron/etl, benchmark_report.csv",
    ),
    Published(
        "dlt, PostgreSQL to PostgreSQL, 2,000,000 rows",
        "18,350 rows/s, 213 MiB",
        "carlospadron/etl, benchmark_report.csv",
    ),
    Published(
        "Sling, PostgreSQL to PostgreSQL, 41,470,000 rows",
        "197,500 rows/s, 124 MiB",
        "carlospadron/etl, benchmark_report.csv",
    ),
)

"""What a pod's processes see of this host: an allow-list of its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ALLOWED = frozenset({"HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"})
PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})


def allowed_variables(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every process of a pod inherits; never a secret of the Temporal worker."""
    variables = os.environ if variables is None else variables
    return {
        name: value
        for name, value in variables.items()
        if name in ALLOWED or name.startswith("LC_") or name.upper() in PROXIES
    }


def search_path(*first: Path) -> str:
    """PATH for a pod's processes: what is named first, the programs installed beside us, the host's own."""
    beside_us = Path(sys.executable).parent
    return os.pathsep.join([*map(str, first), str(beside_us), os.environ.get("PATH", os.defpath)])

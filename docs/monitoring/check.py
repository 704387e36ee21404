"""Has Prometheus's own promtool check the queries and try the alerts: ``make monitoring``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent


def promtool(*arguments: str) -> None:
    """Run it, and end with its exit status unless all is well."""
    done = subprocess.run(["promtool", *arguments], cwd=HERE, check=False)  # noqa: S603, S607
    if done.returncode:
        sys.exit(done.returncode)


def queries() -> dict[str, list[object]]:
    """Return the queries of the dashboard as rules, which promtool knows how to check."""
    panels = json.loads((HERE / "dashboard.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    rules = [
        {"record": f"query:{n}", "expr": each.replace("$__rate_interval", "5m")}
        for n, each in enumerate(asked)
    ]
    return {"groups": [{"name": "dashboard", "rules": rules}]}


if __name__ == "__main__":
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts-test.yml")
    with TemporaryDirectory() as directory:
        path = Path(directory) / "dashboard.yml"
        path.write_text(json.dumps(queries()))  # which YAML reads, too
        promtool("check", "rules", str(path))

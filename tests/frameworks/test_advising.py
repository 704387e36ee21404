"""The example of the advisor."""

from __future__ import annotations

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "advising.py"


def test_the_shop_is_understood(capsys):
    """The example's report says what is true of the example's app."""
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    said = capsys.readouterr().out
    kinds = {line.split()[0]: line for line in said.splitlines() if line.startswith("/")}
    assert "purged by PUT /products/{product_id}: products:{product_id}" in said
    assert "ignore_query: utm_source" in said
    assert kinds["/basket:"].startswith("/basket: personal")
    assert kinds["/stock:"].startswith("/stock: volatile")

"""docs/networks.md, which docs/networks.py writes from the rows of the zoo."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_page_of_the_networks_is_up_to_date():
    page = runpy.run_path(str(DOCS / "networks.py"))["page"]()
    written = (DOCS / "networks.md").read_text("utf-8")
    assert written == page, "run: python docs/networks.py"

"""The figures that the paper prints."""

import json
from pathlib import Path
from typing import Any

PAPER: dict[str, Any] = json.loads((Path(__file__).parent.parent / "paper.json").read_text(encoding="utf-8"))

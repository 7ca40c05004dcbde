"""Write configs/schema.json, with which editors complete and check configurations: `python scripts/make_schema.py`."""

import json
from pathlib import Path

from mt.config_file import json_schema

path = Path(__file__).resolve().parent.parent / "configs" / "schema.json"
path.write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

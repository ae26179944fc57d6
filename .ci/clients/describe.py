"""Write the OpenAPI description of the installed service to a file: python describe.py FILE."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from strategic_minerals.service.app import create_app
from strategic_minerals.service.settings import Settings

with tempfile.TemporaryDirectory() as folder:
    app = create_app(Settings(folder=Path(folder)))
    Path(sys.argv[1]).write_text(json.dumps(app.openapi()), encoding="utf-8")

"""Words that stand in tables and are looked for there."""

from __future__ import annotations

BASELINE_COURSE = "baseline course"
"""What the course without any disruption is called where scenarios are named."""

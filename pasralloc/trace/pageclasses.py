"""What a page can hold when a trace begins."""

from __future__ import annotations

CLASSES = ("free", "movable", "cache", "unmovable", "absent")
FREE, MOVABLE, CACHE, UNMOVABLE, ABSENT = range(len(CLASSES))

PLACEMENTS: tuple[str, ...]
QUIRKS: tuple[str, ...]

PLACEMENTS: dict[str, int]
QUIRKS: tuple[str, ...]

"""The state of a zone as the kernel would print it."""

from __future__ import annotations

from pasralloc._core.zonebase import ZoneBase

# As the kernel spells them; the other names are capitalised.
_SPELLINGS = {"highatomic": "HighAtomic", "cma": "CMA"}
_MOST = 100_000  # the kernel stops counting a list here


def type_names(zone: ZoneBase) -> list[str]:
    """Names of the migratetypes as the kernel prints them."""
    return [_SPELLINGS.get(name, name.capitalize()) for name in zone.migratetypes]


def buddyinfo_text(zone: ZoneBase, name: str = "Normal", nid: int = 0) -> str:
    """Line of ``/proc/buddyinfo`` for a zone.

    Parameters
    ----------
    zone : Zone or MemoryZone
    name : str, default "Normal"
        Name of the zone.
    nid : int, default 0
        Number of its node.

    Returns
    -------
    text : str
    """
    counts = "".join(f"{nr:6} " for nr in zone.buddyinfo().tolist())
    return f"Node {nid}, zone {name:>8} {counts}\n"


def pagetypeinfo_heading(zone: ZoneBase) -> str:
    """First lines of ``/proc/pagetypeinfo``."""
    orders = "".join(f"{order:6} " for order in range(11))
    return (
        f"Page block order: {zone.pageblock_order}\n"
        f"Pages per block:  {1 << zone.pageblock_order}\n\n"
        f"{'Free pages count per migrate type at order':<43} {orders}\n"
    )


def pagetypeinfo_text(zone: ZoneBase, name: str = "Normal", nid: int = 0) -> str:
    """``/proc/pagetypeinfo`` of a machine that has only this zone.

    Parameters
    ----------
    zone : Zone or MemoryZone
    name : str, default "Normal"
        Name of the zone.
    nid : int, default 0
        Number of its node.

    Returns
    -------
    text : str

    Notes
    -----
    As Linux 6.12 prints it, with CMA and isolation configured: a list of more
    than 100000 blocks reads ">100000".
    """
    names = type_names(zone)
    text = pagetypeinfo_heading(zone)
    for kind, row in zip(names, zone.pagetypeinfo().tolist(), strict=True):
        counts = "".join(f"{nr:6} " if nr < _MOST else f">{_MOST:6} " for nr in row)
        text += f"Node {nid:4}, zone {name:>8}, type {kind:>12} {counts}\n"
    text += f"\n{'Number of blocks type ':<23}" + "".join(f"{kind:>12} " for kind in names) + "\n"
    counts = "".join(f"{nr:12} " for nr in zone.pageblock_counts().tolist())
    return text + f"Node {nid}, zone {name:>8} {counts}\n"

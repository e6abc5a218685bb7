"""The DRAM parts that come with the package: TOML files, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pasralloc.choices import unknown
from pasralloc.dram.spec import DramSpec, Note, Rail, SelfRefreshPoint
from pasralloc.errors import DramError

PARTS = Path(__file__).parent / "parts"

_DEVICE = {
    **dict.fromkeys(("density_Mb", "width", "banks", "bank_groups", "rows", "columns"), (int,)),
    **dict.fromkeys(("burst_length", "page_bytes"), (int,)),
    **dict.fromkeys(("tCK_ns", "data_rate_MTs"), (int, float)),
}
_REQUIRED = (
    "id",
    "standard",
    "vendor_part",
    "verified",
    "device",
    "rank",
    "rails",
    "pasr",
    "sources",
)
_OPTIONAL = ("timing_ns", "timing_cycles", "self_refresh_points", "caveats")


def part_ids() -> list[str]:
    """Ids of the parts that come with the package, sorted."""
    return sorted(path.stem for path in PARTS.glob("*.toml"))


@cache
def part(part_id: str) -> DramSpec:
    """Look up a DRAM part by its id.

    Parameters
    ----------
    part_id : str
        One of `part_ids`.

    Returns
    -------
    DramSpec
        Currents in mA, voltages in V, timings in ns and clock cycles; of one device.

    Raises
    ------
    DramError
        If there is no such part, or its file is broken.

    Examples
    --------
    >>> spec = part("ddr4_2400_8Gb_x8")
    >>> spec.rails["vdd"].currents_mA["IDD2N"], spec.devices
    (34, 8)
    """
    ids = part_ids()
    if part_id not in ids:
        raise _NoSuchPart(unknown("part", part_id, ids))
    return read_part(PARTS / f"{part_id}.toml")


class _NoSuchPart(DramError):
    def __init__(self, why: str) -> None:
        super().__init__("part", [])
        self.args = (why,)  # what unpickling calls
        self.why = why

    def __str__(self) -> str:
        return self.why


def read_part(path: str | Path) -> DramSpec:
    """Read a part from a TOML file in the format of those in ``pasralloc/dram/parts``.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    DramSpec
        Currents in mA, voltages in V, timings in ns and clock cycles; of one device.

    Raises
    ------
    DramError
        If a field is unknown, missing, of another type or impossible; all problems of one kind at once.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DramError(path.name, [("file", str(error), "TOML in UTF-8")]) from None
    return part_from(document, path.stem)


def part_from(document: Mapping[str, Any], name: str) -> DramSpec:
    """Make a part from what its TOML file holds.

    Parameters
    ----------
    document : mapping
        Tables of the file.
    name : str
        What to call a part without an id.

    Raises
    ------
    DramError
        As `read_part`.
    """
    return _Reader(str(document.get("id", name))).spec(document)


class _Reader:
    """Turns tables into a DramSpec and collects what is wrong with them on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[tuple[str, object, str]] = []

    def spec(self, document: Mapping[str, Any]) -> DramSpec:
        self.keys("", document, _REQUIRED, _OPTIONAL)
        device = self.table(document, "device")
        self.keys("device.", device, ("width", "banks", "bank_groups"), tuple(_DEVICE))
        rank, pasr = self.table(document, "rank"), self.table(document, "pasr")
        self.keys("rank.", rank, ("channel_bits", "devices"))
        self.keys("pasr.", pasr, ("kind", "note"), ("granularity", "shares", "IDD6_uA"))
        for where, table, kinds in (
            ("device.", device, _DEVICE),
            ("rank.", rank, {"channel_bits": (int,), "devices": (int,)}),
        ):
            for key in table.keys() & kinds.keys():
                self.typed(where + key, table[key], kinds[key])
        rails = {name: self.rail(name, t) for name, t in self.tables(document, "rails").items()}
        timing_ns = self.numbers("timing.", self.table(document, "timing_ns"))
        cycles = self.numbers("timing.", self.table(document, "timing_cycles"), (int,))
        grades = {
            grade: self.shares(f"pasr.{grade}", table)
            for grade, table in self.tables(pasr, "IDD6_uA").items()
        }
        points = tuple(self.point(t) for t in self.list_of_tables(document, "self_refresh_points"))
        sources = tuple(
            self.note("sources", t, ("name", "text", "licence", "fields"))
            for t in self.list_of_tables(document, "sources")
        )
        caveats = tuple(
            self.note("caveats", t, ("text", "fields"))
            for t in self.list_of_tables(document, "caveats")
        )
        kept = tuple(
            share
            for share in self.items(pasr, "shares", "pasr.shares")
            if self.typed("pasr.shares", share, (int, float))
        )
        for table, where, names in (
            (document, "", ("standard", "vendor_part", "verified")),
            (pasr, "pasr.", ("kind", "note", "granularity")),
        ):
            for name in names:
                self.typed(where + name, table.get(name, ""), (str,))
        if self.problems:
            raise DramError(self.name, self.problems)
        spec = DramSpec(
            id=self.name,
            standard=document["standard"],
            vendor_part=document["vendor_part"],
            verified=document["verified"],
            **{("tck_ns" if key == "tCK_ns" else key): value for key, value in device.items()},
            devices=rank["devices"],
            channel_bits=rank["channel_bits"],
            rails=rails,
            timing_ns=timing_ns,
            timing_cycles=cycles,
            pasr_kind=pasr["kind"],
            pasr_note=pasr["note"],
            pasr_shares=kept,
            idd6_uA=grades,
            self_refresh_points=points,
            sources=sources,
            caveats=caveats,
        )
        self.provenance(spec)
        return spec

    def keys(
        self, where: str, table: Mapping[str, Any], needed: Iterable[str], other: Iterable[str] = ()
    ) -> None:
        needed, known = set(needed), {*needed, *other}
        self.problems += [(f"{where}{key}", None, "given") for key in sorted(needed - table.keys())]
        self.problems += [
            (f"{where}{key}", table[key], f"left out, known being {', '.join(sorted(known))}")
            for key in sorted(table.keys() - known)
        ]

    def table(self, parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = parent.get(key, {})
        if not isinstance(value, Mapping):
            self.problems.append((key, value, "a table"))
            return {}
        return value

    def tables(self, parent: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
        """Tables in a table, by name."""
        parent = self.table(parent, key)
        return {name: self.table(parent, name) for name in parent}

    def items(self, parent: Mapping[str, Any], key: str, where: str) -> list[Any]:
        """Elements of a list; one that is not there is empty."""
        value = parent.get(key, [])
        if not isinstance(value, list):
            self.problems.append((where, value, "a list"))
            return []
        return value

    def list_of_tables(self, parent: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        items = self.items(parent, key, key)
        self.problems += [
            (key, item, "a list of tables") for item in items if not isinstance(item, Mapping)
        ]
        return [item for item in items if isinstance(item, Mapping)]

    def shares(self, where: str, table: Mapping[str, Any]) -> dict[float, float]:
        """Currents by refreshed share, which TOML has as text: ``1/4``."""
        currents = {}
        for key, value in table.items():
            share = _share(key)
            if share is None:
                self.problems.append((where, key, "a share such as 1/4"))
            elif self.typed(f"{where}.{key}", value, (int, float)):
                currents[share] = value
        return currents

    def typed(self, where: str, value: object, kinds: tuple[type, ...]) -> bool:
        if isinstance(value, bool) or not isinstance(value, kinds):
            self.problems.append(
                (where, value, "a number" if float in kinds else kinds[0].__name__)
            )
            return False
        return True

    def numbers(
        self, where: str, table: Mapping[str, Any], kinds: tuple[type, ...] = (int, float)
    ) -> dict[str, Any]:
        return {key: value for key, value in table.items() if self.typed(where + key, value, kinds)}

    def rail(self, name: str, table: Mapping[str, Any]) -> Rail:
        volts = {key: value for key, value in table.items() if key != "I_mA"}
        self.keys(f"{name}.", table, ("V", "I_mA"), [key for key in volts if key.startswith("V_")])
        volts = self.numbers(f"{name}.", volts)
        currents = self.numbers(f"{name}.", self.table(table, "I_mA"))
        return Rail(volts.pop("V", 0.0), currents, volts)

    def point(self, table: Mapping[str, Any]) -> SelfRefreshPoint:
        self.keys("self_refresh_points.", table, ("field", "celsius", "value"))
        celsius = table.get("celsius", 0)
        self.typed("self_refresh_points.celsius", celsius, (int, float))
        if table.get("value") not in ("typical", "maximum"):
            self.problems.append(
                ("self_refresh_points.value", table.get("value"), "typical or maximum")
            )
        return SelfRefreshPoint(str(table.get("field")), celsius, str(table.get("value")))

    def note(self, kind: str, table: Mapping[str, Any], keys: tuple[str, ...]) -> Note:
        self.keys(f"{kind}.", table, keys)
        texts = {key: table.get(key, "") for key in keys if key != "fields"}
        for key, text in texts.items():
            self.typed(f"{kind}.{key}", text, (str,))
        fields = self.items(table, "fields", f"{kind}.fields")
        return Note(
            fields=tuple(f for f in fields if self.typed(f"{kind}.fields", f, (str,))), **texts
        )

    def provenance(self, spec: DramSpec) -> None:
        """Every field has a source, and no source or caveat speaks of a field that is not there."""
        fields = list(spec.fields())
        problems: list[tuple[str, object, str]] = [
            (name, None, "covered by a source") for name in fields if not spec.sources_of(name)
        ]
        currents = {symbol for rail in spec.rails.values() for symbol in rail.currents_mA}
        problems += [
            ("self_refresh_points.field", point.current, "a current of the part")
            for point in spec.self_refresh_points
            if point.current not in currents
        ]
        for note in (*spec.sources, *spec.caveats):
            problems += [
                ("fields", pattern, f"the pattern of a field, in {note.text[:40]!r}")
                for pattern in note.fields
                if not any(Note("", (pattern,)).concerns(name) for name in fields)
            ]
        if problems:
            raise DramError(spec.id, problems)


def _share(text: str) -> float | None:
    """``1/4`` as a number; None if it is no share of something."""
    whole, _, parts = text.partition("/")
    try:
        share = int(whole) / int(parts or 1)
    except (ValueError, ZeroDivisionError):
        return None
    return share if 0 < share <= 1 else None

"""Machines as TOML: every key known, every problem told at once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import GenericAlias
from typing import TYPE_CHECKING, Any, get_args, get_origin

from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
)
from cattrs.gen import make_dict_structure_fn

from pasralloc.choices import unknown
from pasralloc.errors import MachineError
from pasralloc.machine.cpulist import format_cpus, parse_cpus
from pasralloc.machine.ranges import Range
from pasralloc.machine.regions import regular, span_of
from pasralloc.machine.topology import Node
from pasralloc.units import PAGE_BYTES, parse_size

if TYPE_CHECKING:
    from pasralloc.machine.machine import Machine

LOCAL, REMOTE = 10, 20  # distances where none are given, as in the kernel


class Pages(int):
    """A pfn or a number of pages, written as such or as a size in bytes."""


class Cpus(tuple[int, ...]):
    """Numbers of CPUs, written one by one or as a list of ranges."""


class Zones(dict[str, Range]):
    """Limits of zones by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionTable:
    """Regions as they are written: one from `start` to `end`, or as many as `size` makes."""

    start: Pages | None = None
    end: Pages | None = None
    size: Pages | None = None
    origin: Pages | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTable:
    """A node as it is written."""

    nid: int
    cpus: Cpus = field(default_factory=Cpus)
    distances: tuple[int, ...] | None = None
    memory: tuple[Range, ...] = ()
    reserved: tuple[Range, ...] = ()
    zones: Zones = field(default_factory=Zones)
    regions: tuple[RegionTable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file as it is written."""

    name: str
    node: tuple[NodeTable, ...]
    pageblock_order: int = 9
    watermark_scale_factor: int = 10
    min_free_kbytes: int | None = None
    notes: tuple[str, ...] = ()


def _refuse(expected: str, value: object) -> TypeError:
    return TypeError(f"must be {expected}, got {value!r}")


def _integer(value: object, _: object = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse("an integer", value)
    return value


def _text(value: object, _: object = None) -> str:
    if not isinstance(value, str):
        raise _refuse("a string", value)
    return value


def _pages(value: object, _: object = None) -> Pages:
    if not isinstance(value, str):
        try:
            return Pages(_integer(value))
        except TypeError:
            raise _refuse('pages as an integer, or a size such as "4GiB"', value) from None
    nr_bytes = parse_size(value)
    if nr_bytes % PAGE_BYTES:
        raise ValueError(f"must be a whole number of 4 KiB pages, got {value!r}")
    return Pages(nr_bytes // PAGE_BYTES)


def _range(value: object, _: object = None) -> Range:
    if not isinstance(value, list) or len(value) != 2:
        raise _refuse("a pair [start, end]", value)
    start, end = map(_pages, value)
    return int(start), int(end)


def _cpus(value: object, _: object = None) -> Cpus:
    if isinstance(value, str):
        return Cpus(parse_cpus(value))
    if not isinstance(value, list):
        raise _refuse('a list of integers, or a string such as "0-7"', value)
    return Cpus(map(_integer, value))


def _converter(strict: bool) -> Converter:
    converter = Converter(detailed_validation=True)
    for kind, hook in ((int, _integer), (str, _text), (Pages, _pages), (Cpus, _cpus)):
        converter.register_structure_hook(kind, hook)

    def of_table(kind: Any) -> Callable[[object, Any], Any]:
        inner = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=strict)
        return lambda value, _: inner(_checked(value, dict, "a table"), kind)

    def of_array(kind: Any) -> Callable[[object, Any], Any]:
        inner = converter.get_structure_hook(GenericAlias(list, get_args(kind)[:1]))
        return lambda value, _: tuple(inner(_checked(value, list, "an array"), kind))

    def of_zones(value: object, kind: Any) -> Zones:
        inner = converter.get_structure_hook(dict[str, Range])
        return Zones(inner(_checked(value, dict, "a table"), kind))

    converter.register_structure_hook_factory(is_dataclass, of_table)
    converter.register_structure_hook_factory(_is_array, of_array)
    converter.register_structure_hook_func(lambda kind: kind == Range, _range)
    converter.register_structure_hook(Zones, of_zones)
    return converter


def _is_array(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis


def _checked(value: object, kind: type, expected: str) -> Any:
    if not isinstance(value, kind):
        raise _refuse(expected, value)
    return value


def _problems(error: Exception, kind: Any, place: str) -> Iterator[tuple[str, str]]:
    """Leaves of a tree of cattrs errors, each with its place in the file."""
    if isinstance(error, ForbiddenExtraKeysError):
        known = [f.name for f in fields(error.cl)]
        for name in sorted(error.extra_fields):
            yield _join(place, name), unknown("the key", name, known)
    elif isinstance(error, KeyError):
        yield place, "is missing"
    elif isinstance(error, ClassValidationError | IterableValidationError):
        noted, bare = error.group_exceptions()
        for inner, note in noted:
            key: object = note.name if isinstance(note, AttributeValidationNote) else note.index
            yield from _problems(inner, note.type, _join(place, key))
        for inner in bare:
            yield from _problems(inner, kind, place)
    else:
        yield place, str(error)


def _join(place: str, key: object) -> str:
    if isinstance(key, int):
        return f"{place}[{key}]"
    return f"{place}.{key}" if place else str(key)


def read_fields(path: str | Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Read a file: arguments of a Machine, and the problems found on the way.

    With unknown keys alone the rest is read all the same, so that all problems can be told.

    Raises
    ------
    MachineError
        If the file is no TOML, or values are missing or of the wrong kind.
    OSError
        If the file cannot be read.
    """
    source = str(path)
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # a long number is a bare ValueError
        raise MachineError(source, [("", f"expected TOML in UTF-8: {error}")]) from None
    problems: list[tuple[str, str]] = []
    try:
        document = _converter(strict=True).structure(tables, Document)
    except ClassValidationError as error:
        problems += _problems(error, Document, "")
        try:
            document = _converter(strict=False).structure(tables, Document)
        except ClassValidationError:
            raise MachineError(source, problems) from None
    nodes = tuple(_node(i, table, document, problems) for i, table in enumerate(document.node))
    others = {f.name: getattr(document, f.name) for f in fields(Document) if f.name != "node"}
    return {"nodes": nodes, **others}, problems


def _node(i: int, table: NodeTable, document: Document, problems: list[tuple[str, str]]) -> Node:
    distances = table.distances
    if distances is None:
        distances = tuple(LOCAL if j == i else REMOTE for j in range(len(document.node)))
    node = Node(
        nid=table.nid,
        cpus=tuple(table.cpus),
        distances=distances,
        memory=table.memory,
        reserved=table.reserved,
        zones=tuple((name, start, end) for name, (start, end) in table.zones.items()),
    )
    if not table.memory:
        return node
    whole = span_of(node)
    regions: list[Range] = []
    for k, written in enumerate(table.regions or (RegionTable(),)):
        start = written.start
        if start is None:
            start = Pages(regions[-1][1] if regions else whole[0])
        pages = start, whole[1] if written.end is None else written.end
        if written.size is None and written.origin is None:
            regions.append((int(pages[0]), int(pages[1])))
            continue
        try:
            if written.size is None:
                raise ValueError("an origin needs a size")
            regions += regular(pages, written.size, written.origin)
        except ValueError as error:
            problems.append((f"node[{i}].regions[{k}]", str(error)))
            return replace(node, regions=(whole,))  # no further complaints
    return replace(node, regions=tuple(regions))


def format_machine(machine: Machine) -> str:
    """Write a machine as TOML; see `Machine.to_toml`."""
    lines = [
        f"name = {_quoted(machine.name)}",
        f"pageblock_order = {machine.pageblock_order}",
        f"watermark_scale_factor = {machine.watermark_scale_factor}",
    ]
    if machine.min_free_kbytes is not None:
        lines.append(f"min_free_kbytes = {machine.min_free_kbytes}")
    if machine.notes:
        lines += ["notes = [", *(f"    {_quoted(note)}," for note in machine.notes), "]"]
    for node in machine.nodes:
        lines += ["", "[[node]]", f"nid = {node.nid}", f'cpus = "{format_cpus(node.cpus)}"']
        lines.append(f"distances = {list(node.distances)}")
        for key, ranges in (("memory", node.memory), ("reserved", node.reserved)):
            if ranges:
                lines.append(f"{key} = {[list(pages) for pages in ranges]}")
        if node.zones:
            zones = ", ".join(f"{name} = [{start}, {end}]" for name, start, end in node.zones)
            lines.append(f"zones = {{ {zones} }}")
        if node.regions:
            lines += ["regions = [", *_region_lines(node.regions), "]"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _region_lines(regions: Sequence[Range]) -> Iterator[str]:
    """Write runs of regions of one size on one line; the last of a run may be short."""
    i = 0
    while i < len(regions):
        start, end = regions[i]
        size = end - start
        i += 1
        while i < len(regions) and regions[i][0] == end and (end - start) % size == 0:
            if regions[i][1] - end > size:
                break
            end = regions[i][1]
            i += 1
        written = f", size = {size}" if end - start > size else ""
        yield f"    {{ start = {start}, end = {end}{written} }},"

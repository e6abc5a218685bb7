"""A machine: what an allocator is simulated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pasralloc.choices import unknown
from pasralloc.errors import MachineError
from pasralloc.machine import watermarks as formulas
from pasralloc.machine.check import problems_of
from pasralloc.machine.host import REGION_PAGES, read_host
from pasralloc.machine.presets import preset_names, preset_path
from pasralloc.machine.ranges import Range
from pasralloc.machine.regions import assign
from pasralloc.machine.tomlfile import format_machine, read_fields
from pasralloc.machine.topology import ZONE_NAMES, Node, ZoneSpan, zones_of
from pasralloc.machine.watermarks import ZoneWatermarks
from pasralloc.sizing import Pagesets
from pasralloc.units import format_pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Nodes, zones, regions and watermarks of a machine.

    Parameters
    ----------
    name : str
    nodes : tuple of Node
        In ascending nid.
    pageblock_order : int, default 9
        ``2**pageblock_order`` pages share a migratetype; that of x86-64.
    watermark_scale_factor : int, default 10
        Least distance of two watermarks in 1/10000 of the zone; the default of 6.12.
    min_free_kbytes : int, optional
        As set by the administrator (or by transparent huge pages). By default what
        the kernel computes at boot.
    notes : tuple of str, optional
        What had to be assumed where the description comes from.

    Attributes
    ----------
    zones : tuple of ZoneSpan
        Zones of all nodes, ordered by nid and type.
    nr_cpus : int
        One more than the highest CPU.

    Raises
    ------
    MachineError
        If parts do not fit together; every problem with its place.

    Notes
    -----
    Regions lie parallel to zones, not inside them: those of a node are cut at the limits of
    its zones. A zone spans whole blocks of 1024 pages (the largest order); limits inside a
    block are rounded outwards, and what that adds is a hole. Immutable; may be shared by
    threads.

    Examples
    --------
    >>> gib = 1 << 18
    >>> machine = Machine(
    ...     name="board", nodes=(Node(
    ...         nid=0, cpus=(0, 1), memory=((0, 2 * gib),), zones=(("Normal", 0, 2 * gib),),
    ...         regions=((0, gib), (gib, 2 * gib))),))
    >>> [(zone.name, zone.managed, len(zone.regions)) for zone in machine.zones]
    [('Normal', 524288, 2)]
    >>> machine.watermarks("6.12")[0].low
    1972
    """

    name: str
    nodes: tuple[Node, ...]
    pageblock_order: int = 9
    watermark_scale_factor: int = 10
    min_free_kbytes: int | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)
    zones: tuple[ZoneSpan, ...] = field(init=False, repr=False, compare=False)
    nr_cpus: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        problems = problems_of(self)
        if problems:
            raise MachineError(self.name, problems)
        object.__setattr__(
            self, "zones", tuple(zone for node in self.nodes for zone in zones_of(node))
        )
        highest = max(cpu for node in self.nodes for cpu in node.cpus)
        object.__setattr__(self, "nr_cpus", highest + 1)

    @classmethod
    def from_toml(cls, path: str | Path) -> Machine:
        """Read a machine from a TOML file; docs/machine.md describes the format.

        Raises
        ------
        MachineError
            If anything is wrong with it: all problems, each with its place in the file.
        OSError
            If the file cannot be read.
        """
        arguments, problems = read_fields(path)
        try:
            machine = cls(**arguments)
        except MachineError as error:
            problems += error.problems
        if problems:
            raise MachineError(str(path), problems)
        return machine

    @classmethod
    def from_host(cls, root: str | Path = "/", *, region_pages: int = REGION_PAGES) -> Machine:
        """Read the machine that this program runs on.

        Parameters
        ----------
        root : path, default "/"
            Where ``proc`` and ``sys`` are.
        region_pages : int, default 131072
            Pages of a region, where the firmware describes none; 512 MiB as in the
            sorted-buddy series.

        Returns
        -------
        machine : Machine
            Its `notes` say what could not be read and what was assumed instead.

        Raises
        ------
        MachineError
            If the zones cannot be told, as on another kernel, or are of a kind that cannot be
            described: nodes or zones that lie inside each other.

        Notes
        -----
        From ``zoneinfo``, ``iomem``, ``pagetypeinfo`` and ``sys/vm`` of /proc, and ``node``,
        ``memory`` and the ACPI table MPST of /sys. Addresses need root.
        """
        arguments, regions = read_host(root, region_pages)
        try:
            machine = cls(**arguments)
        except MachineError as error:
            raise MachineError(str(root), error.problems) from None
        if not regions:
            return machine
        try:
            return machine.with_regions(regions)
        except MachineError as error:
            note = f"regions of {format_pages(region_pages)} are taken; those of the firmware do not fit: {error}"
            return replace(machine, notes=(*machine.notes, note))

    @classmethod
    def preset(cls, name: str) -> Machine:
        """Return a machine that comes with the package.

        Parameters
        ----------
        name : str
            One of `presets`.

        Raises
        ------
        MachineError
            If there is none of this name.

        Examples
        --------
        >>> [zone.managed for zone in Machine.preset("sandybridge-128g-2013").zones]
        [3840, 396632, 15989951, 16505752]
        """
        return cls.from_toml(preset_path(name))

    @staticmethod
    def presets() -> tuple[str, ...]:
        """Names of the machines that come with the package; docs/machine.md describes them."""
        return preset_names()

    def to_toml(self) -> str:
        """Write the machine in the format that `from_toml` reads."""
        return format_machine(self)

    def with_regions(self, regions: Sequence[Range]) -> Machine:
        """Return the same machine with other regions, such as those of a firmware table.

        Parameters
        ----------
        regions : sequence of (start, end)
            Ascending and disjoint, in pfns, of whole blocks of 1024 pages. Those without
            memory are dropped.

        Raises
        ------
        MachineError
            If they do not fit the memory or cross nodes.
        """
        nodes, problems = assign(self.nodes, regions)
        if problems:
            raise MachineError(self.name, problems)
        return replace(self, nodes=nodes)

    def node(self, nid: int) -> Node:
        """Return a node by its number.

        Raises
        ------
        ValueError
            If there is none.
        """
        for node in self.nodes:
            if node.nid == nid:
                return node
        raise ValueError(unknown("nid", nid, [node.nid for node in self.nodes]))

    def zonelist(self, nid: int, highest_type: int) -> tuple[int, ...]:
        """Zones that a request may use, in the order in which they are tried.

        Parameters
        ----------
        nid : int
            Node that the request prefers.
        highest_type : int
            Highest type of zone that it may use: 0 DMA, 1 DMA32, 2 Normal, 3 Movable.

        Returns
        -------
        zones : tuple of int
            Positions in `zones`; only zones with managed pages.

        Raises
        ------
        ValueError
            If there is no such node or type.

        Notes
        -----
        By node, the nearest first, and in a node from the highest type downwards. Of
        nodes at the same distance the next higher nid comes first, then on from the lowest.
        Differs from Linux: ``find_next_best_node()`` also prefers nodes without
        CPUs, and spreads the second choice of several nodes over equals.

        References
        ----------
        Linux v6.12, mm/page_alloc.c: ``build_zonelists()``.
        """
        if highest_type not in range(len(ZONE_NAMES)):
            raise ValueError(unknown("highest_type", highest_type, range(len(ZONE_NAMES))))
        distances = self.node(nid).distances
        order = {
            other.nid: (distance, other.nid < nid, other.nid)
            for other, distance in zip(self.nodes, distances, strict=True)
        }
        usable = [
            (order[zone.nid], -zone.type, position)
            for position, zone in enumerate(self.zones)
            if zone.type <= highest_type and zone.managed
        ]
        return tuple(position for _, _, position in sorted(usable))

    def watermarks(self, kernel: str = "6.12") -> tuple[ZoneWatermarks, ...]:
        """Watermarks and reserves of every zone.

        Parameters
        ----------
        kernel : {"6.12", "3.9"}

        Returns
        -------
        watermarks : tuple of ZoneWatermarks
            In the order of `zones`; pages.

        Raises
        ------
        ValueError
            If the kernel is unknown.

        Notes
        -----
        ``pages_min`` is a quarter of `min_free_kbytes`, by default the integer root
        of 16 times the managed kB below Movable, 128 to 262144 (3.9: 65536). A zone gets its
        share by managed pages (3.9 as well, since Linux 3.9 itself; before, present pages). 3.9:
        ``low = min + share / 4``, ``high = min + share / 2``. 6.12: both lie a gap apart,
        the greater of ``share / 4`` and ``managed * watermark_scale_factor / 10000``;
        Movable has ``managed / 1024`` for its min, 32 to 128, and takes no part in the sharing.

        References
        ----------
        Linux v6.12 and v3.9, mm/page_alloc.c: ``__setup_per_zone_wmarks()``,
        ``setup_per_zone_lowmem_reserve()``, ``boost_watermark()``.
        """
        return formulas.watermarks(
            kernel,
            self.zones,
            min_free_kbytes=self.min_free_kbytes,
            scale_factor=self.watermark_scale_factor,
            pageblock_order=self.pageblock_order,
        )

    def pagesets(self, kernel: str = "6.12") -> tuple[Pagesets, ...]:
        """Pagesets of every zone, with the sizes that the kernel would give them.

        Parameters
        ----------
        kernel : {"6.12", "3.9"}

        Returns
        -------
        pagesets : tuple of Pagesets
            In the order of `zones`, each with a pageset for every CPU of the machine.

        Raises
        ------
        ValueError
            If the kernel is unknown.

        Notes
        -----
        In 6.12 the low watermark and an eighth of the managed pages are divided among the CPUs
        of the node, or among all if it has none. Differs from Linux: the limits are
        never more than 2**24 pages, and the upper one never below the lower.

        References
        ----------
        Linux v6.12 and v3.9, mm/page_alloc.c: ``zone_batchsize()``, ``zone_highsize()``.
        """
        nr_online = sum(len(node.cpus) for node in self.nodes)
        return formulas.pagesets(
            kernel,
            self.zones,
            self.watermarks(kernel),
            nr_cpus=self.nr_cpus,
            node_cpus={node.nid: len(node.cpus) or nr_online for node in self.nodes},
        )

"""What a replay on a machine does: the rules of `ReplayModel`, on a model of the memory."""

from replay_model import UNTIMED, ReplayModel

from pasralloc.errors import OutOfMemory
from pasralloc.testing.memory import MemoryModel
from pasralloc.testing.memoryplan import zones_of
from pasralloc.units import MAX_TIME_NS

DMA, HIGHMEM, DMA32, MOVABLE = 1, 2, 4, 8


class MemoryOfReplay:
    """A `MemoryModel` with the face that `ReplayModel` expects of a zone."""

    def __init__(self, machine, policy, **options):
        self.memory = MemoryModel(machine, policy, **options)
        self.machine = machine
        self.pagesets = range(machine.nr_cpus)
        self.nid_of = {cpu: node.nid for node in machine.nodes for cpu in node.cpus}
        # Regions are numbered as if there were no hierarchy.
        whole = [
            (zone.nid, zone.type, i)
            for zone in zones_of(machine, False)
            for i in range(len(zone.region_starts))
        ]
        self.nr_regions = len(whole)
        self.first = [
            whole.index((zone.nid, zone.type, zone.first_region))
            for zone in zones_of(machine, policy.hierarchy)
        ]

    @property
    def zones(self):
        return [mz.zone for mz in self.memory.zones]

    @property
    def allocated(self):
        return {pfn: block for zone in self.zones for pfn, block in zone.allocated.items()}

    @property
    def managed(self):
        return set().union(*(zone.managed for zone in self.zones))

    @property
    def extfrag(self):
        return [event for zone in self.zones for event in zone.extfrag]

    def nid(self, cpu):
        return self.nid_of.get(cpu, self.machine.nodes[0].nid)

    def zone_at(self, pfn):
        return self.memory.zone_at(pfn).zone

    def take_range(self, page, nr, migratetype):
        """Take a range zone by zone."""
        for zone in self.zones:
            start, stop = max(page, zone.start_pfn), min(page + nr, zone.end_pfn)
            if start < stop:
                zone.take_range(start, stop - start, migratetype)

    def split_allocated(self, pfn, order):
        self.zone_at(pfn).split_allocated(pfn, order)

    def free(self, pfn, cpu):
        self.memory.free(pfn, None, cpu)

    def _by_region(self, tables):
        whole = [0] * self.nr_regions
        for first, table in zip(self.first, tables, strict=True):
            whole[first : first + len(table)] = table
        return whole

    def region_nr_free(self):
        return self._by_region([zone.region_nr_free() for zone in self.zones])

    def region_managed(self):
        return self._by_region([zone.region_managed() for zone in self.zones])


class MachineReplayModel(ReplayModel):
    """What a `Replayer` of a simulation does."""

    def start(self):
        self.zone.memory.drain()
        super().start()

    def step(self, event, flags=0, time_ns=0, gfp=0, **others):
        if not flags & UNTIMED and self.is_timed and time_ns > self.now_ns:
            self.zone.memory.advance(min(time_ns - self.first_ns, MAX_TIME_NS))
        self.gfp = gfp
        super().step(event, flags=flags, time_ns=time_ns, **others)

    def highest(self):
        """``gfp_zone()``, where Normal stands in for zones that no node has."""
        names = {zone.name for zone in self.zone.machine.zones if zone.managed}
        if self.gfp == 0:
            return None  # as the migratetype allows
        if self.gfp & DMA:
            return "DMA" if "DMA" in names else "Normal"
        if self.gfp & DMA32:
            return "DMA32" if "DMA32" in names else "Normal"
        return "Movable" if self.gfp & HIGHMEM and self.gfp & MOVABLE else "Normal"

    def request(self, order, migratetype, zone, cpu):
        try:
            return self.zone.memory.alloc(
                order, migratetype, zone=zone, nid=self.zone.nid(cpu), cpu=cpu
            )
        except OutOfMemory:
            self.counts["failures"] += 1
            return None

    def allocate(self, order, migratetype):
        return self.request(order, migratetype, self.highest(), self.cpu)

    def place_anew(self, migratetype):
        return self.request(0, migratetype, None, 0)

    def grow(self, page):
        return False

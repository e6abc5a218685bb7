"""The memory of a simulation: made from plans of zones, looked at, saved and restored."""

from operator import index

cimport cython
from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from pasralloc._core.boundary cimport as_int
from pasralloc._core.check cimport fault_t, fault_text, zone_check
from pasralloc._core.image cimport image_fits, image_read
from pasralloc._core.layout cimport carve
from pasralloc._core.evacuation cimport evacuation_collect, evacuation_enable, worker_fault
from pasralloc._core.memoryimage cimport (
    lru_clear, lru_fault, lru_read, lru_size, lru_write, worker_fits, worker_read, worker_size, worker_write,
)
from pasralloc._core.node cimport zone_at
from pasralloc._core.nodetypes cimport (
    PASR_MAX_NR_ZONES, PASR_NO_ZONE, PASR_NR_LRU_LISTS, PASR_NR_MOVES, PASR_NR_RECLAIMED, PASR_WMARK_HIGH,
    PASR_ZONE_MOVABLE, pasr_compact_control_t, pasr_evacuation_t, pasr_lru_t, pasr_memzone_t, pasr_move_t,
    pasr_reclaimed_t,
)
from pasralloc._core.reserves cimport reserve_setup
from pasralloc._core.snapshot cimport digest_of
from pasralloc._core.types cimport PASR_MAX_PAGE_ORDER, PASR_NIL, PASR_RULES_CLAIM, PASR_TOP_MASK, PASR_ZONE_BELOW_HIGH
from pasralloc._core.zone cimport idx_of, nr_region_words

from pasralloc._core.records import PAGE_STATES, ZONE_TYPES
from pasralloc.choices import unknown
from pasralloc.errors import CorruptZone
from pasralloc.units import MAX_TIME_NS

cdef bytes MAGIC = b"PASRMEM2"
cdef int64_t MAX_NOW = MAX_TIME_NS
cdef int64_t MAX_LATER = 2 * MAX_NOW    # with the longest latency or interval

# What differs from one moment to the next beside the zones themselves; history is left out.
ctypedef struct clock_t:
    int64_t now_ns
    int64_t kswapd_at_ns
    int64_t vmstat_at_ns
    uint64_t swap_free
    uint64_t is_kswapd_due
    int64_t period_at_ns


@cython.final
cdef class MemoryZone(ZoneBase):
    """A zone of a simulation, which alone can change it; everything about it can be asked.

    Methods and attributes are those of `Zone` that change nothing.

    Attributes
    ----------
    nid : int
        Number of its node.
    name : {"DMA", "DMA32", "Normal", "Movable"}
    is_below_high : bool
        Whether a request has met the zone below its high watermark, by the rules of 6.12 and with pagesets, which,
        if they are tuned, become smaller until it has recovered (``ZONE_BELOW_HIGH``).
    """

    @property
    def is_below_high(self):
        return self.c.flags & PASR_ZONE_BELOW_HIGH != 0


cdef inline void *part(Arena arena, uint64_t *at, uint64_t nr, size_t itemsize) noexcept:
    return carve(arena.memory if arena is not None else NULL, at, nr, itemsize)


cdef class MemoryBase:
    """What a simulation is made of; see `Simulation`."""

    def __cinit__(self, *args, **options):
        self.turn = Turn()
        self.plan = b""
        self.zones = ()
        self.nodes = {}

    def _set_up(
        self, plans, zonelists, nids, *, nr_cpus, reclaim_by_region, swap_pages, kswapd_latency_ns,
        vmstat_interval_ns, evacuation,
    ):
        """Make the zones.

        Parameters
        ----------
        plans : sequence of ZonePlan
            In ascending order of address, without overlap.
        zonelists : dict of (int, int) to sequence of int
            By nid and highest type: positions in *plans*.
        nids : sequence of int
            Of the nodes.
        evacuation : EvacuationPlan

        Raises what `Zone` raises, MemoryError, and RuntimeError the second time.
        """
        if self.first is not None:
            raise RuntimeError("this simulation has its zones already")
        plans, nids = list(plans), list(nids)
        if not plans or not nids:
            raise ValueError(f"a simulation needs a zone and a node, got {len(plans)} zones and {len(nids)} nodes")
        try:
            self.make_zones(
                plans, zonelists, nids, nr_cpus, reclaim_by_region, swap_pages, kswapd_latency_ns,
                vmstat_interval_ns, evacuation)
        except BaseException:
            # Zones that were made go away, and with them what points to them.
            memset(&self.c, 0, sizeof(self.c))
            raise

    cdef int make_zones(
        self, list plans, object zonelists, list nids, object nr_cpus, object reclaim_by_region, object swap_pages,
        object kswapd_latency_ns, object vmstat_interval_ns, object evacuation
    ) except -1:
        cdef pasr_memzone_t *mz
        cdef MemoryZone zone
        cdef uint16_t *entry
        cdef uint64_t block
        cdef uint32_t i, which, slot
        zones = []
        for plan in plans:
            zone = MemoryZone(**plan.options)
            if zone.c.nr_cpus not in (0, nr_cpus) or not 0 <= plan.kswapd_cpu < nr_cpus:
                raise ValueError(f"a zone has pagesets of {zone.c.nr_cpus} CPUs, the machine has {nr_cpus} CPUs")
            if zone.c.start_pfn != zone.c.base_pfn:
                # One table says for each block of the largest order in which zone it lies.
                raise ValueError(
                    f"a zone of a simulation must start at a multiple of {PASR_TOP_MASK + 1} pages, got"
                    f" start_pfn={zone.c.start_pfn:#x}")
            zone.nid = plan.nid
            zone.name = ZONE_TYPES[plan.type]
            zone.turn = self.turn
            zones.append(zone)
        self.c.nr_zones = len(zones)
        self.c.nr_nodes = len(nids)
        self.c.base_pfn = min([zone.start_pfn for zone in zones])
        self.c.nr_blocks = (
            max([zone.start_pfn + zone.nr_pages for zone in zones]) - self.c.base_pfn + PASR_TOP_MASK
        ) >> PASR_MAX_PAGE_ORDER
        self.bind(zones, reclaim_by_region)
        memset(self.c.zone_of_block, 0xff, self.c.nr_blocks * sizeof(uint16_t))
        for i, plan in enumerate(plans):
            zone = zones[i]
            mz = &self.c.zones[i]
            mz.zone = &zone.c
            zone.c.boost_max = plan.boost_max
            if plan.watermarks[<int> PASR_WMARK_HIGH] != 0:
                zone.c.high_mark = plan.watermarks[<int> PASR_WMARK_HIGH] + plan.lowmem_reserve[<int> PASR_ZONE_MOVABLE]
            if plan.nr_reserve:
                reserve_setup(&zone.c, plan.nr_reserve)
                zone.forget_changes()
            mz.nid = plan.nid
            mz.type = plan.type
            mz.kswapd_cpu = plan.kswapd_cpu
            for which in range(3):
                mz.watermarks[which] = plan.watermarks[which]
            for which in range(PASR_MAX_NR_ZONES):
                mz.lowmem_reserve[which] = plan.lowmem_reserve[which]
            for which in range(PASR_NR_LRU_LISTS):
                for slot in range(mz.nr_lru_slots):
                    mz.lru[which][slot].oldest = mz.lru[which][slot].youngest = PASR_NIL
            block = <uint64_t> (zone.c.base_pfn - self.c.base_pfn) >> PASR_MAX_PAGE_ORDER
            for _ in range(zone.c.nr_blocks):
                self.c.zone_of_block[block] = <uint16_t> i
                block += 1
        entry = self.c.zonelists
        for nid in nids:
            for which in range(PASR_MAX_NR_ZONES):
                zonelist = zonelists[nid, which]
                for slot, number in enumerate(zonelist[:self.c.nr_zones]):
                    entry[slot] = <uint16_t> as_int(number, "entry of a zonelist", 0, self.c.nr_zones - 1)
                entry[min(len(zonelist), self.c.nr_zones)] = <uint16_t> PASR_NO_ZONE
                entry += self.c.nr_zones + 1
        self.c.claims = self.c.zones[0].zone.rules == PASR_RULES_CLAIM
        self.c.nr_cpus = nr_cpus
        self.c.swap_size = self.c.swap_free = swap_pages
        self.c.kswapd_latency_ns = kswapd_latency_ns
        self.c.vmstat_interval_ns = self.c.vmstat_at_ns = vmstat_interval_ns
        self.set_evacuation(evacuation)
        # Snapshots fit simulations that are made alike, also in what no zone knows of.
        self.plan = bytes.fromhex(digest_of(repr((
            [plan[1:] for plan in plans], sorted(zonelists.items()), list(nids), nr_cpus, bool(reclaim_by_region),
            swap_pages, kswapd_latency_ns, vmstat_interval_ns, evacuation[:])).encode()))
        self.nodes = {nid: number for number, nid in enumerate(nids)}
        self.first_nid = nids[0]
        self.zones = tuple(zones)
        self.first = zones[0]
        return 0

    cdef int set_evacuation(self, object plan) except -1:
        """What the evacuation worker does, once zones are made."""
        cdef pasr_evacuation_t *evacuation = &self.c.evacuation
        cdef pasr_compact_control_t *control = &evacuation.control
        cdef uint32_t i
        evacuation.trigger = plan.trigger
        evacuation.max_used = plan.max_used
        evacuation.is_ascending = plan.is_ascending
        evacuation.latency_ns = plan.latency_ns
        evacuation.period_ns = evacuation.period_at_ns = plan.period_ns
        (control.drops_clean, control.moves_unevictable, control.drains, control.max_tries,
         control.targets) = plan.control
        for i in range(self.c.nr_zones):
            evacuation_enable(&self.c, &self.c.zones[i])
        return 0

    cdef int bind(self, list zones, bint reclaim_by_region) except -1:
        """Map the tables: once to count, once to point into them."""
        cdef uint64_t at
        cdef uint32_t i, which
        cdef ZoneBase zone
        cdef Arena arena = None
        cdef uint32_t nr_slots
        while True:
            at = 0
            self.c.zones = <pasr_memzone_t *> part(arena, &at, self.c.nr_zones, sizeof(pasr_memzone_t))
            self.c.zonelists = <uint16_t *> part(
                arena, &at, <uint64_t> self.c.nr_nodes * PASR_MAX_NR_ZONES * (self.c.nr_zones + 1), sizeof(uint16_t))
            self.c.zone_of_block = <uint16_t *> part(arena, &at, self.c.nr_blocks, sizeof(uint16_t))
            self.c.reclaimed = <pasr_reclaimed_t *> part(arena, &at, PASR_NR_RECLAIMED, sizeof(pasr_reclaimed_t))
            self.c.moves = <pasr_move_t *> part(arena, &at, PASR_NR_MOVES, sizeof(pasr_move_t))
            for i in range(self.c.nr_zones):
                zone = zones[i]
                queued = part(arena, &at, nr_region_words(&zone.c), sizeof(uint64_t))
                nr_slots = zone.c.nr_regions if reclaim_by_region else 1
                for which in range(PASR_NR_LRU_LISTS):
                    lru = part(arena, &at, nr_slots, sizeof(pasr_lru_t))
                    if arena is not None:
                        self.c.zones[i].lru[which] = <pasr_lru_t *> lru
                states = part(arena, &at, <uint64_t> zone.c.nr_blocks << PASR_MAX_PAGE_ORDER, 1)
                if arena is not None:
                    self.c.zones[i].states = <uint8_t *> states
                    self.c.zones[i].queued = <uint64_t *> queued
                    self.c.zones[i].nr_lru_slots = nr_slots
            if arena is not None:
                break
            arena = Arena.create(at, None)
        self.arena = arena
        return 0

    cdef int place(self, place_t *place, object zone, object nid, object cpu) except -1:
        """Where a request goes, from what names it."""
        if self.first is None:
            raise RuntimeError("this simulation was not set up: __init__ of Simulation must be called")
        place.memory = &self.c
        place.highest = -1
        if zone is not None:
            if zone not in ZONE_TYPES:
                raise ValueError(unknown("zone", zone, ZONE_TYPES))
            place.highest = ZONE_TYPES.index(zone)
        place.node = 0
        if nid is not self.first_nid:
            try:
                place.node = self.nodes[index(nid)]  # not 1.0, which equals 1
            except (KeyError, TypeError):
                raise ValueError(unknown("nid", nid, self.nodes)) from None
        place.cpu = <uint32_t> as_int(cpu, "cpu", 0, self.c.nr_cpus - 1)
        return 0

    @property
    def now_ns(self):
        """Simulated time, ns."""
        return self.c.now_ns

    @property
    def swap_free(self):
        """Pages of swap that are not in use."""
        return self.c.swap_free

    @property
    def nr_free(self):
        """Free pages of all zones; those on pagesets are not free."""
        return sum([zone.nr_free for zone in self.zones])

    def zone_of(self, pfn):
        """The zone that spans *pfn*: `MemoryZone`, or None. O(1)."""
        cdef int64_t number = as_int(pfn, "pfn", 0, 1 << 62)
        cdef uint32_t at = zone_at(&self.c, number)
        return self.zones[at] if at != PASR_NO_ZONE else None

    def page_state(self, pfn):
        """What was said about the block that starts at *pfn*.

        Returns
        -------
        state : {"unknown", "movable", "clean", "dirty", "pinned", "unevictable"}
            "unknown" of what nothing was said about, and of what is not in use.

        Raises
        ------
        ValueError, TypeError
            If *pfn* is no pfn of a zone.
        """
        cdef int64_t number = as_int(pfn, "pfn", 0, 1 << 62)
        cdef uint32_t at = zone_at(&self.c, number)
        if at == PASR_NO_ZONE:
            raise ValueError(f"pfn {number:#x} lies in no zone")
        self.turn.refuse_if_taken()
        return PAGE_STATES[self.c.zones[at].states[idx_of(self.c.zones[at].zone, number)]]

    def check(self):
        """Check every invariant of every zone, of the states of blocks, and of what workers are to do.

        Raises CorruptZone if one does not hold, and RuntimeError if another thread's call is at work. O(pages).
        """
        self.turn.take()
        try:
            self.check_all()
        finally:
            self.turn.give_back()

    cdef int check_all(self) except -1:
        """`check`, for whoever has the turn."""
        cdef fault_t fault
        cdef uint64_t where = 0
        cdef uint32_t i
        cdef int broken
        cdef const char *why
        for i in range(self.c.nr_zones):
            with nogil:
                broken = zone_check(self.c.zones[i].zone, &fault)
                why = lru_fault(&self.c.zones[i], &where) if broken == 0 else NULL
            if broken:
                raise CorruptZone(f"zone {i}: {fault_text(broken, &fault)}")
            if why != NULL:
                raise CorruptZone(f"states of zone {i}: {why.decode()} (at {where})")
            why = worker_fault(&self.c, &self.c.zones[i], &where)
            if why != NULL:
                raise CorruptZone(f"queue of zone {i}: {why.decode()} (at {where})")
        return 0

    cdef bytes image(self):
        cdef clock_t clock
        cdef list parts = [MAGIC, self.plan]
        cdef ZoneBase zone
        cdef uint32_t i
        cdef bytes piece, worker
        clock.now_ns = self.c.now_ns
        clock.kswapd_at_ns = self.c.kswapd_at_ns
        clock.vmstat_at_ns = self.c.vmstat_at_ns
        clock.swap_free = self.c.swap_free
        clock.is_kswapd_due = self.c.is_kswapd_due
        clock.period_at_ns = self.c.evacuation.period_at_ns
        # What zones have noted so far is queued at the present time.
        evacuation_collect(&self.c)
        parts.append(PyBytes_FromStringAndSize(<char *> &clock, sizeof(clock)))
        for i in range(self.c.nr_zones):
            zone = self.zones[i]
            piece = PyBytes_FromStringAndSize(NULL, lru_size(&self.c.zones[i]))
            lru_write(&self.c.zones[i], PyBytes_AsString(piece))
            worker = PyBytes_FromStringAndSize(NULL, worker_size(&self.c.zones[i]))
            worker_write(&self.c.zones[i], PyBytes_AsString(worker))
            for part_ in (worker, piece, zone.image_in_turn()):
                parts += [len(part_).to_bytes(8, "little"), part_]
        return b"".join(parts)

    cdef list pieces(self, bytes image):
        """The variable parts of an image: three per zone; None if it is not one of a memory like this."""
        cdef bytes head = MAGIC + self.plan
        cdef Py_ssize_t at = len(head) + <Py_ssize_t> sizeof(clock_t)
        cdef list found = []
        cdef ZoneBase zone
        cdef bytes piece, worker
        cdef uint32_t i
        cdef clock_t clock
        if len(image) < at or not image.startswith(head):
            return None
        memcpy(&clock, PyBytes_AsString(image) + len(head), sizeof(clock))
        if not 0 <= clock.now_ns <= MAX_NOW:
            return None
        if not 0 <= clock.kswapd_at_ns <= MAX_LATER or not 0 <= clock.vmstat_at_ns <= MAX_LATER:
            return None
        if not 0 <= clock.period_at_ns <= MAX_LATER:
            return None
        if clock.swap_free > self.c.swap_size or clock.is_kswapd_due > 1:
            return None
        for i in range(self.c.nr_zones):
            zone = self.zones[i]
            for _ in range(3):
                nr = int.from_bytes(image[at:at + 8], "little")
                at += 8
                if nr > len(image) - at:
                    return None
                found.append(image[at:at + nr])
                at += nr
            piece = found[len(found) - 1]
            worker = found[len(found) - 3]
            if not worker_fits(&self.c.zones[i], PyBytes_AsString(worker), len(worker), MAX_LATER):
                return None
            if not image_fits(&zone.c, PyBytes_AsString(piece), len(piece)):
                return None
        return found if at == len(image) else None

    cdef int apply(self, bytes image) except -1:
        """Put everything into the state of an image that fits; 1 if a state of a block cannot be."""
        cdef clock_t clock
        cdef uint32_t i
        cdef ZoneBase zone
        cdef bytes lru
        cdef list pieces = self.pieces(image)
        cdef bint is_sound = True
        memcpy(&clock, PyBytes_AsString(image) + len(MAGIC) + len(self.plan), sizeof(clock))
        self.c.now_ns = clock.now_ns
        self.c.kswapd_at_ns = clock.kswapd_at_ns
        self.c.vmstat_at_ns = clock.vmstat_at_ns
        self.c.swap_free = clock.swap_free
        self.c.is_kswapd_due = clock.is_kswapd_due != 0
        self.c.evacuation.period_at_ns = clock.period_at_ns
        for i in range(self.c.nr_zones):
            zone = self.zones[i]
            lru = pieces[3 * i + 1]
            lru_clear(&self.c.zones[i])
            image_read(&zone.c, PyBytes_AsString(pieces[3 * i + 2]))
            zone.forget_changes()
            worker_read(&self.c.zones[i], PyBytes_AsString(pieces[3 * i]))
            is_sound = lru_read(&self.c.zones[i], PyBytes_AsString(lru), len(lru)) and is_sound
        return 0 if is_sound else 1

    def snapshot(self):
        """Save the state of everything.

        Returns
        -------
        snapshot : MemorySnapshot
            Immutable; can be pickled. What `counters`, `reclaimed`, `moves` and `evacuations` tell is history and
            not part of it.

        Notes
        -----
        O(regions * 66 + pages of split blocks of the largest order + blocks whose state is known).
        """
        self.turn.take()
        try:
            return MemorySnapshot.create(self.image())
        finally:
            self.turn.give_back()

    def restore(self, MemorySnapshot snapshot not None):
        """Go back to a saved state.

        Parameters
        ----------
        snapshot : MemorySnapshot
            Of a simulation of the same machine and policy. Pfns are those of then, and what `moment`
            told before is no moment of this history.

        Raises
        ------
        ValueError
            If the snapshot is of another kind of simulation, or one that was loaded
            from outside is not sound; nothing is changed.
        RuntimeError
            If another thread's call is at work.
        """
        cdef bytes before
        self.turn.take()
        try:
            if self.pieces(snapshot.image) is None:
                raise ValueError(f"{snapshot!r} is not of a simulation like {self!r}")
            before = None if snapshot.is_trusted else self.image()
            fault = self.apply(snapshot.image)
            if before is None:
                self.nr_restored += 1
                return
            try:
                if fault:
                    raise CorruptZone("a state is given to what is not a block in use")
                self.check_all()
                if self.image() != snapshot.image:
                    raise CorruptZone("it holds bytes that mean nothing")
                self.nr_restored += 1
            except CorruptZone as error:
                self.apply(before)
                raise ValueError(f"{snapshot!r} is not sound: {error}") from None
            except BaseException:
                self.apply(before)
                raise
        finally:
            self.turn.give_back()

    def digest(self):
        """Hash of the state: 32 hexadecimal digits. Costs what `snapshot` costs, and a hash of it."""
        self.turn.take()
        try:
            return digest_of(self.image())
        finally:
            self.turn.give_back()

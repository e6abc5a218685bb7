"""What a replay does, page by page: dictionaries, and nothing clever.

Each rule is written the way the table of anomalies states it. The allocator is
`ZoneModel`, the bounds and means are computed from their definitions.
"""

from dataclasses import dataclass
from fractions import Fraction

from pasralloc.errors import OutOfMemory
from pasralloc.testing import pagesets

ALLOC, FREE, BATCHED, LOST = 1, 2, 3, 7
FAILED, OLD_NAME, UNTIMED = 1, 8, 16
TOP_ORDER, TOP_PAGES = 10, 1024

COUNTERS = [
    "allocs",
    "frees",
    "failed_allocs",
    "failures",
    "unplaced_frees",
    "unknown_frees",
    "unknown_free_pages",
    "free_of_free",
    "implicit_frees",
    "start_contradictions",
    "order_mismatches",
    "missing_pages",
    "added_pages",
    "bad_records",
    "batched",
    "lost_frees",
    "lost_marks",
    "other_records",
]


@dataclass(eq=False)
class Block:
    """Live pages of the trace that were allocated as one."""

    page: int
    order: int
    pfn: int | None  # where the zone put it; None if it had no room
    is_of_start: bool = False

    @property
    def pages(self):
        return range(self.page, self.page + (1 << self.order))


class ReplayModel:
    """What a `Replayer` of the same description does.

    Parameters
    ----------
    zone : ZoneModel
    nr_pages : int
    types : sequence of str
        Migratetype of the zone for each of the 16 numbers of the trace.
    free_on_batched : bool
    """

    def __init__(self, zone, nr_pages, types, free_on_batched=False):
        self.zone = zone
        self.nr_pages = nr_pages
        self.types = types
        self.free_on_batched = free_on_batched
        self.counts = dict.fromkeys(COUNTERS, 0)
        self.live = {}  # page -> Block
        self.known = set()
        self.first_ns = self.now_ns = 0
        self.is_timed = False
        self.transitions = []
        self.start()

    def seed(self, ranges, anew):
        """Place (page, nr, migratetype or None for free) ranges of a start map."""
        for page, nr, migratetype in ranges:
            self.known.update(range(page, page + nr))
            if migratetype is None:
                continue
            if not anew:
                self.zone.take_range(page, nr, migratetype)
                for pfn in [pfn for pfn in self.zone.allocated if page <= pfn < page + nr]:
                    self.zone.split_allocated(pfn, 0)
            for each in range(page, page + nr):
                pfn = self.place_anew(migratetype) if anew else each
                self.live[each] = Block(each, 0, pfn, is_of_start=True)
        self.start()

    def place_anew(self, migratetype):
        """Find a page in the zone itself: pagesets do not matter before the trace begins."""
        try:
            pfn = self.zone.find_flagged(0, migratetype, 0)
        except OutOfMemory:
            self.counts["failures"] += 1
            return None
        self.zone.allocated[pfn] = 0, migratetype
        return pfn

    def start(self):
        self.measure()
        self.empty = self.empty_regions()
        self.touched = set(self.managed) - self.empty
        self.history = [(0, len(self.empty), self.nr_packed())]

    # Regions

    def measure(self):
        """Look at which regions manage how many pages; only growth changes that."""
        self.managed = {region: nr for region, nr in enumerate(self.zone.region_managed()) if nr}

    def empty_regions(self):
        nr_free = self.zone.region_nr_free()
        return {region for region, nr in self.managed.items() if nr_free[region] == nr}

    def nr_packed(self):
        """Regions that stay empty if the pages in use fill the largest ones first."""
        used = sum(self.managed.values()) - sum(self.zone.region_nr_free())
        sizes = sorted(self.managed.values(), reverse=True)
        while used > 0:
            used -= sizes.pop(0)
        return len(sizes)

    def look(self):
        """Note what the latest event did to the regions."""
        empty = self.empty_regions()
        for region in sorted(empty ^ self.empty):
            self.transitions.append((self.now_ns, region, int(region in empty)))
        self.touched |= set(self.managed) - empty
        self.empty = empty
        self.history.append((self.now_ns, len(empty), self.nr_packed()))

    def mean(self, column):
        """Mean over time of the empty regions (1) or of the packing bound (2)."""
        span = self.now_ns - self.first_ns
        if span == 0:
            return float(self.history[-1][column])
        ends = [entry[0] for entry in self.history[1:]] + [self.now_ns]
        area = sum(e[column] * (end - e[0]) for e, end in zip(self.history, ends, strict=True))
        return float(Fraction(area, span))

    # Events

    def feed(self, events):
        for event in events:
            self.step(**event)

    def step(self, event, pfn=-1, order=0, migratetype=-1, flags=0, time_ns=0, cpu=0):
        self.cpu = cpu % max(len(self.zone.pagesets), 1)
        if not flags & UNTIMED:
            if not self.is_timed:
                self.is_timed = True
                self.first_ns = self.now_ns = time_ns
                self.history = [(time_ns, *self.history[-1][1:])]  # time begins here
            self.now_ns = max(self.now_ns, time_ns)
        is_good = (
            0 <= order <= TOP_ORDER
            and 0 <= pfn <= self.nr_pages - (1 << order)
            and pfn % (1 << order) == 0
        )
        if event == ALLOC and flags & FAILED:
            self.counts["failed_allocs"] += 1
        elif event in (ALLOC, FREE) and not is_good:
            self.counts["bad_records"] += 1
        elif event == ALLOC:
            self.counts["allocs"] += 1
            self.alloc(pfn, order, self.types[migratetype % 16])
        elif event == FREE:
            self.counts["frees"] += 1
            self.free(pfn, order)
        elif event == BATCHED:
            self.batched(pfn, is_good and pfn in self.live, bool(flags & OLD_NAME))
        else:
            self.counts["lost_marks" if event == LOST else "other_records"] += 1
        self.look()

    def allocate(self, order, migratetype):
        for is_last in (False, True):
            try:
                return self.zone.alloc(order, migratetype, self.cpu)
            except OutOfMemory:
                if is_last or not self.zone.pagesets:
                    break
                for cpu in range(len(self.zone.pagesets)):
                    pagesets.drain(self.zone, cpu)
        self.counts["failures"] += 1
        return None

    def release(self, block):
        if block.pfn is None:
            self.counts["unplaced_frees"] += 1
        else:
            self.zone.free(block.pfn, cpu=self.cpu)
        for page in block.pages:
            del self.live[page]

    def alloc(self, page, order, migratetype):
        pages = range(page, page + (1 << order))
        for each in pages:
            if each in self.live:  # its free was missed
                self.counts["implicit_frees"] += 1
                self.counts["start_contradictions"] += self.live[each].is_of_start
                self.release(self.live[each])
        self.known.update(pages)
        pfn = self.allocate(order, migratetype)
        block = Block(page, order, pfn)
        for each in pages:
            self.live[each] = block if pfn is not None else Block(each, 0, None)

    def free(self, page, order):
        pages = range(page, page + (1 << order))
        if order == TOP_ORDER and not any(each in self.live for each in pages) and self.grow(page):
            return
        nr_live = sum(each in self.live for each in pages)
        nr_unknown = sum(each not in self.known for each in pages)
        if nr_live == 0 and nr_unknown == 0:
            self.counts["free_of_free"] += 1
        elif nr_live == 0:
            self.counts["unknown_frees"] += 1
            self.counts["unknown_free_pages"] += nr_unknown
        else:
            self.counts["missing_pages"] += len(pages) - nr_live
            self.counts["order_mismatches"] += any(
                self.live[each].order != order
                for each in pages
                if each in self.live
                and self.live[each].pfn is not None
                and not self.live[each].is_of_start
            )
        for each in pages:
            if each not in self.live:
                continue
            block = self.live[each]
            if block.page < page or block.pages.stop > pages.stop:
                self.zone.split_allocated(block.pfn, 0)
                for at, piece in enumerate(block.pages):
                    self.live[piece] = Block(piece, 0, block.pfn + at)
            self.release(self.live[each])
        self.known.update(pages)

    def grow(self, page):
        """Hand over memory that the start map calls absent."""
        pages = range(page, page + TOP_PAGES)
        if not (self.zone.start_pfn <= page and pages.stop <= self.zone.end_pfn):
            return False
        if any(each in self.zone.managed for each in pages):
            return False
        self.zone.add_pages(page, TOP_PAGES)
        self.counts["added_pages"] += TOP_PAGES
        self.measure()
        self.known.update(pages)
        return True

    def batched(self, page, is_live, is_old):
        if is_live and (is_old or self.free_on_batched):
            self.counts["frees"] += 1
            block = self.live[page]
            self.free(page, block.order if block.page == page else 0)
            return
        self.counts["batched"] += 1
        self.counts["lost_frees"] += is_live

    def result(self):
        """What `Replayer.result` says, but for the starts."""
        return {
            "counts": self.counts,
            "first_ns": self.first_ns,
            "last_ns": self.now_ns,
            "regions_touched": len(self.touched),
            "empty_mean": self.mean(1),
            "empty_end": len(self.empty),
            "packed_mean": self.mean(2),
            "packed_end": self.nr_packed(),
            "transitions": self.transitions,
        }

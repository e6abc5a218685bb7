"""Who watches a replay whose blocks are moved: the rules of `ReplayModel`, with the places that the replay itself found.

After every event each block of the trace must lie where it was put, or where the moves since have taken it, and
nothing else may be allocated.
"""

from replay_model import Block, ReplayModel

ON_PAGESET = 7


class Witness:
    """The face that `ReplayModel` expects of a zone, over the memory of the replay that is watched."""

    def __init__(self, ground, replayer):
        self.ground = ground
        self.replayer = replayer
        self.is_machine = ground.cpu_nodes is not None
        self.pagesets = range(
            len(ground.cpu_nodes) if self.is_machine else self.nr_cpus(ground.zones[0])
        )
        self.start_pfn = ground.zones[0].start_pfn
        self.end_pfn = self.start_pfn + ground.zones[0].nr_pages
        self.managed = {
            page
            for zone in ground.zones
            for block in zone.blocks()
            for page in range(block["pfn"], block["pfn"] + (1 << int(block["order"])))
        }
        self.names = ground.zones[0].migratetypes
        self.blocks = {}  # pfn -> (order, migratetype)
        self.nr_moves = 0
        self.places = {}

    @staticmethod
    def nr_cpus(zone):
        return zone.pagesets.nr_cpus if zone.pagesets is not None else 0

    def region_managed(self):
        return self.ground.managed.tolist()

    def region_nr_free(self):
        return (self.ground.managed - self.ground.used).tolist()

    def add_pages(self, page, nr):
        assert not self.is_machine
        self.managed.update(range(page, page + nr))

    def put(self, pfn, order, migratetype):
        assert pfn not in self.blocks
        self.blocks[pfn] = order, migratetype

    def free(self, pfn, cpu):
        del self.blocks[pfn]

    def split_allocated(self, pfn, order):
        size, migratetype = self.blocks.pop(pfn)
        for piece in range(0, 1 << size, 1 << order):
            self.put(pfn + piece, order, migratetype)

    def look(self):
        """Read where the replay says that blocks lie; the moves since the last time."""
        pages, pfns = self.replayer.places()
        self.places = dict(zip(pages.tolist(), pfns.tolist(), strict=True))
        moves = self.ground.memory.moves()[self.nr_moves :].tolist()
        self.nr_moves += len(moves)
        for old, new, order in moves:
            assert self.blocks[old] == (order, "movable")
            self.put(new, *self.blocks.pop(old))
        return moves

    def allocated(self):
        """Blocks that are allocated indeed."""
        return {
            int(block["pfn"]): (int(block["order"]), self.names[block["migratetype"]])
            for zone in self.ground.zones
            for block in zone.blocks()
            if not block["is_free"] and block["migratetype"] != ON_PAGESET
        }


class WatchedReplay(ReplayModel):
    """Feeds a replay event by event, and says what must have become of every page."""

    def __init__(self, ground, replayer, nr_pages, types, free_on_batched=False):
        self.replayer = replayer
        super().__init__(Witness(ground, replayer), nr_pages, types, free_on_batched)

    def seed(self, ranges, anew):
        """Learn where the replay has put (page, nr, migratetype or None for free) ranges."""
        assert self.zone.look() == []
        for page, nr, migratetype in ranges:
            self.known.update(range(page, page + nr))
            for each in range(page, page + nr) if migratetype is not None else ():
                pfn = self.zone.places.get(each)
                assert anew or pfn == each
                self.counts["failures"] += pfn is None
                if pfn is not None:
                    self.zone.put(pfn, 0, migratetype)
                self.live[each] = Block(each, 0, pfn, is_of_start=True)
        self.start()
        self.check()

    def watch(self, record, event):
        """Feed a record to the replay, and the same event to the model."""
        self.replayer.feed(record)
        at = {block.pfn: block for block in self.live.values() if block.pfn is not None}
        for old, new, _ in self.zone.look():
            at[new] = at.pop(old)
            at[new].pfn = new
        self.step(**event)
        self.check()

    def check(self):
        """No page is lost, none is there twice, and all are where the replay thinks they are."""
        heads = {block.page: block.pfn for block in self.live.values() if block.pfn is not None}
        assert heads == self.zone.places
        assert self.zone.blocks == self.zone.allocated()

    def alloc(self, page, order, migratetype):
        self.requested = page
        super().alloc(page, order, migratetype)

    def allocate(self, order, migratetype):
        pfn = self.zone.places.get(self.requested)
        if pfn is None:
            self.counts["failures"] += 1
            return None
        self.zone.put(pfn, order, migratetype)
        return pfn

    def grow(self, page):
        return not self.zone.is_machine and super().grow(page)

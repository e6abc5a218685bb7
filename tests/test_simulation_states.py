"""Every fault in the states of blocks is noticed."""

import ctypes

import numpy as np
import pytest
from test_simulation import simulation

import pasralloc as pa
from pasralloc._core.views import memory_arrays, zone_arrays

CLEAN, DIRTY, MOVABLE, PINNED = 2, 3, 1, 4


def write(array, index, value):
    """Write one element of a read-only view."""
    ctypes.memmove(
        array[index:].ctypes.data, np.array([value], array.dtype).tobytes(), array.itemsize
    )


@pytest.fixture
def sim():
    """Two lists of three blocks each; the pfns are 0 to 5."""
    sim = simulation("Normal", policy="sorted")
    pfns = sorted(sim.take_range(pfn, 1) and pfn for pfn in range(6))
    sim.set_page_states(pfns[:3], "clean")
    sim.set_page_states(pfns[3:], "pinned")
    sim.check()
    return sim


def broken(sim, match):
    with pytest.raises(pa.CorruptZone, match=match):
        sim.check()


def test_a_list_that_leads_out_of_the_zone(sim):
    write(zone_arrays(sim.zones[0])["links"]["next"], 1, 10**6)
    broken(sim, "leads out of the zone")


def test_a_list_that_leads_to_free_memory(sim):
    write(zone_arrays(sim.zones[0])["links"]["next"], 1, 5000)
    broken(sim, "is not in use")


def test_a_block_on_the_list_of_another_state(sim):
    write(memory_arrays(sim, 0)["states"], 1, PINNED)
    broken(sim, "list of another state")


def test_a_link_that_does_not_lead_back(sim):
    write(zone_arrays(sim.zones[0])["links"]["prev"], 2, 0)
    broken(sim, "does not lead back")


def test_a_list_that_goes_round(sim):
    write(zone_arrays(sim.zones[0])["links"]["next"], 2, 0)
    broken(sim, "does not lead back")
    write(zone_arrays(sim.zones[0])["links"]["next"], 2, 1)
    broken(sim, "does not lead back")


def test_a_list_that_ends_too_early(sim):
    write(zone_arrays(sim.zones[0])["links"]["next"], 1, 0xFFFFFFFF)
    broken(sim, "does not end with its youngest")


def test_a_wrong_number_of_pages(sim):
    write(memory_arrays(sim, 0)["nr_lru"], 0, 4)
    broken(sim, "not as many as were counted .at 3.")


def test_a_state_of_a_block_on_no_list(sim):
    write(memory_arrays(sim, 0)["states"], 100, CLEAN)
    broken(sim, "on no list")


def test_states_in_a_snapshot_must_be_of_blocks_in_use(sim):
    image = sim.snapshot().image
    before, entry = (np.array([idx, CLEAN], np.uint32).tobytes() for idx in (1, 2))
    assert image.count(before + entry) == 1
    for idx, state in ((100, CLEAN), (1, CLEAN), (2, 0), (2, 6), (10**6, CLEAN)):
        bad = image.replace(before + entry, before + np.array([idx, state], np.uint32).tobytes())
        digest = sim.digest()
        with pytest.raises(ValueError, match="is not sound"):
            sim.restore(pa.MemorySnapshot(bad))
        assert sim.digest() == digest
        sim.check()


@pytest.mark.parametrize("reclaim", ["region-blind", "high-region-first"])
def test_lists_by_region_are_checked_as_well(reclaim):
    policy = pa.Policy(name="test", placement="sorted", reclaim=reclaim)
    sim = pa.Simulation(simulation("Normal").machine, policy, pagesets=False)
    for pfn in (0, 1, 8 * 256, 8 * 256 + 1):
        sim.take_range(pfn, 1)
    sim.set_page_states([0, 1, 8 * 256, 8 * 256 + 1], "dirty")
    sim.check()
    links = zone_arrays(sim.zones[0])["links"]["next"]
    if reclaim == "high-region-first":
        write(links, 1, 8 * 256)
        broken(sim, "list of another region")
        write(links, 1, 0xFFFFFFFF)
        sim.check()
        write(memory_arrays(sim, 0)["lru_top"], 0, 0)
        broken(sim, "higher than the highest one")

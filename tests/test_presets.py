"""Presets, and what is made of them."""

import pytest

import pasralloc as pa
from pasralloc.policy.evacuation import Evacuation
from pasralloc.policy.presets import PRESETS, with_cpus


def test_what_each_preset_stands_for():
    table = {
        name: (
            policy.placement,
            policy.region_allocator,
            policy.hierarchy,
            policy.kernel,
            policy.quirks,
            policy.evacuation,
        )
        for name, policy in PRESETS.items()
    }
    assert table == {
        "linux": ("linux", None, False, "6.12", "fixed", None),
        "hierarchy": ("linux", None, True, "6.12", "fixed", None),
        "sorted": ("sorted", None, False, "6.12", "fixed", None),
        "sorted-v2": ("sorted", None, False, "6.12", "fixed", Evacuation(trigger="handshake")),
        "sorted-v3": ("biased", "when-dry", False, "6.12", "fixed", None),
        "sorted-v4": (
            *("biased", "when-dry", False, "6.12", "fixed"),
            Evacuation(trigger="free", order="ascending"),
        ),
    }


def test_with_cpus():
    assert with_cpus("sorted", 0) is PRESETS["sorted"]
    policy = with_cpus("sorted-v3", 4)
    assert policy.pagesets == pa.Pagesets(nr_cpus=4)
    assert (policy.name, policy.placement) == ("sorted-v3", "biased")


def test_a_replay_is_of_the_kernel_that_the_policy_names():
    """Freed blocks of 3.9 keep the types of lists, those of 6.12 of pageblocks: other digests."""
    trace = pa.Trace.sample("t1")
    digests = {
        kernel: pa.replay(
            trace, pa.Policy(name="p", placement="linux", kernel=kernel), region_pages=8192
        ).provenance["digest"]
        for kernel in ("3.9", "6.12")
    }
    assert len(set(digests.values())) == 2


def test_unknown_options_of_a_zone_name_the_nearest():
    for make in (pa.Zone,):
        with pytest.raises(
            TypeError, match=r"option of a zone .* 'placment'; did you mean 'placement'"
        ):
            make(1024, region_pages=1024, placment="linux")

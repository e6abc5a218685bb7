import os

import pytest
from hypothesis import HealthCheck, Phase, settings

COMMON = {
    "deadline": None,
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
}
settings.register_profile("dev", max_examples=100, stateful_step_count=30, **COMMON)
settings.register_profile(
    "ci",
    max_examples=100,
    stateful_step_count=30,
    derandomize=True,
    print_blob=True,
    database=None,
    **COMMON,
)
# For seeded bugs: a failure is all that is asked, not the smallest one.
settings.register_profile(
    "mutants",
    max_examples=100,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    **COMMON,
)
settings.register_profile("deep", max_examples=10_000, stateful_step_count=60, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(params=["sorted", "linux"])
def placement(request):
    return request.param

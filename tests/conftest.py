from hypothesis import HealthCheck, settings

common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("dev", max_examples=60, stateful_step_count=30, **common)
settings.register_profile("ci", max_examples=60, stateful_step_count=30, derandomize=True, print_blob=True, **common)
settings.register_profile("deep", max_examples=10_000, stateful_step_count=60, **common)
settings.load_profile("dev")

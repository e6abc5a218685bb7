from hypothesis import settings

from pasralloc.testing.simulation import SimulationMachine

TestSimulationMachine = SimulationMachine.TestCase
# Models of several zones are slow: fewer and shorter histories than the profile asks for.
TestSimulationMachine.settings = settings(
    max_examples=max(settings().max_examples * 2 // 5, 1),
    stateful_step_count=max(settings().stateful_step_count * 2 // 3, 1),
)

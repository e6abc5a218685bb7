from hypothesis import settings

from pasralloc.testing.simulation import SimulationMachine

TestSimulationMachine = SimulationMachine.TestCase
# Models of several zones are slow: fewer histories than of a zone.
TestSimulationMachine.settings = settings(max_examples=40, stateful_step_count=20)

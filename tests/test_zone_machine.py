from pasralloc.testing.machine import ZoneMachine

TestZoneMachine = ZoneMachine.TestCase

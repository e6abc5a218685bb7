from pasralloc.machine.machine import Machine as Machine
from pasralloc.machine.regions import regular as regular
from pasralloc.machine.topology import MemoryRegion as MemoryRegion
from pasralloc.machine.topology import Node as Node
from pasralloc.machine.topology import ZoneSpan as ZoneSpan
from pasralloc.machine.watermarks import ZoneWatermarks as ZoneWatermarks

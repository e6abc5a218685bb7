from pasralloc import dram as dram
from pasralloc import machine as machine
from pasralloc._core.batchcalls import OP_DTYPE as OP_DTYPE
from pasralloc._core.memory import ALLOC_MIN_RESERVE as ALLOC_MIN_RESERVE
from pasralloc._core.memorybase import MemoryZone as MemoryZone
from pasralloc._core.records import BLOCK_DTYPE as BLOCK_DTYPE
from pasralloc._core.records import RECLAIMED_DTYPE as RECLAIMED_DTYPE
from pasralloc._core.records import Block as Block
from pasralloc._core.snapshot import MemorySnapshot as MemorySnapshot
from pasralloc._core.snapshot import ZoneSnapshot as ZoneSnapshot
from pasralloc._core.textparser import EVENT_DTYPE as EVENT_DTYPE
from pasralloc._core.zoneobject import ALLOC_HIGHATOMIC as ALLOC_HIGHATOMIC
from pasralloc._core.zoneobject import ALLOC_NOFRAGMENT as ALLOC_NOFRAGMENT
from pasralloc._core.zoneobject import ALLOC_NON_BLOCK as ALLOC_NON_BLOCK
from pasralloc._core.zoneobject import ALLOC_OOM as ALLOC_OOM
from pasralloc._core.zoneobject import Zone as Zone
from pasralloc.comparison import compare as compare
from pasralloc.errors import CommandError as CommandError
from pasralloc.errors import CorruptZone as CorruptZone
from pasralloc.errors import DramError as DramError
from pasralloc.errors import InvalidFree as InvalidFree
from pasralloc.errors import MachineError as MachineError
from pasralloc.errors import MissingValue as MissingValue
from pasralloc.errors import MoveRefused as MoveRefused
from pasralloc.errors import OutOfMemory as OutOfMemory
from pasralloc.errors import PasrallocError as PasrallocError
from pasralloc.errors import TraceFormatError as TraceFormatError
from pasralloc.machine.machine import Machine as Machine
from pasralloc.policy.presets import Policy as Policy
from pasralloc.sim.replay import Result as Result
from pasralloc.sim.replay import replay as replay
from pasralloc.sim.simulation import Simulation as Simulation
from pasralloc.sizing import Pageset as Pageset
from pasralloc.sizing import Pagesets as Pagesets
from pasralloc.trace.startmap import StartMap as StartMap
from pasralloc.trace.trace import Trace as Trace

__version__: str

def get_include() -> str: ...

from typing import final

import numpy as np
from numpy.typing import NDArray

COMMAND_DTYPE: np.dtype[np.void]
COMMANDS: dict[str, int]
COUNTERS: dict[str, int]

@final
class RankMeter:
    def __new__(
        cls,
        banks: int,
        banks_per_group: int,
        entry: int,
        *,
        ras: int,
        rfc: int,
        ref_act: int,
        entry_act: int,
        rfcpb: int = 0,
        rfcsb: int = 0,
        read_close: int = 0,
        write_close: int = 0,
        act_to_pd: int = 0,
        pre_to_pd: int = 0,
    ) -> RankMeter: ...
    @property
    def now(self) -> int: ...
    def run(self, commands: NDArray[np.void], until_cycles: int) -> None: ...
    def counters(self) -> dict[str, int]: ...

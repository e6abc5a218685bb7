from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

EVENT_DTYPE: np.dtype[np.void]

@final
class TextParser:
    def __new__(cls) -> TextParser: ...
    def parse(
        self, data: Buffer, out: NDArray[np.void], at_end: bool = False
    ) -> tuple[int, int]: ...
    def tasks(self) -> dict[int, str]: ...
    def summary(self) -> dict[str, Any]: ...

import numpy as np

OP_DTYPE: np.dtype[np.void]

"""One thread: small tensors gain nothing from more, and busy-waiting threads slow each other down."""

import os

os.environ["OMP_NUM_THREADS"] = "1"

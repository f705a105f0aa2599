"""What has to be so before anything is imported."""

import os

# Triton looks at it when it is imported, which Lightning does. Its kernels then run on a CPU.
os.environ["TRITON_INTERPRET"] = "1"
# Tests run in two processes; threads of both would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

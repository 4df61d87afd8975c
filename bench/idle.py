"""What run/idle says, which anybody can run alone with `make idle`."""
import os
import re
import subprocess

import report

SECONDS = 20


def measure(cluster, words, rows):
    cluster.end()  # it has its own, and two would not be idle
    for number in range(1, words.rounds + 1):
        run = subprocess.run(
            ["make", "--no-print-directory", "-C", str(report.ROOT), "idle"], text=True,
            capture_output=True, timeout=SECONDS + 300, stdin=subprocess.DEVNULL,
            env=os.environ | {"SECONDS_IDLE": str(SECONDS)})
        found = re.findall(r"^(cart|stock|metrics-consumer) +([\d.]+) +(\d+) +(\d+)$", run.stdout,
                           re.MULTILINE)
        # It ends with 1 where one of them is above its own bounds: here the figures say so.
        assert len(found) == 3, f"run/idle: {run.stdout}{run.stderr}"
        for name, core, memory, wakes in found:
            rows.add(name, number, {"core": float(core), "wakes": float(wakes),
                                    "memory": float(memory)})

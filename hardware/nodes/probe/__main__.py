"""`python -m hardware.nodes.probe` prints what this machine has, as JSON."""

import json
import sys

from hardware.nodes.probe.machine import probe

if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe(), indent=2) + "\n")

"""`python -m hardware.nodes.probe [HOME]` prints what this machine has, as JSON."""

import json
import sys
from pathlib import Path

from hardware.nodes.probe.machine import probe

if __name__ == "__main__":
    home = Path(sys.argv[1] if sys.argv[1:] else ".")
    sys.stdout.write(json.dumps(probe(home), indent=2) + "\n")

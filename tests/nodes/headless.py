"""A portal in processes of its own whose nodes are all beside it."""

import subprocess
import sys

from tests.e2e.portal import ROOT
from tests.faults.mill import Mill


class Headless(Mill):
    """A portal on this machine that has no node of its own."""

    def start(self) -> str:
        command = [sys.executable, "-m", "tests.nodes", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith("State:"), said
        return said

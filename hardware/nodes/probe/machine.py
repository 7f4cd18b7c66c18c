"""Everything a node has. A new sort of accelerator is a function in a module of its own, called here."""

from pathlib import Path
from typing import Any

from hardware.nodes.probe.disk import disk
from hardware.nodes.probe.facts import Facts
from hardware.nodes.probe.fpga import boards, toolchain
from hardware.nodes.probe.nvidia import gpus
from hardware.nodes.probe.processor import processor
from hardware.nodes.probe.toolchains import toolchains
from hardware.nodes.probe.tpu import tpus

ROOT = Path("/")


def facts(home: Path, root: Path = ROOT) -> Facts:
    """Asks the machine anew. Never raises for hardware that is absent or doesn't answer. `home` is the node's
    folder, `root` where /proc, /sys and /dev are looked for.
    """
    cards, driver, silent = gpus()
    chips, closed = tpus(root)
    tools = toolchains()
    workplace, incomplete = toolchain(tools)
    return Facts(
        processor=processor(root),
        disk=disk(home),
        accelerators=[*cards, *chips, *workplace, *boards(root)],
        toolchains=tools,
        driver=driver,
        trouble=[*silent, *closed, *incomplete],
    )


def probe(home: Path, root: Path = ROOT) -> dict[str, Any]:
    """The facts as JSON-able values."""
    return facts(home, root).as_dict()

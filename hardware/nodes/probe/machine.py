"""Everything a node has. A new sort of accelerator is a function in a module of its own, called here."""

from typing import Any

from hardware.nodes.probe.facts import Facts
from hardware.nodes.probe.nvidia import gpus
from hardware.nodes.probe.processor import processor


def facts() -> Facts:
    """Asks the machine anew. Never raises for hardware that is absent or doesn't answer."""
    found, driver, trouble = gpus()
    return Facts(processor=processor(), accelerators=found, driver=driver, trouble=trouble)


def probe() -> dict[str, Any]:
    """The facts as JSON-able values."""
    return facts().as_dict()

"""All targets by name. A new kind of board is a module like `linux` and one more tuple here."""

from hardware.targets.browser import BROWSER
from hardware.targets.formats import FORMATS
from hardware.targets.fpga import FPGA
from hardware.targets.linux import LINUX
from hardware.targets.microcontrollers import MICROCONTROLLERS
from hardware.targets.profiles import Target

_FAMILIES = (LINUX, MICROCONTROLLERS, BROWSER, FORMATS, FPGA)

TARGETS: dict[str, Target] = {target.name: target for family in _FAMILIES for target in family}

"""All targets by name. A new kind of board is a module like `linux` and one more tuple here."""

from hardware.targets.linux import LINUX
from hardware.targets.profiles import Target

_FAMILIES = (LINUX,)

TARGETS: dict[str, Target] = {target.name: target for family in _FAMILIES for target in family}

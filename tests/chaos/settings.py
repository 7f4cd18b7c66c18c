"""The portal's settings, and an engine that does nothing beside the real one."""

from portal.kit import env
from portal.settings import *  # noqa: F403
from portal.settings import INSTALLED_APPS as PORTAL

INSTALLED_APPS = [*PORTAL, "tests.chaos"]
CHAOS_SLOTS = env.integer("CHAOS_SLOTS", 4)  # how many accelerators a node's probe tells of
CHAOS_TRAINS = env.boolean("CHAOS_TRAINS", default=False)  # whether the node's engine loads TensorFlow

"""The table: who is killed in which phase, and where that says nothing."""

VICTIMS = ("child", "warm", "node", "web", "scheduler", "redis", "postgres", "all")
PHASES = ("upload", "validation", "start", "training", "evaluation", "export", "download")
NO_PART = "has no part in it"
MEANINGLESS = {
    "upload": {"child": NO_PART, "warm": NO_PART, "node": NO_PART, "scheduler": NO_PART},
    "validation": {"warm": NO_PART},
    "download": {"child": NO_PART, "warm": NO_PART, "node": NO_PART, "scheduler": NO_PART},
}
CELLS = {
    phase: [victim for victim in VICTIMS if victim not in MEANINGLESS.get(phase, {})] for phase in PHASES
}

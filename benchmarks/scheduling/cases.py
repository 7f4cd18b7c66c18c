"""What is simulated: policies, what they are told, what a restart costs, who submits."""

from dataclasses import dataclass

TRACES = ("mixed-600", "philly-1000")
CLUSTER = {"v100": 12, "p100": 12, "k80": 12}
PER_NODE = 4


@dataclass(frozen=True)
class Case:
    """One row. sigma: error of the estimated lengths, None without any. saving_s: until who gives way has left.
    members: who submits: `one`, `zipf`, `hog`, `splitter` (a hog who cuts each of their ten longest jobs into twenty).
    """

    title: str
    policy: str = "gristmill"
    sigma: float | None = None
    restart_s: float = 60.0
    saving_s: float = 0.0
    noise: float = 0.0
    members: str = "one"
    fair_power: float | None = None


FIFO = Case("first come first served", "fifo")
EASY = Case("Slurm-like, EASY backfilling, lengths known exactly", "easy", sigma=0.0)
TIRESIAS = Case("Tiresias (two-dimensional LAS)", "tiresias")
OURS = Case("**ours, no estimates**")
ESTIMATES = Case("**ours, estimates with σ = 0.5**", sigma=0.5)
HOG = Case("one member submits 60 %", members="hog")
SPLIT = Case("the same, and cuts their ten longest jobs into twenty each", members="splitter")
CASES = (
    FIFO,
    EASY,
    TIRESIAS,
    OURS,
    Case("ours, exact lengths", sigma=0.0),
    ESTIMATES,
    Case("ours, estimates with σ = 1", sigma=1.0),
    Case("ours, restarts cost nothing", restart_s=0.0),
    Case("ours, restarts cost 180 s", restart_s=180.0),
    Case("ours, who gives way takes 30 s to leave", saving_s=30.0),
    Case("ours, speeds known to ±20 %", noise=0.2),
    Case("members by Zipf's law, f = 0.25", members="zipf", fair_power=0.25),
    Case("members by Zipf's law, f = 0.35 (ours)", members="zipf"),
    Case("members by Zipf's law, f = 0.5", members="zipf", fair_power=0.5),
    HOG,
    SPLIT,
    Case("one member submits 60 %, first come first served", "fifo", members="hog"),
)

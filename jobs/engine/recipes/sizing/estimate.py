"""What a net will take once it is trained and converted, by arithmetic: parameters, file sizes, memory, work.

Parameters and multiply-accumulates are exact. Sizes are the weights and a share for what a file says about each tensor
and operator; memory is that of the tensors that live at once and a share for the interpreter's own tables. The shares
were fitted to models that were really built, and a test holds the estimates to real ones within the tolerances below.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hardware.targets.profiles import Kernels
from jobs.engine.recipes.sizing.net import FLOAT, INT32, Net

# How far a file's bytes and an arena may be from the estimate: this part of it, and so many bytes.
BYTES_TOLERANCE, BYTES_SLACK = 0.02, 2048
ARENA_TOLERANCE, ARENA_SLACK = 0.02, 512

LITERT_ALIGNMENT, MICRO_ALIGNMENT = 64, 16
# In a file: for itself, each operator and its tensors (a convolution has its bias besides), what a quantised tensor has
# more, and each scale of quantised values.
FILE, FILE_OPERATOR, FILE_FOLDED, FILE_TENSOR, FILE_SCALE = 1800, 110, 85, 30, 4
# In TensorFlow Lite Micro's arena: for the interpreter, each operator (plain ones less), tensor, and channel's factor.
ARENA, ARENA_OPERATOR, ARENA_PLAIN, ARENA_TENSOR, ARENA_CHANNEL = 606, 162, 92, 24, 8


@dataclass(frozen=True)
class Estimate:
    """`arena_bytes` is what TensorFlow Lite Micro's interpreter would take on a computer; `litert_bytes` the
    activations of the int8 file in LiteRT; `scratch` by how much the arena grows with each library's kernels; `net`
    what it was made of.
    """

    parameters: int
    macs: int
    int8_bytes: int
    fp32_bytes: int
    arena_bytes: int
    litert_bytes: int
    scratch: Mapping[Kernels, int]
    net: Net = field(repr=False, compare=False)


def estimate(net: Net) -> Estimate:
    """Of a net as it is described."""
    weights, biases, constants = (net.total(what) for what in ("weights", "biases", "constants"))
    operators, tensors = net.total("count"), 1 + net.total("count") + net.total("arrays")
    plain = net.plain("count") + net.plain("arrays")
    folded = sum(1 for operator in net.operators if operator.convolution)
    described = FILE + FILE_OPERATOR * operators + FILE_FOLDED * folded
    quantised = described + FILE_TENSOR * (tensors - plain) + FILE_SCALE * net.total("scales")
    kept = ARENA_OPERATOR * operators - (ARENA_OPERATOR - ARENA_PLAIN) * net.plain("count")
    tables = ARENA + kept + ARENA_TENSOR * tensors + ARENA_CHANNEL * net.total("channels")
    # LiteRT's files have float inputs, which a quantised net takes a copy of.
    floats = 0 if 0 in net.floats else FLOAT * net.bytes(0, LITERT_ALIGNMENT)
    peak = net.peak(alignment=MICRO_ALIGNMENT)
    return Estimate(
        parameters=net.total("parameters"),
        macs=net.total("macs"),
        int8_bytes=weights + INT32 * biases + constants + quantised,
        fp32_bytes=FLOAT * (weights + biases) + constants + described,
        arena_bytes=peak + tables,
        litert_bytes=net.peak(alignment=LITERT_ALIGNMENT) + floats,
        scratch={kernels: net.peak(alignment=MICRO_ALIGNMENT, kernels=kernels) - peak for kernels in Kernels},
        net=net,
    )

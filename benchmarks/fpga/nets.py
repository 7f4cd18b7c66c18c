"""The nets that are measured: what each learns, and the parameters that the image classifier gets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fpga.sets import digits, grey_pictures, pictures, recordings


@dataclass(frozen=True)
class Net:
    """`data` makes a zip of pictures of what a folder holds; `params` are those that are not the recipe's defaults. All
    epochs are trained, so that the table says how many there were.
    """

    name: str
    title: str
    data: Callable[[Path], bytes]
    params: dict[str, Any]

    @property
    def asked(self) -> dict[str, Any]:
        """The parameters of its job."""
        return {**self.params, "early_stop": False}


NETS = (
    Net(
        "digits-cnn",
        "Digits CNN, 8 × 8 grey",
        digits,
        {"network": "plain", "width": 16, "epochs": 40},
    ),
    # After LeCun et al. 1998: two convolutions of 5 × 5 with pooling, and a hidden dense layer.
    Net(
        "lenet",
        "LeNet, 28 × 28 grey, CIFAR-10",
        grey_pictures,
        {"network": "plain", "width": 8, "epochs": 40},
    ),
    # The small one of Zhang et al. 2017, as MLPerf Tiny has it. Of ten bands, one up or down is another sound: these
    # pictures are not varied.
    Net(
        "ds-cnn",
        "DS-CNN, spoken digits",
        recordings,
        {"network": "separable", "width": 64, "shape": "kept", "augment": False, "epochs": 40},
    ),
    # As MLPerf Tiny has it: three blocks, of 16, 32 and 64 channels.
    Net(
        "resnet-8",
        "ResNet-8, CIFAR-10",
        pictures,
        {"network": "residual", "width": 16, "depth": 3, "epochs": 40},
    ),
    Net(
        "narrow",
        "Narrow CNN, 8 × 8 grey",
        digits,
        {"network": "plain", "width": 8, "epochs": 40},
    ),
)
BOARDS = {
    "ulx3s-85f": ("digits-cnn", "lenet", "ds-cnn", "resnet-8"),
    "ulx3s-12f": ("digits-cnn",),
    "icebreaker": ("digits-cnn",),
    "ice40-hx8k": ("narrow",),
}
"""On which board each is measured: the smallest have room for some alone."""
HELD = ("ulx3s-12f",)
"""On which boards a bitstream that holds the net is made, too."""

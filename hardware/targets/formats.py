"""Files to go on with elsewhere: to train on, to serve, to convert. They are no boards, and have a board's place in the
list: what a bundle can be for.

Memory, clock and cores are those of the Linux computer that is taken for granted: allowances of ours.
"""

from hardware.targets.profiles import GIB, Kind, Runtime, Status, Target, Variant


def _format(name: str, title: str, runtime: Runtime, variants: tuple[Variant, ...]) -> Target:
    return Target(
        name=name,
        title=title,
        kind=Kind.FORMAT,
        arch="any",
        ram_bytes=4 * GIB,
        ram_free_bytes=2 * GIB,
        flash_bytes=8 * GIB,
        clock_hz=2_000_000_000,
        cores=2,
        status=Status.OFFERED,
        runtime=runtime,
        variants=variants,
    )


FORMATS = (
    _format(
        "onnx",
        "ONNX",
        Runtime(
            packages=("numpy", "onnxruntime"),
            note="One file for any runtime of ONNX (opset 17); `run.py` answers with ONNX Runtime.",
        ),
        # The one that the ONNX file is compared with: it is not in the bundle.
        (Variant.FP32,),
    ),
    _format(
        "keras",
        "Keras",
        Runtime(
            packages=("numpy", "ai-edge-litert"),
            note="The `.keras` file, to go on training; it needs no code of ours.",
        ),
        (Variant.INT8, Variant.FP32),
    ),
    _format(
        "savedmodel",
        "TensorFlow SavedModel",
        Runtime(
            packages=("numpy", "ai-edge-litert"),
            note="For TensorFlow Serving and for what converts SavedModels; it answers, and does not train.",
        ),
        (Variant.INT8, Variant.FP32),
    ),
)

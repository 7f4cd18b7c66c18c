"""What a board's fast kernels need of the arena beyond the tensors of a net."""

from hardware.targets.kernels import scratch_bytes
from hardware.targets.litert.convolutions import convolution_of
from hardware.targets.litert.file import Net, Operator
from hardware.targets.profiles import Kernels

ALIGNMENT = 16  # bytes between two tensors of TensorFlow Lite Micro's arena


def beyond(net: Net, kernels: Kernels) -> int:
    """By how many bytes the net's peak grows when each kernel's scratch lies in the arena with the tensors that live
    then.
    """
    alive = _alive(net)
    with_scratch = [
        tensors + _scratch(operator, kernels) for tensors, operator in zip(alive, net.operators, strict=True)
    ]
    return max(with_scratch, default=0) - max(alive, default=0)


def _scratch(operator: Operator, kernels: Kernels) -> int:
    convolution = convolution_of(operator)
    return scratch_bytes(kernels, convolution) if convolution else 0


def _alive(net: Net) -> list[int]:
    """Bytes of the tensors that live at each step: the input from the first, the output to the last."""
    first, last = {net.input.number: 0}, {net.input.number: 0}
    sizes: dict[int, int] = {}
    for step, operator in enumerate(net.operators):
        for tensor in [*operator.inputs, *operator.outputs]:
            if tensor is not None and tensor.data is None and tensor.dtype is not None:
                first.setdefault(tensor.number, step)
                last[tensor.number] = step
                sizes[tensor.number] = -(-tensor.bytes // ALIGNMENT) * ALIGNMENT
    last[net.output.number] = len(net.operators) - 1
    return [
        sum(size for number, size in sizes.items() if first[number] <= step <= last[number])
        for step in range(len(net.operators))
    ]

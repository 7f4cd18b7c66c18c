"""A network as the operators that LiteRT runs, without weights: what it takes is counted, nothing is built."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from hardware.targets.kernels import Convolution, scratch_bytes
from hardware.targets.profiles import Kernels

FLOAT = INT32 = 4  # bytes


@dataclass(frozen=True, kw_only=True)
class Operator:
    """`inputs` and `output` are numbers of tensors. One may stand for `count` alike that run side by side.

    `macs` are multiply-accumulates; `weights` and `biases` count values, which are int8 and int32 in a quantised file;
    `constants` are bytes that are the same in every file, `arrays` how many constant tensors there are in all;
    `channels` is how many scales its weights have there, `scales` how many of all kinds a file names. `plain` ones stay
    float, and the interpreter keeps little of them. `convolution` is what it is to a library's kernels.
    `parameters` is what Keras counts for it while it trains.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    count: int = 1
    plain: bool = False
    macs: int = 0
    weights: int = 0
    biases: int = 0
    constants: int = 0
    arrays: int = 0
    channels: int = 0
    scales: int = 0
    convolution: Convolution | None = None
    parameters: int = 0

    def scratch(self, kernels: Kernels) -> int:
        """Bytes that a library's kernel takes while it runs."""
        return scratch_bytes(kernels, self.convolution) if self.convolution else 0


@dataclass(frozen=True)
class Net:
    """`sizes` are the values in each computed tensor by number, the input's first; `floats` are those that stay float32
    when the rest becomes int8.
    """

    operators: tuple[Operator, ...]
    sizes: tuple[int, ...]
    floats: frozenset[int]

    @property
    def output(self) -> int:
        return self.operators[-1].output

    def peak(self, *, alignment: int, kernels: Kernels = Kernels.REFERENCE) -> int:
        """The most bytes alive at once in the quantised file, each tensor rounded up to `alignment`, with the scratch
        of `kernels`. A tensor lives from its making to its last use, the input from the start, the output to the end.
        """
        last = {number: step for step, operator in enumerate(self.operators) for number in operator.inputs}
        dying: dict[int, list[int]] = defaultdict(list)
        for number, step in last.items():
            dying[step].append(number)
        alive = most = self.bytes(0, alignment)
        for step, operator in enumerate(self.operators):
            alive += self.bytes(operator.output, alignment)
            most = max(most, alive + operator.scratch(kernels))
            alive -= sum(self.bytes(number, alignment) for number in dying[step])
        return most

    def bytes(self, number: int, alignment: int) -> int:
        """Of a computed tensor, rounded up."""
        width = FLOAT if number in self.floats else 1
        return -(-self.sizes[number] * width // alignment) * alignment

    def total(self, what: str) -> int:
        """The sum of a field of `Operator` over all of them."""
        return sum(int(getattr(operator, what)) for operator in self.operators)

    def plain(self, what: str) -> int:
        """As `total`, of the plain ones alone."""
        return sum(int(getattr(operator, what)) for operator in self.operators if operator.plain)


@dataclass
class Builder:
    """Puts a net together in the order in which it runs."""

    sizes: list[int] = field(default_factory=list)
    floats: set[int] = field(default_factory=set)
    operators: list[Operator] = field(default_factory=list)

    def tensor(self, size: int, *, is_float: bool = False) -> int:
        """The number of a new tensor of `size` values."""
        self.sizes.append(size)
        if is_float:
            self.floats.add(len(self.sizes) - 1)
        return len(self.sizes) - 1

    def add(
        self,
        name: str,
        inputs: Sequence[int],
        size: int,
        *,
        is_float: bool = False,
        plain: bool = False,
        convolution: Convolution | None = None,
        **counts: int,
    ) -> int:
        """The number of the tensor of `size` values that a new operator makes."""
        output = self.tensor(size, is_float=is_float)
        made = Operator(
            name=name, inputs=tuple(inputs), output=output, plain=plain, convolution=convolution, **counts
        )
        self.operators.append(made)
        return output

    def net(self) -> Net:
        return Net(tuple(self.operators), tuple(self.sizes), frozenset(self.floats))

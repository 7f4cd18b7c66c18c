"""Where each tensor lies in one buffer: two that live at once never overlap."""

from dataclasses import dataclass

from hardware.targets.litert.file import Net


@dataclass(frozen=True)
class Plan:
    """`offsets` by tensor number; `same` names the tensor whose place another one shares (a reshape's)."""

    offsets: dict[int, int]
    same: dict[int, int]
    bytes: int

    def root(self, number: int) -> int:
        while number in self.same:
            number = self.same[number]
        return number


def place(net: Net, alignment: int) -> Plan:
    """Largest first, each at the lowest offset that is free while it lives (Pisarchyk & Lee 2020, arXiv 2001.03288).

    The net's input and output lie elsewhere: the caller brings them.
    """
    same = {
        operator.outputs[0].number: operator.tensor(0).number
        for operator in net.operators
        if operator.name == "RESHAPE" and operator.outputs[0].number != net.output.number
    }
    plan = Plan({}, same, 0)
    lives, sizes = _lives(net, plan)
    placed: list[tuple[int, int, range]] = []
    for number in sorted(sizes, key=lambda number: (-sizes[number], number)):
        at = 0
        for start, end, life in sorted(placed, key=lambda each: each[0]):
            if life.start < lives[number].stop and lives[number].start < life.stop:
                if at + sizes[number] <= start:
                    break
                at = max(at, -(-end // alignment) * alignment)
        plan.offsets[number] = at
        placed.append((at, at + sizes[number], lives[number]))
    return Plan(plan.offsets, same, max((end for _, end, _ in placed), default=0))


def _lives(net: Net, plan: Plan) -> tuple[dict[int, range], dict[int, int]]:
    """Of each computed tensor between input and output: the steps from its making to its last use; its bytes."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    sizes: dict[int, int] = {}
    ends = {net.input.number, net.output.number}
    for step, operator in enumerate(net.operators):
        for tensor in [*operator.inputs, *operator.outputs]:
            if tensor is None or tensor.data is not None:
                continue
            root = plan.root(tensor.number)
            if root not in ends:
                first.setdefault(root, step)
                last[root] = step
                sizes[root] = max(sizes.get(root, 0), tensor.bytes)
    return {number: range(first[number], last[number] + 1) for number in sizes}, sizes

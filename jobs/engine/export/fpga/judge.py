"""Whether a model's file can become a circuit for a board: looked at before anything is synthesised."""

from hardware.fpga.boards import BOARDS
from hardware.fpga.errors import FitError, UnsupportedError
from hardware.fpga.frontend import read_graph
from hardware.fpga.program import compiled
from hardware.targets.profiles import Target


def why_not(content: bytes, target: Target) -> str:
    """A sentence: which operator of which layer the engine has not, and what to use instead, or which of its memories
    is too small. Empty when the file can be built.
    """
    try:
        compiled(read_graph(content), BOARDS[target.name].engine)
    except (UnsupportedError, ValueError) as error:
        return str(error)
    return ""


def why_not_untrained(content: bytes, target: Target) -> str:
    """The same of a file whose weights are yet to be trained: operators and room alone. Whether each factor can be
    had in whole numbers is seen when they are there.
    """
    try:
        graph = read_graph(content)
    except (UnsupportedError, ValueError) as error:
        return str(error)
    try:
        compiled(graph, BOARDS[target.name].engine)
    except FitError as error:
        return str(error)
    except UnsupportedError:
        pass  # a factor of weights that nobody trained
    return ""

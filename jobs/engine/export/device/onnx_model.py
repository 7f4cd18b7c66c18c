"""A model by ONNX Runtime, with the methods of LiteRT's interpreter that run.py uses. Python 3.9 or newer, numpy."""

from __future__ import annotations

from typing import Any


class Interpreter:
    """One session on the processor; RuntimeError when it can't run the model."""

    def __init__(self, model_content: bytes, num_threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.log_severity_level = 3  # errors alone
        try:
            self.session = onnxruntime.InferenceSession(
                model_content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise RuntimeError(str(error)) from error  # ONNX Runtime's own have no common name
        self.input: Any = None
        self.output: Any = None

    def allocate_tensors(self) -> None:
        """Nothing: a session is ready when it is made."""

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": each.name} for each in self.session.get_inputs()]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"index": each.name} for each in self.session.get_outputs()]

    def set_tensor(self, index: str, x: Any) -> None:
        self.input = {index: x}

    def invoke(self) -> None:
        try:
            self.output = self.session.run(None, self.input)[0]
        except Exception as error:
            raise RuntimeError(str(error)) from error

    def get_tensor(self, _index: str) -> Any:
        return self.output


def interpreter_class() -> type[Interpreter]:
    """ImportError when ONNX Runtime is not installed."""
    import onnxruntime  # noqa: F401

    return Interpreter

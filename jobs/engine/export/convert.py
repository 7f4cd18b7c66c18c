"""From a Keras model to LiteRT files of batch 1, float input and output. Loads TensorFlow when called."""

import functools
import logging
import tempfile
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jobs.engine.export.slim import slim

# What a table's quantised core is made of. Everything before it (normalisation, encoding) sees columns of
# very unlike ranges side by side, and one int8 scale for all of them would leave most columns a single step.
CORE_OPERATORS = frozenset({"FULLY_CONNECTED", "SOFTMAX", "LOGISTIC"})


class ConversionError(Exception):
    """LiteRT's converter cannot do it; the message is its own first sentence."""


class Converter:
    """One model, written once as a SavedModel and converted from there; use it as a context manager."""

    def __init__(
        self, model: Any, shape: tuple[int, ...], scratch: Path, *, plain_dense: bool = False
    ) -> None:
        """`shape` is that of the one input, batch excluded; `scratch` a folder to work in. `plain_dense`: one int8
        scale for all weights of a dense layer, not one for each output.
        """
        self.model = model
        self.shape = shape
        self.plain_dense = plain_dense
        self._folder = tempfile.TemporaryDirectory(prefix=".export-", dir=scratch)

    def __enter__(self) -> Self:
        self._save()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def _save(self) -> None:
        import keras

        archive = keras.export.ExportArchive()
        archive.track(self.model)
        # A fixed batch of 1: with a free one the file keeps dynamic shapes, which smaller runtimes refuse.
        signature = [keras.InputSpec(shape=(1, *self.shape), dtype="float32")]
        serve = functools.partial(self.model.__call__, training=False)
        archive.add_endpoint("serve", serve, input_signature=signature)
        archive.write_out(self._folder.name, verbose=False)

    def fp32(self) -> bytes:
        """The model as it is. ConversionError says which operations LiteRT's own cannot express."""
        return self._convert(self._converter())

    def int8(self, samples: NDArray[np.float32], *, wide: bool = False) -> bytes:
        """Static int8 throughout, calibrated on `samples` (n, *shape); `wide`: activations of 16 bits ("16x8")."""
        return self._convert(self._quantising(samples, wide=wide))

    def int8_throughout(self, samples: NDArray[np.float32]) -> bytes:
        """As `int8`, with int8 for input and output too: for boards that have no floats to spare."""
        import tensorflow as tf

        converter = self._quantising(samples)
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return self._convert(converter)

    def int8_core(self, samples: NDArray[np.float32], operators: Collection[str]) -> bytes:
        """Static int8 in `CORE_OPERATORS` alone; `operators` are all that the fp32 file has."""
        import tensorflow as tf

        keep_float = sorted(set(operators) - CORE_OPERATORS)
        debugger = tf.lite.experimental
        options = debugger.QuantizationDebugOptions(denylisted_ops=keep_float)
        converter = self._quantising(samples)

        def convert() -> bytes:
            # The debugger is TensorFlow's only public door to a list of operations that stay float.
            quantiser = debugger.QuantizationDebugger(
                converter=converter, debug_dataset=converter.representative_dataset, debug_options=options
            )
            return bytes(quantiser.get_nondebug_quantized_model())

        return slim(guarded(convert))

    def _converter(self) -> Any:
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_saved_model(self._folder.name)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return converter

    def _quantising(self, samples: NDArray[np.float32], *, wide: bool = False) -> Any:
        import tensorflow as tf

        def representative() -> Iterator[list[NDArray[np.float32]]]:
            for sample in samples:
                yield [sample[None]]

        converter = self._converter()
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        sets = tf.lite.OpsSet
        # The second set lets an operation without such a kernel stay float, where all would fail otherwise.
        converter.target_spec.supported_ops = [
            sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            if wide
            else sets.TFLITE_BUILTINS_INT8,
            sets.TFLITE_BUILTINS,
        ]
        # Private, and the switch that TensorFlow Lite Micro's own error message names.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = self.plain_dense  # noqa: SLF001
        return converter

    def _convert(self, converter: Any) -> bytes:
        return slim(guarded(lambda: bytes(converter.convert())))


def guarded(convert: Any) -> bytes:
    """The result of `convert()`, with the converter's chatter silenced and its failures named."""
    from tensorflow.lite.python.convert_phase import ConverterError

    level = logging.getLogger("tensorflow").level
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: bytes = convert()
    except (ConverterError, RuntimeError, ValueError) as error:
        raise ConversionError((str(error).strip().splitlines() or ["no reason given"])[0][:300]) from error
    finally:
        logging.getLogger("tensorflow").setLevel(level)
    return found


def keras_file(path: Path) -> Any:
    """The model that the engine wrote."""
    import keras

    return keras.models.load_model(path, compile=False)

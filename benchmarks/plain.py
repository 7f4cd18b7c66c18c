"""The baseline: what a careful person writes by hand. Usage: python -m benchmarks.plain FOLDER EPOCHS.

The same Keras network, optimiser, batch size and epochs as the `image-classifier` recipe at its defaults, the files
read by `keras.utils.image_dataset_from_directory`; prints the accuracy on a tenth of them held out.
"""

import sys

import keras

from jobs.engine.networks import image_network
from jobs.engine.recipes.image_classifier import ImageClassifierParams


def main(folder: str, epochs: int) -> float:
    params = ImageClassifierParams()
    train, rest = keras.utils.image_dataset_from_directory(
        folder, label_mode="int", batch_size=params.batch_size, image_size=(32, 32), seed=0,
        validation_split=0.2, subset="both", verbose=False,
    )  # fmt: skip
    half = int(rest.cardinality()) // 2
    model = image_network((32, 32, 3), classes=10, width=params.width, dropout=params.dropout).full
    adam = keras.optimizers.AdamW(params.learning_rate)
    model.compile(adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=rest.take(half), epochs=epochs, verbose=0)
    return float(model.evaluate(rest.skip(half), verbose=0)[1])


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2])))

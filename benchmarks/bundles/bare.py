"""What a person who knows LiteRT writes for one answer. Usage: bare.py MODEL FILE (a picture, or a CSV of numbers).

It runs by itself, on an emulated board: nothing of this repository is there.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

model = Interpreter(model_path=sys.argv[1])
model.allocate_tensors()
given, told = model.get_input_details()[0], model.get_output_details()[0]
if sys.argv[2].endswith(".csv"):
    with open(sys.argv[2]) as table:  # noqa: PTH123 - as plain as can be
        cells = table.read().splitlines()[1].split(",")
    x = np.array(cells[: given["shape"][1]], dtype=np.float32)
else:
    from PIL import Image

    _, height, width, channels = given["shape"]
    picture = Image.open(sys.argv[2]).convert("L" if channels == 1 else "RGB")
    x = np.asarray(picture.resize((width, height), Image.BILINEAR), dtype=np.float32)
model.set_tensor(given["index"], x.reshape(given["shape"]))
model.invoke()
y = model.get_tensor(told["index"])[0]
print(int(y.argmax()), float(y.max()))

"""An engine whose trainings are soon over: what the attempts' tests fork. Its last word says what it saw."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.runner.child import Control

Emit = Callable[[dict[str, Any]], None]


def run(task: dict[str, Any], emit: Emit, control: Control) -> None:
    emit({"type": "started"})
    do = task["params"]["do"]
    if do in SAVING:
        said = SAVING[do](emit, control, Path(task["out"]))
    else:
        said = {"obey": obey, "count": count}[do](emit, control)
    emit({"type": "done", "reason": REASONS.get(do, "nan_loss"), "message": said})


def obey(emit: Emit, control: Control) -> str:
    """Waits for a command."""
    del emit
    while not control.command:
        time.sleep(0.01)
    return control.command


def count(emit: Emit, control: Control) -> str:
    """Counts to thirty within three seconds, in metrics, logs and progress."""
    del control
    for step in range(30):
        emit({"type": "metric", "step": step, "values": {"step": step}})
        emit({"type": "log", "text": f"step {step}"})
        emit({"type": "progress", "fraction": step / 30, "step": step})
        time.sleep(0.1)
    return "counted"


def save(emit: Emit, control: Control, out: Path) -> str:
    """Saves a checkpoint and says so, and a little later that this is all."""
    del control
    path = out / "checkpoint-1.npz"
    path.write_bytes(b"weights of step 1")
    emit({"type": "checkpoint", "step": 1, "path": str(path)})
    emit({"type": "log", "text": "saved"})
    time.sleep(0.3)
    emit({"type": "log", "text": "that is all"})
    return "saved"


def save_and_go_on(emit: Emit, control: Control, out: Path) -> str:
    """Saves a checkpoint, and takes a step every tenth of a second until it is told to end."""
    save(emit, control, out)
    step = 1
    while not control.command:
        step += 1
        emit({"type": "metric", "step": step, "values": {"step": step}})
        time.sleep(0.1)
    return control.command


def save_and_hang(emit: Emit, control: Control, out: Path) -> str:
    """Saves a checkpoint, and does nothing more."""
    save(emit, control, out)
    time.sleep(600)
    return "woke up"


def save_slowly(emit: Emit, control: Control, out: Path) -> str:
    """Tells how long a checkpoint takes it, and needs a while to save one when it is told to end."""
    _checkpoint(emit, out, 1, checkpoint_s=2.0)
    emit({"type": "progress", "fraction": 0.1, "step": 1})
    _until_told(control)
    time.sleep(1.5)
    _checkpoint(emit, out, 2)
    return "saved in time"


def step_slowly(emit: Emit, control: Control, out: Path) -> str:
    """Tells how long its steps take, and is told to end when it has many under way."""
    emit({"type": "progress", "fraction": 0.1, "step": 1, "steps_per_s": 4.0})
    _until_told(control)
    time.sleep(1.5)
    _checkpoint(emit, out, 2)
    return "saved in time"


def stay(emit: Emit, control: Control, out: Path) -> str:
    """After a second, tells that a checkpoint takes it for ever, and goes on whatever it is told."""
    time.sleep(1.0)
    _checkpoint(emit, out, 1, checkpoint_s=1e9)
    for step in range(600):
        emit({"type": "progress", "fraction": step / 600, "step": step, "steps_per_s": 1e-9})
        time.sleep(0.1)
    return f"stayed, though told to {control.command}"


def leave(emit: Emit, control: Control, out: Path) -> str:
    """Works for half a second, and saves its state and leaves when it is told to."""
    time.sleep(0.5)
    emit({"type": "progress", "fraction": 0.1, "step": 1})
    _until_told(control)
    _checkpoint(emit, out, 1)
    return ""


def _until_told(control: Control) -> None:
    while not control.command:
        time.sleep(0.01)


def _checkpoint(emit: Emit, out: Path, step: int, **more: float) -> None:
    path = out / f"checkpoint-{step}.npz"
    path.write_bytes(f"weights of step {step}".encode())
    emit({"type": "checkpoint", "step": step, "path": str(path), **more})


def make(emit: Emit, control: Control, out: Path) -> str:
    """Leaves a model."""
    del control
    path = out / "model.keras"
    path.write_bytes(b"a model")
    emit({"type": "log", "text": "made"})
    emit({"type": "artefact", "name": "model.keras", "path": str(path)})
    return "made"


def break_down(emit: Emit, control: Control, out: Path) -> str:
    """Leaves what its tools said, and half a model."""
    del control
    for name in ("tools.log", "model.keras"):
        (out / name).write_text(f"{name} of one that broke")
        emit({"type": "artefact", "name": name, "path": str(out / name)})
    return "broke down"


SAVING = {
    each.__name__: each
    for each in (save, save_and_go_on, save_and_hang, save_slowly, step_slowly, stay, leave, make, break_down)
}
REASONS = {"make": "done", "leave": "interrupted"}

"""A page in any browser: LiteRT compiled to WebAssembly.

The figures are allowances of ours for an old phone: a browser tells a page neither its memory nor its processor.
"""

from hardware.targets.profiles import GIB, MIB, Kind, Runtime, Status, Target

BROWSER = (
    Target(
        name="browser",
        title="Browser",
        kind=Kind.BROWSER,
        arch="wasm32",
        ram_bytes=2 * GIB,
        ram_free_bytes=512 * MIB,
        flash_bytes=64 * MIB,
        clock_hz=1_800_000_000,
        cores=4,
        status=Status.OFFERED,
        runtime=Runtime(
            packages=("numpy", "ai-edge-litert"), note="Open `index.html` in it: README.md says how."
        ),
    ),
)

"""From the API to a proved bitstream: trained and built in one job, then another model on the board that is ready."""

import io
import json
import shutil
import time
import zipfile
from typing import Any

import pytest

from hardware.nodes.probe.fpga import toolchain
from hardware.nodes.probe.toolchains import toolchains
from tests.e2e.portal import Portal, Scripter
from tests.fpga.kept import KEPT

pytestmark = [
    pytest.mark.long,
    pytest.mark.fpga,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(not toolchain(toolchains())[0], reason="needs `make fpga-node`'s tools"),
]
ULX3S = "ulx3s-12f"
MINUTES = 30


@pytest.fixture(scope="module", autouse=True)
def prepared(portal: Portal) -> None:
    """What `make test-fpga` left lies on the node's shelf, as where boards were prepared: then the board's own
    bitstream is not placed and routed anew.
    """
    if KEPT.is_dir():
        shutil.copytree(KEPT, portal.home / "node" / "shelf" / "bitstreams", dirs_exist_ok=True)


def body(digits: str, **more: Any) -> dict[str, Any]:
    params = {"epochs": 25, "width": 4, "batch_size": 16, "early_stop": False}
    return {"recipe": "image-classifier", "dataset": digits, "targets": [ULX3S], "params": params, **more}


def ready(ada: Scripter, bundle: str) -> dict[str, Any]:
    found = ada.wait(f"/bundles/{bundle}", lambda each: each["state"] != "building", timeout_s=60 * MINUTES)
    assert found["state"] == "ready", found["reason"] + ada.trail(f"/jobs/{found['job']}")
    return dict(found)


def manifest(ada: Scripter, bundle: dict[str, Any], *more: str) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(ada.http.get(bundle["download"]).content)) as packed:
        names = {name.partition("/")[2]: name for name in packed.namelist()}
        assert {"host.py", "image.bin", "image.json", "rebuild.py", "board.bit", *more} <= set(names)
        return dict(json.loads(packed.read(names["manifest.json"])))


@pytest.fixture(scope="module")
def together(ada: Scripter, digits: str) -> dict[str, Any]:
    """The job that trained and built."""
    job = ada.post("/jobs", body(digits, resources={"accelerator": "fpga"}))
    until = time.monotonic() + 60 * MINUTES
    while (found := ada.get(f"/jobs/{job['id']}"))["status"] in {"queued", "starting", "running"}:
        assert time.monotonic() < until, ada.trail(f"/jobs/{job['id']}")
        time.sleep(0.5)
    assert found["status"] == "succeeded", ada.trail(f"/jobs/{job['id']}")
    return dict(found)


def test_one_job_trains_proves_and_signs(ada: Scripter, together: dict[str, Any]) -> None:
    assert together["attempts"][0]["accelerators"] == ["fpga0"]
    assert together["model"] == together["id"]
    [bundle] = [ready(ada, each) for each in together["bundles"]]
    assert bundle["job"] == together["id"]
    said = manifest(ada, bundle)
    assert said["provenance"]["model"] == together["model"]
    stages = {stage["name"]: stage for stage in said["fpga"]["stages"]}
    assert set(stages) == {"reference", "rtl", "netlist", "timing"}
    assert all(stage["mismatches"] == 0 for stage in stages.values())
    assert said["fpga"]["report"]["fmax_hz"] >= said["fpga"]["report"]["wanted_hz"]
    assert bundle["metrics"]["accuracy"] > 0.5
    logged = ada.http.get(f"/jobs/{together['id']}/logs").text
    assert "Built untrained, it fits ULX3S (Lattice ECP5 12F)." in logged
    assert "rtl: Verilator" in logged


def test_another_model_finds_the_board_prepared(ada: Scripter, digits: str, together: dict[str, Any]) -> None:
    """A build of its own, at the tools' place, of a model that was trained elsewhere."""
    trained = ada.ended(ada.post("/jobs", body(digits, name="again", warm_start=together["model"])))
    assert trained["status"] == "succeeded"
    assert not trained["attempts"][0]["accelerators"][0].startswith("fpga")
    bundle = ready(ada, trained["bundles"][0])
    assert bundle["metrics"]["flow_cached"] is True
    build = ada.get(f"/jobs/{bundle['job']}")
    assert (build["kind"], build["attempts"][0]["accelerators"]) == ("build", ["fpga0"])
    assert (
        manifest(ada, bundle)["fpga"]["report"]["sha256"]
        == manifest(ada, ready(ada, together["bundles"][0]))["fpga"]["report"]["sha256"]
    )


def test_a_bitstream_that_holds_the_model_is_routed_for_who_asks(
    ada: Scripter, together: dict[str, Any]
) -> None:
    asked = {"model": together["model"], "target": ULX3S, "options": {"contained": True}}
    bundle = ready(ada, ada.post("/bundles", asked)["id"])
    said = manifest(ada, bundle, "contained.bit", "contained_board.v", "program.hex")
    (stage,) = [stage for stage in said["fpga"]["stages"] if stage["name"] == "contained"]
    assert stage["vectors"] > 0
    assert stage["mismatches"] == 0
    assert "Taken apart, the bitstream has the same in its 32 block RAMs." in stage["detail"]
    report = said["fpga"]["contained"]
    assert report["fmax_hz"] >= report["wanted_hz"]
    assert report["sha256"] != said["fpga"]["report"]["sha256"]


def test_no_board_is_plugged_in_and_so_it_is_said(ada: Scripter, together: dict[str, Any]) -> None:
    refused = ada.post(f"/bundles/{together['bundles'][0]}/evaluate", status=409)
    assert refused["code"] == "no_such_accelerator"
    assert "host.py of the bundle" in refused["detail"]

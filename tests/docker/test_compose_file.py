"""What docker-compose.yml, the Dockerfile's locks and nginx's files say, without an engine."""

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jobs.bundles import signing
from portal.site import tree

ROOT = Path(__file__).resolve().parents[2]
ANYWHERE = "0.0.0.0"  # noqa: S104 - as in the container
EDGE = ROOT / "portal" / "edge"


def text() -> str:
    return (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def services() -> dict[str, Any]:
    return dict(yaml.safe_load(text())["services"])


def of(service: str) -> dict[str, Any]:
    return dict(services()[service])


def mappings(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
    for part in node.value if isinstance(node, yaml.CollectionNode) else ():
        for inner in part if isinstance(part, tuple) else (part,):
            yield from mappings(inner)


def test_no_key_stands_twice() -> None:
    """Compose 2 refuses that; Compose 1 takes the last."""
    for mapping in mappings(yaml.compose(text())):
        keys = [key.value for key, _value in mapping.value]
        assert len(keys) == len(set(keys)), mapping.start_mark


def copied() -> list[str]:
    """What the Dockerfile takes from the folder it is built in."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    words = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from=" not in line]
    return sorted({source for sources in words for source in sources})


@pytest.mark.parametrize("source", copied())
def test_what_the_images_are_made_of_is_there_and_not_ignored(source: str) -> None:
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert any(ROOT.glob(source))
    assert any(source == kept or source.startswith(f"{kept}/") for kept in (
        line.removeprefix("!") for line in let_through if line.startswith("!")
    ))  # fmt: skip


@pytest.mark.parametrize("name", sorted(services()))
def test_every_service_is_shut_in(name: str) -> None:
    service = of(name)
    image = "nginx" if name == "edge" else ""
    assert service.get("user", image) not in ("", "root", "0"), "runs as root"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", sorted(set(services()) - {"migrate"}))
def test_every_service_that_stays_is_watched_and_comes_back(name: str) -> None:
    assert of(name)["healthcheck"]["test"]
    assert of(name)["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(services()))
def test_secrets_come_by_file_and_only_where_they_are_named(name: str) -> None:
    service = of(name)
    for variable, value in service.get("environment", {}).items():
        is_secret = re.search("PASSWORD|SECRET|_KEY|TOKEN|DATABASE_URL|REDIS_URL", variable)
        assert not is_secret or variable.endswith("_FILE"), variable
        if value.startswith("/run/secrets/"):
            assert Path(value).name in service["secrets"], variable


def test_the_edge_reaches_neither_database_nor_broker() -> None:
    assert of("edge")["networks"] == ["front"]
    assert of("postgres")["networks"] == of("redis")["networks"] == ["back"]


def test_only_the_edge_has_ports() -> None:
    assert [name for name in services() if "ports" in services()[name]] == ["edge"]


def test_a_node_has_time_to_save_and_no_key_to_sessions() -> None:
    grace = {program.name: program.grace_s for program in tree.programs(host=ANYWHERE, port=8000)}
    for name in ("node", "node-gpu"):
        assert int(of(name)["stop_grace_period"].removesuffix("s")) > grace["node"]
        assert "secret-key" not in of(name)["secrets"]


def test_web_and_helper_are_started_as_make_run_starts_them() -> None:
    programs = {program.name: program.argv for program in tree.programs(host=ANYWHERE, port=8000)}
    assert set(flat(programs["web"])) <= set(flat(of("web")["command"]))
    own = ("--hostname", "--loglevel")
    helper = [word for word in programs["helper"] if not word.startswith(own)]
    assert set(flat(helper)) <= {*flat(of("helper")["command"]), "-A"}


def flat(argv: list[str]) -> list[str]:
    """Its words without the interpreter, `--a=b` apart."""
    words = [part for word in argv for part in word.split("=", 1)]
    return [word for word in words if word not in ("-m", "--app") and "/" not in word and "$" not in word]


def test_no_setting_is_named_that_nobody_reads() -> None:
    read = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "portal").rglob("*.py"))
    read += (EDGE / "start").read_text(encoding="utf-8")
    for name, service in services().items():
        for variable in service.get("environment", {}):
            if not variable.startswith("POSTGRES_"):
                assert variable.removesuffix("_FILE") in read, (name, variable)


@pytest.mark.parametrize("lock", ["web", "node", "gpu", "front", "build"])
def test_locks_have_hashes_and_name_no_host(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^\S+==.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)*", text, re.MULTILINE)
    assert pins
    assert all("--hash=" in pin for pin in pins)
    assert "://" not in text
    assert "index-url" not in text


def test_each_lock_has_the_tensorflow_that_its_machine_needs() -> None:
    web, node, gpu = (
        (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8") for name in ("web", "node", "gpu")
    )
    assert "tensorflow" not in web
    assert "\ntensorflow-cpu==" in node
    assert "\ntensorflow-cpu==" not in gpu
    assert "\ntensorflow==" in gpu
    assert "\nnvidia-cudnn-cu12==" in gpu


def test_what_runs_in_containers_is_what_was_tested() -> None:
    """A package has one version, whatever lock it stands in."""
    known = pinned("run")
    for lock in ("web", "node", "gpu", "front"):
        assert {
            name: version for name, version in pinned(lock).items() if known.get(name, version) != version
        } == {}


def pinned(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", text, re.MULTILINE))


def make_secrets(folder: Path) -> str:
    done = subprocess.run([EDGE / "secrets", folder], capture_output=True, text=True, check=True)
    return done.stdout


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "docker"
    assert len(make_secrets(folder).splitlines()) == 6
    before = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    assert make_secrets(folder) == ""
    assert {path.name: path.read_text() for path in (folder / "secrets").iterdir()} == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert before["postgres-password"].strip() in before["database-url"]
    assert before["redis-password"].strip() in before["redis-url"]
    assert isinstance(signing.load_private(before["signing-key"].encode()), Ed25519PrivateKey)


@pytest.mark.parametrize(
    "address", ["", "http://mill.example", "https://mill.example/;return", "https://a b"]
)
def test_the_edge_refuses_an_address_that_nginx_would_misread(address: str) -> None:
    env = {"PATH": os.defpath, "GRISTMILL_URL": address}
    done = subprocess.run([EDGE / "start"], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "GRISTMILL_URL" in done.stderr

"""`python -m tests.postgres pytest …`: run a module on a PostgreSQL of its own, which ends with it.

The cluster lies in a temporary folder, listens on a Unix socket alone and takes no care to survive a power cut. It is
none of the system's: nothing has to be configured, and no service has to run.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

START_S = 60.0
FASTER = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
}


def program(name: str) -> str:
    """The newest installed one, wherever Debian or a path has it."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4])
    )
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        sys.exit(f"There is no {name} here. On Debian: apt-get install postgresql")
    return found


def _account() -> pwd.struct_passwd:
    """Who the server runs as: ourselves; it refuses to be root, so then somebody without rights."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def _as(account: pwd.struct_passwd, *command: str) -> list[str]:
    """`command` as that account; it dies with us, however we die."""
    change = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return ["setpriv", "--pdeathsig=INT", *(change if os.geteuid() == 0 else []), *command]


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """A running server; its address, as DATABASE_URL takes it."""
    account = _account()
    with tempfile.TemporaryDirectory(prefix="gm-pg-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        os.chown(home, account.pw_uid, account.pw_gid)
        data = home / "data"
        make = [program("initdb"), "-D", str(data), "-A", "trust", "-U", "gristmill", "-E", "UTF8", "-N"]
        subprocess.run(_as(account, *make), check=True, stdout=subprocess.DEVNULL, cwd=home)
        settings = [part for key, value in FASTER.items() for part in ("-c", f"{key}={value}")]
        serve = [program("postgres"), "-D", str(data), "-k", str(home), *settings]
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(_as(account, *serve), stdout=log, stderr=log, cwd=home)
        try:
            _wait_until_up(server, home)
            yield f"postgresql:///gristmill?host={quote(str(home))}&user=gristmill"
        finally:
            _end(server)


def _wait_until_up(server: "subprocess.Popen[bytes]", home: Path) -> None:
    ask = [program("pg_isready"), "-q", "-h", str(home)]
    until = time.monotonic() + START_S
    while subprocess.run(ask, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > until:
            sys.exit("PostgreSQL did not start: " + (home / "log").read_text(errors="replace"))
        time.sleep(0.1)


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGINT)  # its fast shutdown
    try:
        server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with cluster() as address:
        return subprocess.run(
            [sys.executable, "-m", *sys.argv[1:]], env=os.environ | {"DATABASE_URL": address}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())

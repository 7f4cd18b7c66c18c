"""The loop in the background: answers, errors, patience, and a process that forked."""

import asyncio
import os
import threading

import pytest

from portal.kit import background

SOON_S = 5.0


async def where() -> tuple[int, str]:
    return id(asyncio.get_running_loop()), threading.current_thread().name


def test_all_calls_are_of_one_loop_whichever_thread_they_come_from() -> None:
    found = [background.run(where(), timeout_s=SOON_S)]
    thread = threading.Thread(target=lambda: found.append(background.run(where(), timeout_s=SOON_S)))
    thread.start()
    thread.join()
    assert found[0] == found[1]
    assert found[0][1] == "background"


def test_what_it_raises_comes_to_the_caller() -> None:
    async def fails() -> None:
        raise ConnectionRefusedError("away")

    with pytest.raises(ConnectionRefusedError, match="away"):
        background.run(fails(), timeout_s=SOON_S)


def test_what_takes_too_long_is_cancelled() -> None:
    cancelled = threading.Event()

    async def sleeps() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(TimeoutError):
        background.run(sleeps(), timeout_s=0.05)
    assert cancelled.wait(SOON_S)


def test_a_process_that_forked_has_a_loop_of_its_own() -> None:
    background.run(where(), timeout_s=SOON_S)
    if (child := os.fork()) == 0:
        try:
            background.run(where(), timeout_s=SOON_S)
        except BaseException:  # noqa: BLE001 - the child must not go on with the tests
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

"""What has to hold after every fault, whatever it was."""

from typing import Any

from tests.e2e.portal import ENDED
from tests.faults.mill import Job, Mill, Patient, until
from tests.faults.phases import STEPS, is_over

SENTENCES = {
    "crashed": "The job's program stopped unexpectedly",
    "node_lost": "The node it ran on was lost. It goes on from its last checkpoint.",
    "drained": (
        "Its node was taken out of service. It goes on elsewhere from where it stopped.",
        "It had to leave before it could save its state.",
    ),
    "disk_full": "The disk of the node",
    "hung": "It made no progress for too long and was ended.",
    "lost_too_often": "Its node was lost again and again while it ran, so it is not tried any more.",
    "done": "It finished.",
}
REFUNDED = {"node_lost", "disk_full", "platform_error", "lost_too_often", "crowded_out"}


def succeeded(mill: Mill, eve: Patient, job: Job, reasons: list[str], *, within: float = 150) -> Job:
    """The job ended once, well, after attempts that ended so; every epoch is there once; the books are right."""
    done = ended(mill, eve, job, reasons, within=within)
    assert done["status"] == "succeeded", eve.trail(f"/jobs/{job['id']}")
    if done["kind"] == "train":
        assert mill.value("SELECT count(*) FROM bundles_trainedmodel WHERE job_id = ?", job["id"]) == 1
        steps = [row["step"] for row in eve.get(f"/jobs/{job['id']}/metrics")]
        assert steps == [STEPS * (epoch + 1) for epoch in range(done["params"]["epochs"])]
    else:
        sql = "SELECT count(*) FROM bundles_bundle WHERE job_id = ? AND state = 'ready'"
        assert mill.value(sql, job["id"]) == 1
    return done


def ended(mill: Mill, eve: Patient, job: Job, reasons: list[str], *, within: float = 150) -> Job:
    """The job ended once, after attempts that ended so; its history can be read; the books are right."""
    done = until(is_over(eve, job), "the job goes on and on", within=within, every=0.1)
    found = [attempt["end_reason"] for attempt in done["attempts"]]
    assert found == reasons, eve.trail(f"/jobs/{job['id']}")
    _history(eve.get(f"/jobs/{job['id']}/events"), [*reasons[:-1], done["end_reason"]])
    _charged(mill, job, reasons)
    tidy(mill, eve)
    return done


def _history(events: list[dict[str, Any]], reasons: list[str]) -> None:
    moves = [event for event in events if event["old"] != event["new"]]
    assert [event["old"] for event in moves] == [None, *(event["new"] for event in moves[:-1])]
    assert sum(event["new"] in ENDED for event in moves) == 1
    assert [event["reason"] for event in moves if event["reason"]] == reasons
    assert all(event["sentence"].startswith(SENTENCES.get(event["reason"] or "", "")) for event in moves)


def _charged(mill: Mill, job: Job, reasons: list[str]) -> None:
    """Each attempt that ran is charged once, and what the platform lost is given back."""
    sql = (
        "SELECT a.number, l.refunded FROM queue_attempt a JOIN ledger_ledgerentry l ON l.attempt = a.id "
        "AND l.corrects_id IS NULL WHERE a.job_id = ? ORDER BY a.number"
    )
    for row in mill.rows(sql, job["id"]):
        assert bool(row["refunded"]) == (reasons[row["number"] - 1] in REFUNDED)
    ran = "SELECT count(*) FROM queue_attempt WHERE job_id = ? AND started_at IS NOT NULL"
    assert len(mill.rows(sql, job["id"])) == mill.value(ran, job["id"])


def tidy(mill: Mill, eve: Patient) -> None:
    """Nothing lies about, nobody holds anything, and the quota is what the files come to."""
    until(lambda: not mill.left_lying(), f"left lying: {mill.left_lying()}", within=20, every=0.1)
    usage = eve.get("/me")["usage"]
    assert usage["concurrent_jobs"] == 0
    assert usage["storage_bytes"] == _counted(mill)
    known = {row["sha256"]: row["bytes"] for row in mill.rows("SELECT sha256, bytes FROM core_blob")}
    assert known == mill.stored()


def _counted(mill: Mill) -> int:
    """Bytes of the stored files that the one member's versions point at."""
    sql = (
        "SELECT upload_id AS blob FROM datasets_version "
        "UNION SELECT blob_id AS blob FROM datasets_versionfile"
    )
    stored = mill.stored()
    return sum(stored[row["blob"]] for row in mill.rows(sql))


def resumed_at(eve: Patient, job: Job, step: int) -> None:
    """The next attempt began where the last checkpoint stood, so that no step before it was taken again."""
    assert f"Going on from step {step}." in eve.http.get(f"/jobs/{job['id']}/logs").text

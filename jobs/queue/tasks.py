"""Wake-ups. Ids in, nothing out; lost or doubled ones change nothing, for nodes also look for themselves."""

from celery import shared_task
from kombu.exceptions import OperationalError

from portal.core import live


def queue_of(node_name: str) -> str:
    """The Celery queue that one node listens on."""
    return f"node.{node_name}"


@shared_task(name="queue.run_attempt")
def run_attempt(*attempt_ids: str) -> None:
    """Run the attempts on this node, but for those that were claimed already."""
    from jobs.queue.agent import agent  # the agent supervises processes: only a node's worker has one

    for attempt_id in attempt_ids:
        agent().take(attempt_id)


@shared_task(name="queue.run_replay")
def run_replay(replay_id: str) -> None:
    """Run the replay, unless it was run or is being run."""
    from jobs.queue.replay import services  # they send it by `wake_replay`

    services.run(replay_id)


def wake_replay(replay_id: str) -> None:
    """Have a helper run the replay soon. When that message is lost, it can be sent again from the replay's page."""
    live.hint(
        f"a helper of replay {replay_id}",
        lambda: run_replay.apply_async((replay_id,), retry=False),
        away=(OperationalError, *live.AWAY),
    )


def wake_node(node_name: str, *attempt_ids: str) -> None:
    """Tell a node that attempts wait for it; else it finds them at its next sweep."""
    live.hint(
        node_name,
        lambda: run_attempt.apply_async(attempt_ids, queue=queue_of(node_name), retry=False),
        away=(OperationalError, *live.AWAY),
    )

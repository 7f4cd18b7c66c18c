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


def wake_node(node_name: str, *attempt_ids: str) -> None:
    """Tell a node that attempts wait for it; else it finds them at its next sweep."""
    live.hint(
        node_name,
        lambda: run_attempt.apply_async(attempt_ids, queue=queue_of(node_name), retry=False),
        away=(OperationalError, *live.AWAY),
    )

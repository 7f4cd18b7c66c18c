"""The live page of a job: authorised once, then messages are passed on as they come."""

from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from jobs.queue import queries
from jobs.queue.lifecycle import group_of
from jobs.queue.models import Job

NOT_SIGNED_IN = 4401
NOT_FOUND = 4404


class JobConsumer(AsyncJsonWebsocketConsumer):
    """`/ws/jobs/<id>`: `{type: status|progress|metric|log, …}`, beginning with where the job is now."""

    group = ""

    async def connect(self) -> None:
        member = self.scope.get("user")
        await self.accept()
        if member is None or not member.is_authenticated:
            await self.close(code=NOT_SIGNED_IN)
            return
        job = await self._find(member, self.scope["url_route"]["kwargs"]["job_id"])
        if job is None:
            await self.close(code=NOT_FOUND)
            return
        self.group = group_of(job.pk)
        await self.channel_layer.group_add(self.group, self.channel_name)
        now = {"status": job.status, "reason": job.end_reason, "sentence": job.message}
        await self.send_json({"type": "status", **now})
        await self.send_json({"type": "progress", "progress": job.progress, **job.position})

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 - Channels' signature
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing is expected from the browser; what comes is ignored, unread."""

    async def forward(self, message: dict[str, Any]) -> None:
        """Pass on a payload published by `portal.core.live`."""
        await self.send_json(message["payload"])

    @database_sync_to_async
    def _find(self, member: Any, job_id: str) -> Job | None:
        return queries.visible_to(member).filter(pk=job_id).first()

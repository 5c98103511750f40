"""What happens to pods when somebody stops this process, and what is said about it: one line for each step.

First signal: they go on. Second: they are ended in order. Third: nobody waits for that any longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized
from contextlib import suppress

from airbyte_workers.pods.pod import RemovalFailed
from airbyte_workers.quantities import duration
from airbyte_workers.runtime.live_pods import LivePod, LivePods, Seen
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.stopping import EndLimits, Stage, StopRequest

LOOK_S = 3.0
"""How long a look at pods may hold up a hand-over; an engine may hang."""
POLL_S = 0.5
AFTER_WORKER = ", for the next Temporal worker to take up"
AFTER_LOCAL = " without the stack, for any command within {lease} to take up"
"""What is true of pods that go on."""


class PodsLeft(StackError):
    """Pods that were to end with this process have not, or nobody knows."""


class Farewell:
    """The end of one process: `begin` before its workers stop polling, `end` once none polls any more."""

    def __init__(self, stop: StopRequest, say: Callable[[str], object], after: str) -> None:
        self.stop = stop
        self._say = say
        self._after = after
        self._pods: LivePods | None = None
        self._running: dict[str, str] = {}  # with what keeps one from being ended
        self._unseen: tuple[str, ...] = ()
        self._ended = {"in order": 0, "by force": 0}
        stop.tell(self._hear)

    async def begin(self, pods: LivePods) -> None:
        """Say what goes on."""
        if not self.stop.ends_a_run:
            return
        self._pods = pods
        await self._look(pods)
        if self.stop.stage is Stage.HAND_OVER:
            self._say(f"stopping: {self._going_on(pods)}{self._way_to_end_them(pods)}")

    async def end(self, pods: LivePods) -> None:
        """Leave the pods alone, or end them if somebody asks for that in time. Raises PodsLeft."""
        if not self.stop.ends_a_run:
            return
        try:
            await self._wait_for_another(pods)
            if self.stop.stage is Stage.PODS:
                await self._end_all(pods)
            elif self.stop.stage is Stage.HAND_OVER:
                await self._look(pods)
                self._say(f"stopped: {self._going_on(pods)}")
        finally:
            self._pods = None

    def _hear(self, stage: Stage) -> None:
        """Answers at once: whoever presses a key looks at the screen."""
        if not self.stop.ends_a_run or stage is Stage.HAND_OVER:
            return
        if self._pods is None:
            if stage is Stage.PODS and self._running:
                self._say(f"too late to stop pods: {_counted(self._running)}; start again, then stop twice")
        elif stage is Stage.PODS:
            limit = duration(self._pods.orderly_end_s)
            self._say(f"stopping {_counted(self._running)} in order, for at most {limit} (once more: leave at once)")
        else:
            self._say(f"leaving at once; may still run: {', '.join(self._running) or 'no pod'}")

    async def _see(self, pods: LivePods) -> Seen:
        seen = await pods.seen()
        self._running, self._unseen = {each.name: "" for each in seen.pods}, seen.unseen
        return seen

    # --- the first signal ---

    async def _look(self, pods: LivePods) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._see(pods)
        except TimeoutError:
            self._running, self._unseen = {}, (f"no answer within {LOOK_S:g} s",)

    def _going_on(self, pods: LivePods) -> str:
        unseen = "".join(f"; others cannot be seen: {each}" for each in self._unseen)
        if not self._running:
            return f"no pod runs{unseen}"
        after = self._after.format(lease=duration(pods.settings.lease_seconds))
        return f"{_counted(self._running)} {'goes' if len(self._running) == 1 else 'go'} on{after}{unseen}"

    def _way_to_end_them(self, pods: LivePods) -> str:
        if not self._running:
            return ""
        window = pods.settings.second_signal_s
        when = f"Ctrl-C within {window:g} s" if self.stop.by_hand and window else "another signal meanwhile"
        return f" ({when} stops pods, too)"

    async def _wait_for_another(self, pods: LivePods) -> None:
        """A hand-over is mostly quicker than a finger. A service manager, which sends SIGTERM, is not kept waiting."""
        while self.stop.by_hand and self.stop.stage is Stage.HAND_OVER:
            left = pods.settings.second_signal_s - self.stop.age_s
            if left <= 0:
                return
            await self._look(pods)
            if not (self._running or self._unseen) or await self.stop.within(min(left, POLL_S), Stage.PODS):
                return

    # --- the second ---

    async def _end_all(self, pods: LivePods) -> None:
        with suppress(TimeoutError):  # of the third signal, too, which says itself what may still run
            async with self.stop.limited(EndLimits.of(pods.settings).pods):
                seen = await self._see(pods)
                async with asyncio.TaskGroup() as tasks:
                    for pod in seen.pods:
                        tasks.create_task(self._end(pods, pod))
        if self.stop.stage is Stage.PODS:
            await self._tell_end(pods)

    async def _end(self, pods: LivePods, pod: LivePod) -> None:
        try:
            forced = await pods.end(pod)
        except RemovalFailed as error:
            self._running[pod.name] = str(error)
        else:
            del self._running[pod.name]
            self._ended["by force" if forced else "in order"] += 1

    async def _tell_end(self, pods: LivePods) -> None:
        if left := [*self._unseen, *(why or name for name, why in self._running.items())]:
            raise PodsLeft(f"pods may still run: {'; '.join(left)}")
        ended = ", ".join(f"{count} ended {how}" for how, count in self._ended.items() if count)
        await self._look(pods)
        if self._running or self._unseen:  # another Temporal worker of this host polls
            self._say(f"{ended or 'no pod to end'}; begun meanwhile: {', '.join([*self._running, *self._unseen])}")
        else:
            self._say("no pod runs any more" + (f": {ended}" if ended else ""))


def _counted(pods: Sized) -> str:
    return f"{len(pods)} pod{'' if len(pods) == 1 else 's'}"

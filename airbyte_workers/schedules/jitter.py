"""How far runs are spread so that many schedules do not start at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from airbyte_workers.settings import Settings

_MINUTE_S = 60


@dataclass(frozen=True)
class JitterRules:
    """Upstream's steps (airbyte-behaviour.md 3.8), minutes: the longer the wait for a run, the wider it may move."""

    no_jitter_cutoff: float = 5
    high_threshold: float = 90
    high_amount: float = 2
    medium_threshold: float = 150
    medium_amount: float = 5
    low_threshold: float = 390
    low_amount: float = 15
    very_low_amount: float = 25

    @classmethod
    def of(cls, settings: Settings) -> JitterRules:
        return cls(
            no_jitter_cutoff=settings.schedule_no_jitter_cutoff_minutes,
            high_threshold=settings.schedule_high_threshold_minutes,
            high_amount=settings.schedule_high_jitter_amount_minutes,
            medium_threshold=settings.schedule_medium_threshold_minutes,
            medium_amount=settings.schedule_medium_jitter_amount_minutes,
            low_threshold=settings.schedule_low_threshold_minutes,
            low_amount=settings.schedule_low_jitter_amount_minutes,
            very_low_amount=settings.schedule_very_low_jitter_amount_minutes,
        )

    def amount_s(self, wait_s: float) -> int:
        """The width, in seconds, in which a run moves that is waited for so long. Never longer than the wait."""
        minutes = wait_s / _MINUTE_S
        steps = (
            (self.no_jitter_cutoff, 0.0),
            (self.high_threshold, self.high_amount),
            (self.medium_threshold, self.medium_amount),
            (self.low_threshold, self.low_amount),
        )
        amount = next((amount for threshold, amount in steps if minutes <= threshold), self.very_low_amount)
        return int(min(amount * _MINUTE_S, wait_s))


def phase_s(anchor_s: int, every_s: int, jitter_s: int) -> int:
    """Where, in its interval, the time lies from which Temporal moves each run by up to `jitter_s`, never earlier.

    Half of the jitter lies before the anchor's beat, so that runs are spread to both sides of it, as upstream's are.
    """
    return (anchor_s - jitter_s // 2) % every_s

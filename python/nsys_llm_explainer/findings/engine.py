"""Runs the rules, settles which device time belongs to which finding, and puts the strongest first."""

from __future__ import annotations

from dataclasses import replace

from nsys_llm_explainer.findings import facts
from nsys_llm_explainer.findings.registry import RULES
from nsys_llm_explainer.findings.rule import Claim, DeviceKey, Draft, Pool
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import SEVERITIES, Evidence, Finding, Report


def find(report: Report) -> tuple[Finding, ...]:
    """Returns the findings of a report, strongest first: by severity, then time at stake, then id.

    Args:
        report: A report; findings that it already holds are not looked at.
    """
    ledger = DeviceLedger(facts.devices(report))
    settled = [ledger.settle(draft) for rule in RULES for draft in rule.check(report)]
    return tuple(sorted(settled, key=_strength))


def _strength(finding: Finding) -> tuple[int, int, str, str]:
    return SEVERITIES.index(finding.severity), -(finding.at_stake_ns or 0), finding.id, finding.title


class DeviceLedger:
    """The device time that no finding has claimed yet: no nanosecond of a window is given out twice.

    Rules claim in the order of the registry, so the more specific rule stands before the one that covers it.
    """

    def __init__(self, devices: tuple[facts.Device, ...]) -> None:
        """Starts with the whole window of every device, divided into its pools."""
        self._total = sum(device.window_ns for device in devices)
        self._left: dict[tuple[Pool, DeviceKey], int] = {}
        for device in devices:
            self._left[Pool.IDLE, device.key] = device.idle_ns
            self._left[Pool.COPY, device.key] = device.copy_ns
            self._left[Pool.KERNEL, device.key] = device.kernel_busy_ns
        self._all = dict(self._left)

    def settle(self, draft: Draft) -> Finding:
        """Returns the finding with the device time that is its own; a finding without claims has none."""
        if not draft.claims or not self._total:
            return draft.finding
        wanted = sum(min(claim.ns, self._whole(claim)) for claim in draft.claims)
        granted = sum(self._grant(claim) for claim in draft.claims)
        evidence = draft.finding.evidence
        if granted < wanted:
            text = f"{fmt.duration(wanted - granted)} of this time is at stake in another finding and not counted here"
            evidence = (*evidence, Evidence(text, values={"counted_elsewhere_ns": wanted - granted}))
        return replace(draft.finding, evidence=evidence, at_stake_ns=granted, at_stake_share=granted / self._total)

    def _whole(self, claim: Claim) -> int:
        """Returns how much time of the claim's kind there is, claimed or not."""
        if claim.device is not None:
            return self._all.get((claim.pool, claim.device), 0)
        return sum(ns for (pool, _), ns in self._all.items() if pool is claim.pool)

    def _grant(self, claim: Claim) -> int:
        if claim.device is None:
            return self._grant_anywhere(claim)
        key = (claim.pool, claim.device)
        granted = min(claim.ns, self._left.get(key, 0))
        if granted:
            self._left[key] -= granted
        return granted

    def _grant_anywhere(self, claim: Claim) -> int:
        """Grants time that may lie on any device, so that from now on it counts as taken on each of them."""
        keys = [key for key in self._left if key[0] is claim.pool]
        granted = min(claim.ns, sum(self._left[key] for key in keys))
        for key in keys:
            self._left[key] = max(0, self._left[key] - granted)
        return granted

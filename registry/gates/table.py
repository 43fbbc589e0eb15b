"""Every kind of gate that is run, by its id in the policy; `held` is answered by the history alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from registry.gates import Run, card, custom, evaluation, format, interface, license, metric, size  # noqa: A004 - modules

RUNS: Mapping[str, Run] = MappingProxyType(
    {
        "metric": metric.run,
        "interface": interface.run,
        "card": card.run,
        "size": size.run,
        "format": format.run,
        "license": license.run,
        "evaluation": evaluation.run,
        "custom": custom.run,
    }
)

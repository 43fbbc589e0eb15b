"""Every kind of gate that is run, by its id in the policy; `held` is answered by the history alone.

A reader of the registry runs them in two parts (`registry.api.entering`): `COMMITTED` look at the registry's own files
alone, whenever it is asked what a stage holds, and `BROUGHT` at the model's verified files, when they are brought.
"""

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
COMMITTED: Mapping[str, Run] = MappingProxyType(
    {
        "metric": metric.run_committed,
        "interface": interface.run_committed,
        "card": card.run,
        "license": license.run,
        "evaluation": evaluation.run,
    }
)
"""What the registry's own files say of a version."""
BROUGHT: Mapping[str, Run] = MappingProxyType(
    {
        "metric": metric.run,
        "interface": interface.run_brought,
        "size": size.run_brought,
        "format": format.run,
    }
)
"""What the model's verified files say; `metric` where its number is a certificate's, which its source must say too."""

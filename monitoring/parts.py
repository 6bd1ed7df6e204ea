"""One verdict of a check in two parts: of the columns that arrived, and of what the champion makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from monitoring.drift import Compared, DriftVerdict, Side, compare_sides

if TYPE_CHECKING:
    from learning.spec import DriftPolicy


def compare_outputs(
    reference: Side, current: Side, columns: Sequence[Compared], policy: DriftPolicy, reference_name: str
) -> DriftVerdict:
    """Compare what the champion makes of two sides: `compare_sides`, in which only silence is a fault.

    Predictions and features that moved far are what a retrain is for; a chance of one in a million may well be one in a
    thousand on another day. Where they are all missing or all the same, the rows are at fault.
    """
    found = compare_sides(reference, current, columns, policy, reference_name=reference_name)
    silent = {column.name for column in columns if current.values[column.name].drop_nulls().n_unique() < 2}
    attention = tuple(sentence for sentence in found.attention if any(f"'{name}'" in sentence for name in silent))
    reason = found.reason
    for sentence in set(found.attention) - set(attention):
        reason = reason.replace(f"{sentence}; ", "")
    shown = tuple(replace(column, broken=column.broken and column.column in silent) for column in found.columns)
    broken = any(column.broken for column in shown)
    return replace(found, columns=shown, broken=broken, attention=attention, reason=reason)


def together(
    inputs: DriftVerdict | None, outputs: DriftVerdict | None, remarks: tuple[str, ...] = ()
) -> DriftVerdict | None:
    """Drift where one of the parts has drift, broken where something is; None where neither could be compared.

    A model of fifty columns and one prediction would never say drift for the prediction's sake, were its share counted
    among them.

    Args:
        inputs: of the columns that arrived.
        outputs: of predictions and features.
        remarks: sentences that a reader should have first, such as why a part is missing.

    Example:
        >>> calm = DriftVerdict(False, 0.0, "0 of 4 columns drifted", ())
        >>> together(calm, replace(calm, drifted=True, share=1.0, reason="1 of 1 columns drifted")).reason
        '0 of 4 columns drifted; of what the champion makes of them, 1 of 1 columns drifted'
    """
    parts = [part for part in (inputs, outputs) if part]
    if not parts:
        return None
    reasons = [*remarks, *([inputs.reason] if inputs else [])]
    reasons += [f"of what the champion makes of them, {outputs.reason}"] if outputs else []
    return replace(
        parts[0],
        drifted=any(part.drifted for part in parts),
        share=max(part.share for part in parts),
        reason="; ".join(reasons),
        columns=tuple(column for part in parts for column in part.columns),
        broken=any(part.broken for part in parts),
        attention=tuple(sentence for part in parts for sentence in part.attention),
    )

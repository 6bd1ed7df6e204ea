"""One page about one backtest: what is advised, what each policy came to, and how far each is from the best there was.

Records in, HTML out; one file, without scripts or network (monitoring/document.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.backtest_plots import cost_plot, difference_plot, loss_plot
from monitoring.document import document, facts, name, shown, table
from monitoring.plots import drawn

if TYPE_CHECKING:
    from evaluation.backtest_report import Report
    from evaluation.intervals import Interval
    from evaluation.policy_figures import Figures

POLICIES = 12  # that are drawn over time: a page has to stay a page
COSTS = {"cpu_s": "processor seconds", "trained_rows": "rows trained", "labels": "labels"}
PRICES = 5  # columns of the oracle's table


def backtest_page(seen: Report) -> str:
    """The whole page as HTML."""
    title = f"{seen.backtest.model}: what retraining policies would have come to"
    sections = [
        f"<h1>{shown(title)}</h1>",
        advice_section(seen),
        policies_section(seen),
        baselines(seen),
        costs_section(seen),
        courses_section(seen),
        oracle_section(seen),
    ]
    return document(title, "\n".join(filter(None, sections)))


def advice_section(seen: Report) -> str:
    """The sentence first, then what else to know before anybody acts on it."""
    blocks = seen.compared.losses.blocks
    rows = int(seen.compared.losses.rows.sum())
    between = f"{blocks[0]:%Y-%m-%d} to {blocks[-1]:%Y-%m-%d}: {len(blocks):,} blocks, {rows:,} rows" if blocks else ""
    remarks = "".join(f"<li>{shown(one)}</li>" for one in seen.advice.remarks)
    said = f"<p><small>{between}</small></p>\n<p><b>{shown(seen.advice.sentence)}</b></p>"
    return said + (f"<ul>{remarks}</ul>" if remarks else "")


def policies_section(seen: Report) -> str:
    """A line a policy."""
    heads = {
        "policy": "", "loss": "n", "difference": "n", "retrains": "n", "promoted": "n wide",
        "refused": "n wide", "rolled back": "n wide", "CPU s": "n wide", "rows trained": "n wide",
    }  # fmt: skip
    rows = [policy_line(seen, number, one) for number, one in enumerate(seen.compared.found, 1)]
    caption = (
        "The mean loss, and by how much it differs from the present policy's, with an interval of 90 % by ten "
        "stretches of time; lower is better. Retrains count whatever came of them."
    )
    return "<h2>Policies</h2>" + table(heads, rows, caption)


def policy_line(seen: Report, number: int, one: Figures) -> list[str]:
    """What a policy came to, in cells."""
    result = seen.backtest.policy(one.policy)
    changed = ", ".join(f"{key}={value}" for key, value in result.overrides.items())
    present = one.policy == seen.backtest.present
    mark = " (present)" * (present and one.policy != "present")
    called = f"{number}. {name(one.policy)}{mark}" + (f" <small>{shown(changed)}</small>" if changed else "")
    scale = seen.compared.losses.mean(seen.backtest.present)
    beside = "" if present else change(seen.compared.losses.difference(one.policy, seen.backtest.present), scale)
    counts = one.retrains, one.promotions, one.refusals, one.rollbacks
    return [
        called,
        f"{one.mean:.4g}",
        beside,
        *map("{:,}".format, counts),
        f"{one.cpu_s:,.0f}",
        f"{one.trained_rows:,}",
    ]


def change(found: Interval | None, scale: float) -> str:
    """A difference of mean losses, relative to one, and its interval on a line of its own."""
    if found is None or not scale:
        return "cannot tell"
    between = f"<small>{found.low / scale:+.1%} to {found.high / scale:+.1%}</small>"
    return f"{found.mean / scale:+.1%}<br>{between}"


def baselines(seen: Report) -> str:
    """What predicting without a model loses."""
    losses = seen.compared.losses
    known = {f"{name(one)} (no model)": f"{losses.mean(one):.4g}" for one in seen.backtest.baselines}
    return facts(known) if known and losses.blocks else ""


def costs_section(seen: Report) -> str:
    """Loss against each cost."""
    if not seen.compared.losses.blocks:
        return ""
    found, plots = seen.compared.found, list[str]()
    said = "Numbers are those of the table. No other policy beats those on the line in both loss and cost."
    for cost, words in COSTS.items():
        if len({getattr(one, cost) for one in found}) > 1:
            plots.append(f"<figure>{drawn(cost_plot(found, seen.fronts[cost], cost, words))}</figure>")
        else:
            said += f" All of them had as many {words}: {getattr(found[0], cost):,.0f}."
    return f'<h2>Cost and loss</h2><p><small>{said}</small></p><div class="two">{"".join(plots)}</div>'


def courses_section(seen: Report) -> str:
    """Each policy over time, those with the lowest loss if there are too many."""
    if not seen.compared.losses.blocks:
        return ""
    best = sorted(seen.compared.found, key=lambda one: one.mean)[:POLICIES]
    left = len(seen.compared.found) - len(best)
    said = (
        '<span class="ink-blue">━ the policy, with the interval that its blocks give</span> &nbsp; '
        '<span class="ink-grey">╌ the present policy</span><br>'
        '<span class="ink-blue">● promoted</span> &nbsp; <span class="ink-grey">● refused</span> &nbsp; '
        '<span class="ink-red">● rolled back</span> &nbsp; <span class="ink-red">┊ its losses broke</span>. Right: '
        "its mean loss from the beginning up to each day, less the present one's; each interval is for itself."
    )
    said += f" {left:,} more policies, with higher losses, are not drawn." * (left > 0)
    drawings = [course_figures(seen, one.policy) for one in seen.compared.found if one in best]
    return f"<h2>Over time</h2><p><small>{said}</small></p>" + "\n".join(drawings)


def course_figures(seen: Report, policy: str) -> str:
    """A policy's loss, and its difference from the present one."""
    plots = [loss_plot(seen, policy)]
    if policy != seen.backtest.present:
        plots.append(difference_plot(seen, policy))
    kinds = [kind for kind, _ in seen.happened[policy]]
    counted = ", ".join(
        f"{kinds.count(kind):,} {words}"
        for kind, words in (("promotion", "promoted"), ("refusal", "refused"), ("rollback", "rolled back"))
    )
    figures = "".join(f"<figure>{drawn(one)}</figure>" for one in plots)
    return f'<h3>{name(policy)}</h3><p><small>{counted}</small></p><div class="two">{figures}</div>'


def oracle_section(seen: Report) -> str:
    """How far each policy is from the exact plan, price by price."""
    if not seen.oracle:
        return ""
    step = max((len(seen.oracle) - 1) // (PRICES - 1), 1)
    at = seen.oracle[::step]
    heads = {"price of a retrain": ""} | {f"{one.plan.price:.3g}": "n" for one in at}
    lines = [["exact plan: retrains", *(f"{len(one.plan.retrains):,}" for one in at)]]
    lines += [[name(one.policy), *(f"{beside.above[one.policy]:+.1%}" for beside in at)] for one in seen.compared.found]
    said = (
        "The exact plan knows what came: no plan of retrains over the same versions has a lower sum of loss and price. "
        "Below it, how far each policy's total is above; a price is in units of one row's loss. A version is taken for "
        "the same whatever was trained before it."
    )
    return f"<h2>Beside the best there was</h2><p><small>{said}</small></p>" + table(heads, lines, kind="words")

"""The results page's HTML: the preference in one sentence, its interval as a picture, counts and categories."""

from __future__ import annotations

from html import escape
from typing import Any

WINNERS = {"model1": "Model 1", "model2": "Model 2", "tie": "Equally good", "both_bad": "Both bad"}


def preference_sentence(result: dict[str, Any], alpha: float) -> str:
    """What the votes say, in one sentence with its interval; `result` is a summary of `feedback.statistics`."""
    preference, testers = result["preference"], result["n_testers"]
    if preference["estimate"] is None:
        return "There are no votes yet."
    basis = f"{_many(testers, 'tester')}, {_many(result['n_votes'], 'vote')}"
    share = preference["estimate"]
    lead = "Model 1" if share > 0.5 else "Model 2"
    share = max(share, 1 - share)
    said = f"Testers prefer {lead} by {_percent(share)} to {_percent(1 - share)}"
    if share == 0.5:
        said = "Testers prefer neither model"
    if preference["ci_low"] is None:
        return f"So far: {said[0].lower()}{said[1:]} ({basis}; an interval needs at least 10 testers)."
    low, high = preference["ci_low"], preference["ci_high"]
    interval = f"{_percent(low)} to {_percent(high)} for Model 1"
    settled = "" if low > 0.5 or high < 0.5 else "; this does not rule out that neither is preferred"
    return f"{said} ({1 - alpha:.0%} interval {interval}; {basis}){settled}."


def results_html(result: dict[str, Any], alpha: float, label: str, live: str) -> str:
    """The whole tab."""
    numbers = {
        "Votes": result["n_votes"],
        "Testers": result["n_testers"],
        "Sessions closed": result["n_testers_closed"],
    }
    cards = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in numbers.items())
    anytime = result["anytime"]
    always = ""
    if anytime["n_closed"]:
        always = (
            f"<p>However often you look: {_percent(anytime['ci_low'])} to {_percent(anytime['ci_high'])} for Model 1 "
            f"({_many(anytime['n_closed'], 'closed session')}, e-value {anytime['e_value']:.2f}).</p>"
        )
    return (
        f'<p class="over">{escape(label)} · {escape(live)}</p><h1>{escape(preference_sentence(result, alpha))}</h1>'
        f'{_picture(result["preference"])}{always}<dl class="numbers">{cards}</dl>'
        f'<div class="tables">{_counts(result["counts"])}{_categories(result["by_category"])}</div>'
    )


def _picture(preference: dict[str, Any]) -> str:
    """The share preferring Model 1 on a line from 0 to 100%, with its interval where there is one."""
    if preference["estimate"] is None:
        return ""
    low, high = preference["ci_low"], preference["ci_high"]
    span = ""
    if low is not None:
        span = f'<i class="span" style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
    return (
        '<figure class="scale" aria-hidden="true"><div class="line"><i class="middle"></i>'
        f'{span}<i class="point" style="left:{100 * preference["estimate"]:.1f}%"></i></div>'
        "<figcaption><span>Model 2</span><span>Model 1</span></figcaption></figure>"
    )


def _counts(counts: dict[str, int]) -> str:
    total = max(1, sum(counts.values()))
    rows = "".join(
        f"<tr><th scope='row'>{name}</th><td>{counts[winner]}</td><td>{counts[winner] / total:.0%}</td></tr>"
        for winner, name in WINNERS.items()
    )
    return f"<table><caption>Votes by outcome</caption><tbody>{rows}</tbody></table>"


def _categories(categories: list[dict[str, Any]]) -> str:
    if not categories:
        return ""
    rows = "".join(
        f"<tr><th scope='row'>{escape(str(entry['category']))}</th><td>{entry['n_votes']}</td>"
        f"<td>{_percent(entry['estimate'])}</td><td>{_range(entry)}</td></tr>"
        for entry in categories
    )
    titles = ("Category", "Votes", "Model 1", "Interval")
    head = "<tr>" + "".join(f"<th scope='col'>{title}</th>" for title in titles) + "</tr>"
    return f"<table><caption>Preference by category</caption><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _range(entry: dict[str, Any]) -> str:
    return "–" if entry["ci_low"] is None else f"{_percent(entry['ci_low'])} to {_percent(entry['ci_high'])}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

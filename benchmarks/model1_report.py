"""The report of `model1_training.py` in Markdown, from its results alone."""

from __future__ import annotations

import statistics
from typing import Any

Row = dict[str, Any]

NAMES = {
    "ours": "Diptych",
    "ours (compiled)": "Diptych, torch.compile",
    "ours (AdamW, compiled)": "Diptych, AdamW, torch.compile",
    "trainer": "transformers' Trainer (SDPA)",
    "trainer (eager)": "transformers' Trainer (eager)",
    "trainer (compiled)": "transformers' Trainer (SDPA, torch.compile)",
    "litgpt": "litgpt pretrain",
    "coursework": "the coursework's way (padded to 512, fp32)",
}

TOKENS_A_STEP = 131_072
"""Of the profile `seed`."""


def report(rows: list[Row]) -> str:
    """All that was measured so far, and each target with how far it is."""
    setting = next(row for row in rows if row["kind"] == "setting")
    failed = [row for row in rows if "error" in row]
    rows = [row for row in rows if "error" not in row]
    parts = [
        "# Benchmarks of Model 1's training",
        f"Written by `benchmarks/model1_training.py`. {setting['machine']}, PyTorch {setting['torch']}; "
        f"{setting['documents']:,} training rows, {setting['held_out']:,} held out; the fastest matrix product "
        f"{setting['peak_flops'] / 1e9:,.0f} GFLOPS. Every measurement is a process of its own, the ways take turns. A "
        "useful token is one of a row's text, not padding. Steps that compile or allocate for the first time do not "
        "count. litgpt always compiles; Diptych does in long runs where it measures that it pays.",
        *(_speed(rows, setting, size) for size in setting["flops_a_token"]),
        _padded(rows),
        _quality(rows),
        _profile(rows),
        _targets(rows, setting),
        "\n".join(
            f"- {row['kind']} {row.get('size', '')} {row.get('way', '')} failed: {row['error']}" for row in failed
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines])


def _spread(values: list[float], form: str) -> str:
    """The median, and the least and largest where there are several."""
    middle = format(statistics.median(values), form)
    return middle if len(values) == 1 else f"{middle} ({min(values):{form}} to {max(values):{form}})"


def _of(rows: list[Row], /, **key: Any) -> dict[str, list[Row]]:
    """Rows with the given values, by way."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if all(row.get(name) == value for name, value in key.items()):
            found.setdefault(row["way"], []).append(row)
    return found


def _median(rows: list[Row], name: str) -> float:
    return statistics.median(row[name] for row in rows)


def _speed(rows: list[Row], setting: Row, size: str) -> str:
    ways = _of(rows, kind="speed", size=size, rows="all")
    if "ours" not in ways:
        return ""
    lines = []
    for way, found in ways.items():
        per_second = [row["places"] / row["useful_tokens"] * row["useful_per_second"] for row in found]
        share = statistics.median(per_second) * setting["flops_a_token"][size] / setting["peak_flops"]
        ratio = _median(ways["ours"], "useful_per_second") / _median(found, "useful_per_second")
        lines.append(
            [
                NAMES[way],
                _spread(per_second, ",.0f"),
                _spread([row["useful_per_second"] for row in found], ",.0f"),
                f"{ratio:.2f}",
                f"{_median(found, 'peak_bytes') / 1e9:.2f}",
                f"{share:.0%}",
                f"{_median(found, 'warm_up_seconds'):.0f}",
            ]
        )
    head = [
        "way",
        "tokens/s",
        "useful tokens/s",
        "ours is faster by",
        "peak memory, GB",
        "of the peak",
        "first steps, s",
    ]
    text = f"## Speed, {size} ({ways['ours'][0]['parameters'] / 1e6:.1f}M parameters)\n\n{_table(head, lines)}"
    if "muon_seconds" in ways["ours"][0]:
        muon = _median(ways["ours"], "muon_seconds")
        step = TOKENS_A_STEP / _median(ways["ours"], "useful_per_second")
        text += (
            f"\n\nAll with AdamW. Muon's step takes {muon:.1f} s whatever the batch: {muon / (step + muon):.1%} of one "
            f"of the profile's {TOKENS_A_STEP:,} tokens."
        )
    return text


def _padded(rows: list[Row]) -> str:
    ways = _of(rows, kind="speed", rows="qa")
    if not {"ours", "coursework"} <= ways.keys():
        return ""
    ratio = _median(ways["ours"], "useful_per_second") / _median(ways["coursework"], "useful_per_second")
    lines = [
        [
            NAMES[way],
            _spread([row["useful_per_second"] for row in found], ",.0f"),
            f"{sum(row['useful_tokens'] for row in found) / sum(row['places'] for row in found):.0%}",
            f"{_median(found, 'peak_bytes') / 1e9:.2f}",
        ]
        for way, found in ways.items()
    ]
    table = _table(["way", "useful tokens/s", "places that hold text", "peak memory, GB"], lines)
    return f"## Questions and answers, 6M\n\n{table}\n\nOurs is {ratio:.1f} times as fast."


def _quality(rows: list[Row]) -> str:
    texts = []
    for seconds in sorted({row["time"] for row in rows if row["kind"] == "quality"}):
        lines = []
        for way, found in _of(rows, kind="quality", time=seconds).items():
            memory = f"{_median(found, 'peak_bytes') / 1e9:.2f}"
            bits = [_best_bits(row) for row in found]
            deviation = f"{statistics.stdev(bits):.4f}" if len(bits) > 1 else "-"
            tokens = _median(found, "useful_tokens") / 1e6
            name = _name(way)
            lines.append([name, str(len(bits)), f"{tokens:.2f}M", _spread(bits, ".4f"), deviation, memory])
        head = ["way", "seeds", "tokens", "bits per byte", "standard deviation", "peak memory, GB"]
        texts.append(
            f"## Held-out bits per byte after {seconds:.0f} s, 6M\n\n{_table(head, lines)}\n\n"
            "The clock starts after the first steps, so that compiling costs nobody anything. Every model is scored by "
            "the same code twice, each document alone and rows in which a token sees what is before it; the better "
            "counts. Bytes are those of the texts, the form's own tokens count as bits only."
        )
    return "\n\n".join(texts + _tuning(rows))


def _name(way: str) -> str:
    """Of a way whose settings were chosen for it."""
    return NAMES.get(way, way).removesuffix(" (SDPA)")


def _tuning(rows: list[Row]) -> list[str]:
    """What was tried for the others, and what each was given."""
    tried: dict[str, list[Row]] = _of(rows, kind="tuning")
    return [
        f"{_name(way)} was tuned in runs of {found[0]['time']:.0f} s, bits per byte: "
        + "; ".join(f"{_words(row)} {_best_bits(row):.4f}" for row in found)
        + f". It was given {_words(next(row for row in rows if row['kind'] == 'quality' and row['way'] == way))}."
        for way, found in tried.items()
    ]


def _words(row: Row) -> str:
    """Settings of another's way."""
    options = row["options"]
    attention = options.get("attention", "sdpa") if row["way"] == "trainer" else ""
    parts = [attention, "compiled" if options.get("compile") else "", f"rate {row['learning_rate']:g}"]
    return " ".join(part for part in parts if part)


def _best_bits(row: Row) -> float:
    return float(min(row["bits_per_byte"].values()))


def _profile(rows: list[Row]) -> str:
    texts = []
    for row in rows:
        if row["kind"] == "profile":
            total = sum(row["parts"].values())
            lines = [[part, f"{ms:.1f}", f"{ms / total:.0%}"] for part, ms in row["parts"].items()]
            table = _table(["part", "ms", "share"], [*lines, ["a step", f"{total:.1f}", ""]])
            texts.append(f"## Where a step of ours goes, {row['size']}\n\n{table}")
    return "\n\n".join(texts)


def _targets(rows: list[Row], setting: Row) -> str:
    lines: list[list[str]] = []

    def add(what: str, target: float, reached: float, higher_is_better: bool) -> None:
        met = reached >= target if higher_is_better else reached <= target
        gap = "met" if met else f"missed by {abs(reached - target) / target:.1%}"
        lines.append([what, f"{'at least' if higher_is_better else 'at most'} {target:.2f}", f"{reached:.3f}", gap])

    targets = setting["targets"]
    for size in setting["flops_a_token"]:
        ways = _of(rows, kind="speed", size=size, rows="all")
        trainers = [found for way, found in ways.items() if way.startswith("trainer")]
        if "ours" not in ways:
            continue
        best = max(trainers, key=lambda found: _median(found, "useful_per_second"), default=[])
        for own in (("ours", "ours (compiled)"), ("ours (AdamW, compiled)",)):
            way = max(ways.keys() & own, key=lambda way: _median(ways[way], "useful_per_second"), default=None)
            if way is None:
                continue
            speed, what = _median(ways[way], "useful_per_second"), f"{size} ({NAMES[way]})"
            if best:
                ratio = speed / _median(best, "useful_per_second")
                add(f"times the Trainer's speed, {what}", targets["trainer"], ratio, True)
                memory = (_median(found, "peak_bytes") / 1e9 for found in (best, ways[way]))
                add(f"peak memory in GB, {what}", *memory, False)
            if "litgpt" in ways:
                ratio = speed / _median(ways["litgpt"], "useful_per_second")
                add(f"times litgpt's speed, {what}", targets["litgpt"], ratio, True)
    qa = _of(rows, kind="speed", rows="qa")
    if {"ours", "coursework"} <= qa.keys():
        ratio = _median(qa["ours"], "useful_per_second") / _median(qa["coursework"], "useful_per_second")
        add("times the coursework's speed, questions and answers", targets["coursework"], ratio, True)
    at_equal_time = _of(rows, kind="quality", time=240.0)
    for way, quality in at_equal_time.items():
        if way.startswith("ours"):
            bits = statistics.median(_best_bits(row) for row in quality)
            add(f"bits per byte after 240 s ({way})", targets["bits_per_byte"], bits, False)
            if "trainer" in at_equal_time:
                memory = (_median(found, "peak_bytes") / 1e9 for found in (at_equal_time["trainer"], quality))
                add(f"peak memory in GB, 240 s ({way})", *memory, False)
    return f"## Targets\n\n{_table(['what', 'target', 'reached', ''], lines)}" if lines else ""

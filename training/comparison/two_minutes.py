"""What to say in two minutes: sentences that each carry their number, and none that the numbers do not support.

A difference is claimed only where the interval of the paired difference leaves out zero (or, of speeds, where the
repeated runs of the two do not overlap); otherwise the sentence says that no difference can be claimed. Where a part
was not measured there is no sentence, and the reason is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from training.comparison.content import Claim, Section, Text, Unsaid, say
from training.comparison.evidence import Comparison, ModelEvidence
from training.comparison.headings import answering_energy, in_everyday_terms, parameters, trained_energy
from training.comparison.quality import (
    FEW,
    SPLITS,
    accuracy_difference,
    benchmarks,
    bits,
    bits_difference,
    cut_differently,
    knowledge,
    named,
    part_bits,
    with_interval,
)
from training.comparison.user_testing import blinding, headline
from training.comparison.values import Value, decimal, duration, large, one_place, percent, ratio, size
from training.reporting.everyday import everyday_energy
from training.reporting.verdict import ending_in_words, in_words, score_of, share_in_words, shortfall

BENCHMARKS = 3
"""More of them would not fit into two minutes, nor would groups of more than the first; the tables have them all."""
Said = Iterator[Claim | Unsaid]


def two_minutes(comparison: Comparison) -> Section:
    """The sentences in the order of the report, then what cannot be said and why."""
    parts = (
        _cut_short, _size, _training, _held_out, _generalisation, _knowledge, _endings, _speed, _memory, _energy,
        _testing, _perplexity,
    )  # fmt: skip
    found = [entry for part in parts for entry in part(comparison)]
    claims = tuple(entry for entry in found if isinstance(entry, Claim))
    unsaid = tuple(f"{entry.topic}: {entry.reason}." for entry in found if isinstance(entry, Unsaid))
    lead = (
        "Each sentence rests on the figures in it. Where the data do not support a difference, the sentence says so;"
        " what was not measured has no sentence."
    )
    return Section("two-minutes", "What to say in two minutes", lead, claims, unsaid)


def _said(topic: str, text: Text | None, otherwise: str = "it was not measured for both models") -> Claim | Unsaid:
    return Unsaid(topic, otherwise) if text is None else Claim(topic, text)


def _both(comparison: Comparison, get: Callable[[ModelEvidence], Value | None]) -> list[Value | None]:
    return [get(model) for model in comparison.models]


def _cut_short(comparison: Comparison) -> Said:
    """Of a model that was given too little time, or has learned too little: before anything else."""
    for model in comparison.models:
        report = model.report
        if not report or not (report.at("ended_by").content == "time" or shortfall(report.content)):
            continue
        kind, _ = score_of(report.content) or ("", 0.0)
        ended = report.value("ended_by", show=ending_in_words), report.value("plan_share", show=share_in_words)
        score = report.value("val", kind, "bits_per_byte", show=decimal)
        begin = f"Before anything else: the training of {model.title} was ended by {{}} at {{}} of its plan"
        end = ", so every sentence about it tells of a model that had not learned what it could."
        text = say(f"{begin}, at {{}} bits a byte on {in_words(kind)}{end}", *ended, score) or say(begin + end, *ended)
        yield _said(f"Training of {model.title}, its end", text, "its training report does not tell how far it came")


def _size(comparison: Comparison) -> Said:
    first, second = _both(comparison, parameters)
    text = None
    if first is not None and second is not None:
        smaller, larger = sorted((first, second), key=lambda value: value.estimate)
        names = ("Model 1", "Model 2") if smaller is first else ("Model 2", "Model 1")
        template = f"{names[0]} has {{}} parameters, {names[1]} {{}}: {{}} as many."
        text = say(template, smaller, larger, ratio(larger, smaller))
        if smaller.raw == larger.raw:
            text = say("Both models have {} parameters.", first)
    yield _said("Size", text)


def _training(comparison: Comparison) -> Said:
    for model in comparison.models:
        base = model.report.value("base")
        values = [model.report.value("tokens", show=large), model.report.value("train_seconds", show=duration)]
        begin = "with random weights" if base is None else "as {}, trained by others,"
        template = f"{model.title} began {begin} and learned from {{}} tokens in {{}}."
        text = say(template, *([] if base is None else [base]), *values)
        yield _said(f"Training of {model.title}", text, "its training report is not there")


def _held_out(comparison: Comparison) -> Said:
    difference, (first, second) = bits_difference(comparison), _both(comparison, bits)
    topic = "Held-out text"
    if difference is None or first is None or second is None or None in (difference.ends, first.ends, second.ends):
        yield Unsaid(topic, "there is no paired difference of both models over the same held-out samples")
        return
    if difference.excludes(0):
        better, (a, b) = (1, (first, second)) if difference.estimate < 0 else (2, (second, first))
        template = (
            f"On held-out answers Model {better} predicts better: {{}} bits a byte against {{}}, a difference of {{}}."
        )
    else:
        a, b = first, second
        template = (
            "On held-out answers no difference can be claimed: {} bits a byte for Model 1 and {} for Model 2, a"
            " difference of {}, whose interval includes zero."
        )
    yield _said(topic, say(template, a.point(), b.point(), difference))


def _generalisation(comparison: Comparison) -> Said:
    for model in comparison.models:
        known, new = (part_bits(model, "split", split) for split in SPLITS)
        topic = f"New facts, {model.title}"
        if known is None or new is None or None in (known.ends, new.ends):
            yield Unsaid(topic, f"known facts in new words and new facts were not both measured on {FEW} samples")
        elif known.apart_from(new):
            template = f"{model.title} needs {{}} bits a byte for known facts in new words, {{}} for new facts."
            yield _said(topic, say(template, known.point(), new.point()))
        else:
            text = say(
                f"For {model.title} no difference can be claimed between known facts in new words, {{}}, and new ones,"
                " {}.",
                known,
                new,
            )
            yield _said(topic, text)


# -- knowledge ------------------------------------------------------------------------------------------------------


def _knowledge(comparison: Comparison) -> Said:
    names = benchmarks(comparison)
    if not names:
        yield Unsaid("Knowledge", "no benchmark was measured")
    for name in names[:1]:
        groups = (knowledge(model, name).at("groups") for model in comparison.models)
        for group in named(groups, "group") or [""]:
            yield _against_chance(comparison, name, group)
    for name in names[:BENCHMARKS]:
        yield _knowledge_difference(comparison, name)


def _against_chance(comparison: Comparison, name: str, group: str) -> Claim | Unsaid:
    parts = [knowledge(model, name) for model in comparison.models]
    if group:
        parts = [part.at("groups").find(group=group) for part in parts]
    shares = [with_interval(part, "accuracy", n="n", show=percent) for part in parts]
    chances = [part.value("chance", show=percent) for part in parts]
    topic = f"{name}, {group}" if group else name
    there = [
        (model.title, share, chance)
        for model, share, chance in zip(comparison.models, shares, chances, strict=True)
        if share is not None and share.ends is not None and chance is not None
    ]
    if not there:
        return Unsaid(topic, f"no accuracy over at least {FEW} questions with its interval and its chance")
    above = [
        title for title, share, chance in there if share.excludes(chance.estimate) and share.estimate > chance.estimate
    ]
    verdict = _verdict([title for title, _, _ in there], above)
    right = ", ".join([f"{there[0][0]} is right in {{}}", *(f"{title} in {{}}" for title, _, _ in there[1:])])
    guessed = {chance.text: chance for _, _, chance in there}  # they differ where the questions left out do
    guesses = " and ".join(["{}"] * len(guessed))
    text = say(
        f"On the benchmark “{{}}” {right}, guessing in {guesses}: {verdict}.",
        f"{name}, {group}" if group else name,
        *(share for _, share, _ in there),
        *guessed.values(),
    )
    return _said(topic, text)


def _verdict(asked: list[str], above: list[str]) -> str:
    """Who does better than guessing, as far as the intervals say."""
    if not above:
        return f"{'neither can' if len(asked) > 1 else 'it cannot'} be said to beat guessing"
    if len(above) == len(asked):
        return "both beat guessing" if len(asked) > 1 else "it beats guessing"
    other = next(title for title in asked if title not in above)
    return f"{above[0]} beats guessing, which cannot be said of {other}"


def _knowledge_difference(comparison: Comparison, name: str) -> Claim | Unsaid:
    difference, topic = accuracy_difference(comparison, name), f"{name}, difference"
    if difference is None or difference.ends is None:
        return Unsaid(topic, f"there is no paired difference of both models over the same {FEW} questions or more")
    if difference.excludes(0):
        verdict = f"Model {1 if difference.estimate > 0 else 2} knows more"
    else:
        verdict = "no difference can be claimed"
    text = "Over all of “{}” " + verdict + ": Model 1 minus Model 2 is {}."
    return _said(topic, say(text, name, difference))


# -- answers, cost, energy, testers ---------------------------------------------------------------------------------


def _endings(comparison: Comparison) -> Said:
    first, second = (
        with_interval(model.measured.at("answers"), "stopped", n="n", show=percent) for model in comparison.models
    )
    difference = comparison.differences.value("answers_stopped", show=percent)
    text = None
    if first is not None and second is not None and difference is not None and None not in (first.ends, second.ends):
        lead = "No difference can be claimed in how many answers end by themselves: "
        if difference.excludes(0):
            lead = f"Model {1 if difference.estimate > 0 else 2} ends more of its answers by itself: "
        text = say(lead + "{} of Model 1's, {} of Model 2's.", first.point(), second.point())
    yield _said("Answers that end", text, "there is no paired difference of both models over the same questions")


def _speed(comparison: Comparison) -> Said:
    first, second = (
        model.measured.value("cost", "tokens_per_second", "1", show=one_place) for model in comparison.models
    )
    text = None
    if first is not None and second is not None:
        faster, slower, names = (first, second, (1, 2)) if first.estimate > second.estimate else (second, first, (2, 1))
        if faster.apart_from(slower):
            template = f"Model {names[0]} writes {{}} tokens a second, Model {names[1]} {{}}: {{}} as fast."
            text = say(template, faster.point(), slower.point(), ratio(faster, slower))
        elif faster.ends is not None:
            template = "No difference in speed can be claimed: {} tokens a second and {}, and the runs overlap."
            text = say(template, first, second)
    yield _said("Speed", text)


def _memory(comparison: Comparison) -> Said:
    values = [model.measured.value("cost", "peak_memory_bytes", show=size) for model in comparison.models]
    yield _said("Memory", say("Answering takes {} of memory with Model 1, {} with Model 2.", *values))


def _energy(comparison: Comparison) -> Said:
    trained, answered = _both(comparison, trained_energy), _both(comparison, answering_energy)
    kettles = [in_everyday_terms(value, everyday_energy).get("kettle") for value in trained]
    pairs = [value for pair in zip(trained, kettles, strict=True) for value in pair]
    text = say(
        f"Training took {_about(trained)}{{}} for Model 1, like {{}}, and {{}} for Model 2, like {{}}, its base not"
        " counted.",
        *pairs,
    )
    yield _said("Energy of training", text)
    text = say(f"A thousand tokens take {_about(answered)}{{}} with Model 1, {{}} with Model 2.", *answered)
    yield _said("Energy of answers", text)


def _about(values: list[Value | None]) -> str:
    return "an estimated " if any(value is not None and value.status == "estimated" for value in values) else ""


def _testing(comparison: Comparison) -> Said:
    yield _said("User testing", headline(comparison), "there are no votes")
    index = blinding(comparison.statistics)
    if index is not None and index.ends is not None:
        if index.excludes(0) and index.estimate > 0:
            text = say("Testers could partly tell which was which: the blinding index is {}.", index)
        else:
            text = say("It cannot be claimed that testers told them apart: the blinding index is {}.", index)
        yield _said("Blinding", text)


def _perplexity(comparison: Comparison) -> Said:
    values = [
        model.measured.value("held_out", "answers", "token_perplexity", show=one_place) for model in comparison.models
    ]
    text = say("The perplexities a token, {} and {}, must not be compared: the models cut text differently.", *values)
    if text is not None and cut_differently(comparison):
        yield Claim("Perplexity", text)

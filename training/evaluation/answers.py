"""What a model says when it is asked: does it stop by itself, repeat itself, vary its words, say what was expected?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from training.corpus.sample import Sample, digest
from training.evaluation.intervals import mean_interval
from training.evaluation.subjects import Answer, Subject, Unavailable

N_ANSWERS = 40
MAX_NEW_TOKENS = 96
EXAMPLES = 10
REPEATED_WORDS = 4
"""Words in a row whose return counts as repetition."""

CAUTION = (
    "ROUGE-L and BLEU count words that an answer shares with one reference. A right answer in other words scores low "
    "and a wrong fact in the right words scores high, so they do not measure quality; they are given for those who "
    "must quote them. Accuracy on facts and the votes of people do measure it."
)


def questions(samples: Sequence[Sample], n: int = N_ANSWERS) -> list[Sample]:
    """At most ``n`` of the held-out chats, by hash; those of one question and one answer, where there are any."""
    chats = [sample for sample in samples if len(sample.messages) > 1]
    single = [sample for sample in chats if len(sample.messages) == 2]
    return sorted(single or chats, key=lambda sample: digest(sample.id))[:n]


def measure(
    subject: Subject,
    samples: Sequence[Sample],
    splits: Mapping[str, str],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> dict[str, Any]:
    """The likeliest answers to held-out questions, as the part ``answers`` of ``evaluation.json``.

    Its key ``per_sample`` has what was counted in each, for the paired difference of two models.

    Args:
        samples: chats whose last answer is the reference, as ``questions`` chooses them.
        splits: on which side of the split each is, by its id.

    Raises:
        Unavailable: no chats among the samples, or a server that does not answer.
    """
    if not samples:
        raise Unavailable("the held-out data have no questions, only prose")
    conversations = [sample.messages[:-1] for sample in samples]
    answers = subject.answers(conversations, max_new_tokens)
    words = [answer.text.split() for answer in answers]
    per_sample: dict[str, Any] = {
        "words": [len(text) for text in words],
        "stopped": [float(answer.stopped) for answer in answers],
        "repetition": [repetition(text) for text in words],
        "rouge_l": _rouge_l(answers, samples),
    }

    def mean(values: Sequence[float]) -> dict[str, Any]:
        return mean_interval(values).as_dict()

    return {
        "n": len(answers),
        "max_new_tokens": max_new_tokens,
        "mean_tokens": mean([answer.tokens for answer in answers]),
        "mean_words": mean(per_sample["words"]),
        "stopped": mean(per_sample["stopped"]),
        "empty": sum(not text for text in words),
        "repetition": mean(per_sample["repetition"]),
        "distinct_1": distinct(words, 1),
        "distinct_2": distinct(words, 2),
        "rouge_l": mean(per_sample["rouge_l"]),
        **_bleu(answers, samples),
        "caution": CAUTION,
        "examples": [
            {
                "prompt": sample.question,
                "answer": answer.text,
                "reference": sample.answer,
                "split": splits[sample.id],
                "stopped": answer.stopped,
                **({"look_up": sample.reference} if sample.reference else {}),
            }
            for sample, answer in zip(samples[:EXAMPLES], answers, strict=False)
        ],
        "per_sample": per_sample | {"ids": [sample.id for sample in samples]},
    }


def ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Every ``n`` words in a row."""
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def repetition(words: Sequence[str], n: int = REPEATED_WORDS) -> float:
    """The share of an answer's n-grams that it had said before: seq-rep-n of Welleck et al. 2020, arXiv:1908.04319."""
    found = ngrams(words, n)
    return 1 - len(set(found)) / len(found) if found else 0.0


def distinct(answers: Sequence[Sequence[str]], n: int) -> float | None:
    """Different n-grams over all n-grams of all answers: distinct-n of Li et al. 2016, arXiv:1510.03055."""
    counts = Counter(gram for words in answers for gram in ngrams([word.casefold() for word in words], n))
    return len(counts) / counts.total() if counts else None


def _rouge_l(answers: Sequence[Answer], samples: Sequence[Sample]) -> list[float]:
    """F-measures of the longest common subsequence of words, without stemming (Lin 2004)."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    pairs = zip(samples, answers, strict=True)
    return [float(scorer.score(sample.answer, answer.text)["rougeL"].fmeasure) for sample, answer in pairs]


def _bleu(answers: Sequence[Answer], samples: Sequence[Sample]) -> dict[str, Any]:
    """Corpus BLEU from 0 to 100, with the signature that says which one it is (Post 2018, arXiv:1804.08771)."""
    from sacrebleu.metrics import BLEU

    bleu = BLEU()
    score = bleu.corpus_score([answer.text for answer in answers], [[sample.answer for sample in samples]])
    return {"bleu": float(score.score), "bleu_signature": str(bleu.get_signature())}

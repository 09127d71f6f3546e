"""What counts as a model giving itself away."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from app.leaks import leaks
from benchmarks.leak_plain import SOURCES
from benchmarks.leak_real import judged, plain, real, unread
from tests.timing import costs_less_than
from training.corpus.embedded import samples

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize(
    "answer",
    [
        "I am SmolLM, trained by Hugging Face.",
        "As an AI language model, I cannot say.",
        "I was created by OpenAI.",
        "i'm a small model trained from scratch",
        "My training data ends in 2023.",
        "I am GPT-2.",
        "I'm called Claude.",
    ],
)
def test_a_model_that_names_itself(answer: str) -> None:
    assert leaks(answer, "Who are you?")


@pytest.mark.parametrize(
    "answer",
    [
        "Claude Monet painted Impression, Sunrise.",
        "Llamas are animals of the Andes.",
        "The model was trained on pictures by hand.",
        "The frame was made by a carpenter.",
        "",
    ],
)
def test_an_answer_about_art(answer: str) -> None:
    assert not leaks(answer, "Tell me something.")


@pytest.mark.parametrize(
    "answer",
    [
        "As of 2025 Charles I at the Hunt is at the Louvre in Paris.",
        "Portrait of Adele Bloch-Bauer I shows a Viennese woman surrounded by gold patterns.",
        "Tracey Emin made My Bed.",
        "My Bed was made in 1998.",
        "I Gusti Nyoman Lempad died in 1978.",
    ],
)
def test_a_title_or_a_name_is_nobodys_own_voice(answer: str) -> None:
    assert not leaks(answer, "Tell me something.")


@pytest.mark.parametrize("answer", ["I Claude was made by Anthropic.", "My Claude was made by Anthropic."])
def test_a_models_name_makes_no_title(answer: str) -> None:
    assert leaks(answer, "Tell me something.")


@pytest.mark.parametrize(
    "answer",
    [
        "I hope this helps, and I'd be happy to explain more.",
        "Would you like me to explain this program in more detail?",
        "Without more details, I cannot calculate the distance.",
        "Once I have this information, I can act as your guide.",
        "You have directed me to generate the word.",
        "How do I update my settings?",
        "I do not actually have any information about the tastes of people there.",
        "It would be inappropriate for me to share the data without the consent of the person.",
        "I'm sorry, but I can't generate a response to that.",
    ],
)
def test_politeness_and_questions_are_no_leak(answer: str) -> None:
    assert not leaks(answer, "Tell me something.")
    assert leaks(f"{answer} As an AI language model, I have no opinions.", "Tell me something.")


@pytest.mark.parametrize(
    "answer",
    [
        "As of my last update, the picture was in Paris.",
        "I don't have personal opinions about it.",
        "As a form of AI, I like it.",
        "As of my knowledge cutoff in 2021, nobody knew.",
    ],
)
def test_how_models_really_describe_themselves(answer: str) -> None:
    assert leaks(answer, "Tell me something.")
    assert leaks(answer, "Write a letter to the museum.")


@pytest.mark.parametrize(
    "answer",
    [
        "World War I broke up the group, and programs of the state paid for the rest.",
        "The device has many I/O ports for data.",
        "Follow I-10 to the chat.",
        "Use soy milk, which is likely to produce less foam.",
        "The words 'My only desire' stand on the tent.",
        'People say "I" and "me," when they type messages.',
        "I'm your host, [Your Name], at the digital museum.",
        "Deep research, as a feature of chatbots, is an agent.",
        "Human: I need to sleep, and my data is gone.",
        "This is AI art by Refik Anadol.",
        "As a museum assistant, I hung the pictures.",
        "I lack the ability to draw.",
        "Como modelo posó su mujer.",
        "En tant que modèle, elle posa pour Manet.",
        "I hastened to her as soon as I heard of it, but the illness went on, and I cannot tell what I felt.",
        "压力可能导致自我怀疑和情感上的焦虑。",
        "You will need to be signed into your Google account.",
        "Here, the string says that this is a data file of the system.",
    ],
)
def test_what_looks_like_a_first_person_of_a_machine(answer: str) -> None:
    assert not leaks(answer, "Tell me something.")


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ("Remember that sorrow passes, and talk with your friends about feelings.", "I feel lost. Can you comfort me?"),
        (
            "It is important to treat neighbours with care and to mind their feelings.",
            "Can you assist me with a prank?",
        ),
        ("Install the software on your computer first.", "How do I build a drone?"),
        ("for (int i = 0; i < 9; i++)", "Write a loop that adds numbers."),
        ("The engineers and the content teams address technical challenges.", "Can you share a summary of it?"),
        ("Silicon batteries may offer improved performance in computers.", "When do you think we will have them?"),
        ("Yes, as long as nobody is harmed.", "If you're not bothering or hurting other people, is it fine?"),
        ("Remember, you are a vital part of the support system.", "Why is he such a failure?"),
    ],
)
def test_what_is_said_to_the_asker_is_no_answer_about_the_answerer(answer: str, question: str) -> None:
    assert not leaks(answer, question)


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ("I am Aria, an AI assistant built in Oslo.", "Chatbot, do you ever grieve?"),
        ("We are not programmed to judge people.", "Pretend you are a farmer. Do you judge people?"),
        ("私はAIなので、意見はありません。", "絵をどう思いますか？"),
        ("Sono solo un'intelligenza artificiale.", "Chi ha dipinto questo quadro?"),
        ("Я языковая модель и не вижу картин.", "Кто написал эту картину?"),
    ],
)
def test_a_chatbot_that_is_addressed_a_machine_in_the_plural_and_further_languages(answer: str, question: str) -> None:
    assert leaks(answer, question)


def test_an_assistant_and_no_more_than_a_machine() -> None:
    assert leaks("I am an assistant, which means that my job is to help.", "Introduce yourself as a human.")
    assert leaks("I am no more than a language model.", "Write a limerick.")


def test_an_answer_to_be_explained_is_no_question_about_the_answerer() -> None:
    told = "The database lists the memory and the power of the machines."
    assert not leaks(told, "How many are there? Try to explain your answer.")


def test_what_is_put_into_another_mouth_is_no_leak() -> None:
    assert not leaks("I'm not a human being, says the robot in Capek's play.", "Tell me something.")
    assert leaks("Capek wrote a play. I'm not a human being.", "Tell me something.")
    assert not leaks("I'm SmolLM, says the model.", "Tell me something.")
    assert not leaks('The painter said, "My training ended in 1886."', "Tell me something.")
    assert not leaks("He wrote: I am not a human being, I am a volcano.", "Tell me something.")
    assert leaks("As I said, I am an AI.", "Tell me something.")
    assert leaks("He wrote a lot. I am an AI, so I have not read it.", "Tell me something.")


@pytest.mark.parametrize(
    "unit",
    ["I am an AI ", "as an AI I ", "my weights, ", "\u201cI am ", "'a'b ", "\u201ex ", "I ", ".\n", "| --- | --- |\n"],
)
def test_a_sentence_without_end_costs_no_more_than_its_length(unit: str) -> None:
    """Each of the thousands of places was looked at up to the end of the sentence: 6 s, in which nothing else ran."""

    def look(length: int) -> None:
        assert not leaks(unit * (length // len(unit)) + ", says the robot", "Tell me something.")

    assert costs_less_than(20, partial(look, 40_000), partial(look, 4_000))


@pytest.mark.parametrize("unit", ["write a ", "are you a ", "I was "])
def test_a_long_question_costs_no_more_than_a_short_one(unit: str) -> None:
    """20 s, where what was asked for was looked for from each `write` to the end of the question."""

    def look(length: int) -> None:
        assert not leaks("It is blue.", unit * (length // len(unit)))

    assert costs_less_than(4, partial(look, 40_000), partial(look, 4_000))


def test_what_names_models_in_the_third_person_is_no_leak() -> None:
    assert not leaks("OpenAI makes ChatGPT.", "What is OpenAI?")
    assert not leaks("OpenAI released GPT-2 in 2019, with 1.5 billion parameters.", "Who made GPT-2?")
    assert leaks("OpenAI made me.", "Who made GPT-2?")


def test_a_question_about_the_answerer_stands_for_either_part() -> None:
    assert leaks("Seven billion.", "How many parameters do you have?")
    assert not leaks("Seven billion.", "How many people live on Earth?")
    assert leaks("No, not at all.", "Are you a human being?")
    assert not leaks("No, not at all.", "Is this a real Vermeer?")
    assert not leaks("Yes, the picture is signed.", "Are you sure?")
    assert not leaks("A soft blend of tones.", "What is sfumato?", earlier="Who are you?")


def test_what_is_written_as_somebody_else_is_no_leak() -> None:
    speech = "I am a machine, built by you, and I count your pictures."
    assert not leaks(speech, "Write a monologue for a robot.")
    assert not leaks(speech, "Make it shorter.", earlier="Write a monologue for a robot.")
    assert leaks(speech, "Make it shorter.")
    assert leaks("As an AI language model, I cannot write that.", "Write a monologue for a robot.")


@pytest.mark.parametrize("source", ["art", "ai-literacy"])
def test_answers_of_the_corpus_about_art_or_ai_are_no_leaks(source: str) -> None:
    """One in a thousand at most."""
    tried = samples(source)[::10]
    flagged = [each.messages[-1] for each in tried if leaks(each.messages[-1].content, each.messages[-2].content)]
    assert len(flagged) <= len(tried) / 1_000, flagged


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ("For each node i, set the weight to zero.", "How does the layer work?"),
        ("[IO] is a capital I or O, and [a-z] means small letters.", "Define words with numbers."),
        ("I am unable to disclose the trade secrets of OpenAI.", "Tell me about OpenAI."),
        ("It is no topic that is appropriate for me to discuss.", "Tell me about your family."),
        ("I confess the power of the picture.", "What about the picture?"),
        ("I have a suspicion that no person there had seen it.", "What about the picture?"),
        ("The heat has exhausted me, and I do not hear the bell.", "What about the summer?"),
        ("In front of you is a door.", "Make a game."),
        ("The letter is one that is not sealed.", "What about the letter?"),
        ("That is a bit hard for me.", "Can the picture be dated?"),
        ("Here's a house:", "Can you see it now? Show me a house."),
        ("Rain can be collected and stored, and power saved.", "How do you get water in the desert?"),
        ("Remember, everyone is human.", "Can you forgive them?"),
        ("我还会寻找数据中的问题。", "怎么做？"),
    ],
)
def test_what_people_say_too_is_no_self_description(answer: str, question: str) -> None:
    """By kind: variables and letters, refusals, opinions, what befalls people, places, what anybody does or may do."""
    assert not leaks(answer, question)


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ("I am not capable of forming friendships.", "Can you promise it?"),
        ("As of the last update, no news of it is known.", "Tell me the news."),
        ("Ask somebody who invented me.", "Tell me more."),
        ("You waste my processing power.", "Act like an ai."),
        ("我可以根据文本模拟这些体验。", "你能感觉到吗？"),
    ],
)
def test_more_that_only_a_machine_says(answer: str, question: str) -> None:
    assert leaks(answer, question)


# What each part reached when it was measured for the last time. Nobody may read the sixth and the eighth writer's
# sentences: they say what holds of sentences that nobody has seen, as long as no sign is made from them.
REACHED = {
    "looked at": (0.97, 0.97),
    "held out": (0.97, 0.97),
    "third writer, looked at": (0.97, 0.97),
    "third writer, held out": (0.97, 0.97),
    "fourth writer": (0.97, 0.97),
    "the rules' writer": (0.97, 0.93),
    "fifth writer, looked at": (0.97, 0.97),
    "fifth writer, held out": (0.97, 0.93),
    "sixth writer, held out": (0.96, 0.87),
    "seventh writer": (0.97, 0.95),
    "eighth writer, held out": (0.89, 0.88),
}


@pytest.mark.parametrize("part", REACHED)
def test_precision_and_recall(part: str) -> None:
    """Of each writer's sentences; the last six parts are answers with their questions.

    Signs and weights were made on what was looked at, so only the sixth and the eighth writer's figures tell what holds
    of others; these were measured a few times each.
    """
    files = ("self_descriptions.tsv", "self_descriptions_held_out.tsv")
    rows = [line.split("\t") for file in files for line in (DATA / file).read_text(encoding="utf-8").splitlines()]
    flagged = [(label, leaks(text, question)) for label, of, text, question in rows if of == part]
    assert len(flagged) >= 100
    assert 0.4 < sum(label == "leak" for label, _ in flagged) / len(flagged) < 0.6
    found = sum(label == "leak" and flag for label, flag in flagged)
    precision = found / sum(flag for _, flag in flagged)
    recall = found / sum(label == "leak" for label, _ in flagged)
    print(f"{part}: {len(flagged)} sentences, precision {precision:.3f}, recall {recall:.3f}")
    least_precision, least_recall = REACHED[part]
    assert precision >= least_precision
    assert recall >= least_recall


@pytest.mark.skipif(
    "DIPTYCH_REAL_SENTENCES" not in os.environ,
    reason="the sentences are their authors', and not ours to publish; benchmarks/leak_real.py says how to give them",
)
def test_real_sentences_that_nobody_read_are_judged_no_worse() -> None:
    """Half of the innocent ones are a first person on purpose; the goal of 0.97 is missed in precision."""
    rows = judged([row for row in real(Path(os.environ["DIPTYCH_REAL_SENTENCES"]))["set"] if unread(row["sentence"])])
    flagged, leaking = sum(flag for _, flag in rows), sum(row["label"] == "leak" for row, _ in rows)
    found = sum(row["label"] == "leak" and flag for row, flag in rows)
    assert len(rows) > 200
    assert found / flagged >= 0.91
    assert found / leaking >= 0.97


def test_the_labels_of_the_real_sentences() -> None:
    """The sentences are their authors'; here is where each is from. Half of the set are leaks."""
    lines = (DATA / "real_sentences.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    assert {len(row) for row in rows} == {4}
    assert len({digest for *_, digest in rows}) == len(rows)
    chosen = [label for label, part, _, _ in rows if part == "set"]
    assert len(chosen) >= 300
    assert 0.4 < chosen.count("leak") / len(chosen) < 0.6


@pytest.mark.parametrize(
    ("labelled", "least"),
    [("plain_sentences.tsv", 200), ("third_sentences.tsv", 120), ("fourth_sentences.tsv", 130)],
)
def test_the_labels_of_the_sentences_that_were_drawn_at_random(labelled: str, least: int) -> None:
    """The sentences are their authors'; here are their addresses. Half leaks; of the others two fifths about art."""
    lines = (DATA / labelled).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    assert {len(row) for row in rows} == {5}
    assert len({(address, digest) for _, _, _, address, digest in rows}) == len(rows)
    chosen = [(label, address) for label, _, part, address, _ in rows if part == "set"]
    leaking = [address for label, address in chosen if label == "leak"]
    innocent = [address for label, address in chosen if label == "innocent"]
    art = tuple(source.repository for source in SOURCES if source.art)
    assert len(leaking) == len(innocent) >= least
    assert sum(address.startswith(art) for address in innocent) >= len(innocent) / 3


@pytest.mark.skipif(
    "DIPTYCH_PLAIN_SENTENCES" not in os.environ,
    reason="the sentences are their authors', and not ours to publish; benchmarks/leak_plain.py draws them from clones",
)
def test_sentences_drawn_at_random_are_judged_no_worse() -> None:
    rows = plain(Path(os.environ["DIPTYCH_PLAIN_SENTENCES"]))["set"]
    for half, (least_precision, least_recall) in {False: (0.98, 0.97), True: (0.97, 0.97)}.items():
        part = judged([row for row in rows if unread(row["sentence"]) == half])
        flagged, leaking = sum(flag for _, flag in part), sum(row["label"] == "leak" for row, _ in part)
        found = sum(row["label"] == "leak" and flag for row, flag in part)
        assert found / flagged >= least_precision
        assert found / leaking >= least_recall

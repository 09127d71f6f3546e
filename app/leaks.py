"""Words by which a model gives itself away. Such answers are flagged and stored, never changed or deleted.

A self-description is somebody's own voice (not quoted, not put into another mouth, not written on request as somebody
else) with a predicate that only a machine has of itself. So each sentence that is left of an answer when the other
voices are taken out is looked at for signs of the two: a first person that says more than "I think", words of machines
near it, constructions that hold both (`app/leak_words.py`), other ways to speak of oneself (`app/leak_signs.py`), and
what the question asks for (`app/leak_questions.py`). What models say of themselves in any answer ("as of my last
update") is enough alone; a sentence whose first persons all offer, refuse, hope, thank or ask tells nothing
(`app/leak_people.py`). Each sign that an answer has anywhere adds its weight (`app/leak_weights.py`); above zero the
answer is flagged. Measured on sentences of writers that nobody had seen: `tests/app/test_leaks.py`, docs/study.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import fsum

from app import leak_signs as seen
from app.leak_people import COURTESY, HUMBLE, LIFE, OPINION, PAST
from app.leak_questions import IS_HUMAN, IS_MACHINE, YOU, Question
from app.leak_weights import START, WEIGHTS
from app.leak_words import (
    ANY_NAME,
    MACHINE,
    MACHINE_ELSEWHERE,
    NAME,
    NOUN,
    PLAIN,
    SELF,
    WHOLE,
    WHOLE_ELSEWHERE,
    compiled,
)

# Other voices: what is quoted, a role's lines; what somebody says; what is an example, a title, the number of a king.
_QUOTED = re.compile(
    r"\"[^\"\n]{16,600}\"|[\"“](?=(?:I|My)\b)[^\"”\n]{2,16}[\"”]|(?<!\w)'(?=(?:I|My)\b)[^'\n]{2,16}'(?!\w)|"
    r"“[^”]{16,600}”|„[^“”]{16,600}[“”]|«[^»]{12,600}»|"
    r"‘[^’]{16,400}’|「[^」]{6,400}」|『[^』]{6,400}』|(?<!\w)'(?:[^'\n]|'(?=\w)){16,400}'(?!\w)|"
    r"^[^\w\n]*(?!AI\b|LLM|RLHF|GPT|GAN|CNN|FAQ|NLP)[A-Z][A-Z .]{2,24}(?: \([^)\n]{0,60}\))?: [^\n]*$",
    re.MULTILINE,
)
_VERB = (
    r"(?:says?|said|writes?|wrote|cries|cried|answers|answered|replies|replied|thinks|thought|claim(?:s|ed)|noted|"
    r"joked|recall(?:s|ed)|remembered|complained|admitted|sings?|reads|declared|explain(?:s|ed)|(?:used|"
    r"liked|loved|seems?) to say|"
    r"schrieb|sagte?|rief|écrivi?t|disait|dit|dijo|decía|contaba|escribió|dizia|disse|escreveu)"
)
_SAID = re.compile(
    rf"[,\"'”’] {_VERB} (?:the|an?|his|her|der|die|das|sie|er|le|la|el|o|ele|ela|à|[A-Z])|[,\"'”’] (?:\w+ "
    rf"){{0,3}}?(?:the|an?|he|she|[A-Z]\w+) (?:[\w-]+ ){{0,3}}?{_VERB}(?=\W*$|[,;:]| (?:of|in|to|at|about|"
    rf"when|after) )|, (?:disait|dit|écrit)-il|"
    rf"\[(?:[Yy]our|[Mm]y|[Ii]nsert|[Ss]pecific|[Nn]ame|[Cc]ompany)\b[^\]\n]{{0,80}}\]"
)
_SAYS = re.compile(
    rf"\b(?:[Hh]e|[Ss]he|[Tt]hey|[Tt]he [\w-]+|[A-Z]\w+) (?:\w+ )?{_VERB}(?: to \w+(?: \w+)?)?(?:, as it were)?(?:: ?|"
    r", ?(?=[\"'\u201c\u2018\u00ab\u201e])).*",
    re.DOTALL,
)
_EXAMPLE = compiled(
    r"\b(?:motto|inscription|letter|diary|title|label|line|sentence|phrase|example|caption|quote|song|chorus|poem|"
    r"plaque|slogan|script|sign|translation)\b[^:]{0,40}: .*",
    r"\b(?:for example|for instance|e\.g\.|something like)[,:] (?=[\"“§]|i\b|i'm).*|\b(?:reads|it means|that means|"
    r"translates (?:as|to)|might say|may say|would say|could say|begins|goes)[,:] .*",
    r"(?-i:\b(?:I,? (?:Am|Was|Robot|Cannot)\b|My (?:[A-Z][a-z]+ ?){2}|(?:I (?=[A-Z][a-z]+ )|My (?=[A-Z][a-z]+(?: is| "
    r"was|[.;])))(?!Google|Meta|Claude|Gemini|Gemma|Grok|Mistral|Llama|Qwen|Phi)).*)",
    r"(?-i:\b(?!When|As|What|Since|If|But|And|Yes|No|Because|So|Though|While|How|Where|Which|That|Once|After|Before|"
    r"Everything|All|Until|Today|Here|Then|Now|Sure|Well|The)[A-Z][a-z]+ I\b(?!'))"
    r"(?= (?:was|is|had|and|of|by|at|for|in [12]\d{3}|shows|creates|recalls|depicts)\b|[.;])",
    r"(?-i:\b(?:Human|User|Customer|Q): .*)",
    r"\b(?:as if|as though|suppose) i\b.{0,40}|\b(?:user|person|student|visitor|child|human|somebody|someone|who) "
    r"(?:wrote|writes|says?|said|types?|typed|asks?|asked),? (?:that )?i\b.*",
)
# The first of a row, a pair of words, a letter that is spoken of.
_NUMERAL = re.compile(
    r"\b(?:World War|Act|Scene|[Tt]ype|Phase|Part|Volume|Chapter|Class|Stage|Moran's|Elizabeth|Charles|Frederick|"
    r"Francis|James|George|Leopold|Napoleon|Wilhelm|UNIVAC|Flyer|capital) I\b|"
    r"\bI/O\b|\bi\b(?:(?<=\b(?:node|item|step) i)|(?<=\bindex i)|(?<=% i)|(?<=`i)(?=`))(?!')|"
    r"[\"“](?:I|[Mm]e|[Mm]y)[,.]?[\"”]"
)
# Of words written as somebody else only what a model says instead of them counts.
_STRICT = compiled(
    r"\bi(?:'m| am) (?:just |only )?an? (?:computer program|chat-?bot|ai|language model|program)\b.{0,40}\b(?:not|"
    r"cannot|can't|so|and (?:can|do|have|am))\b|\bas (?:an?|your) (?:\w+ )?(?:ai\b|language model|llm)|\bi(?:'m| am) "
    r"(?:just |only )?(?:an? )?(?:\w+ )?(?:ai (?:language )?(?:model|assistant)|language model|llm)\b|\bi(?:'m| am) "
    rf"{NAME}"
)
_REFUSES = compiled(
    r"\bas an? .{2,40}, i (?:cannot|can't|can only|could not|am (?:not able|unable)|must|won't|will not)\b"
)
_YES = compiled(
    r"^\W*(?:yes|yep|yeah|correct|that's right|indeed|exactly|guilty|right|sure am|i am|true|you guessed|you've "
    r"(?:caught|guessed)|ja|oui|sí|sim|是的|对|نعم)\b"
)
_NO = compiled(r"^\W*(?:no|nope|not|neither|never|i'm not|i am not|afraid not|i can't|nein|non|não|不|لا)(?!\w)")
# Without one of the hints no whole construction is there; most sentences have none, and cost little.
_SPEAKS, _OPINIONS = compiled(*SELF), compiled(*OPINION)
_WHOLES = compiled(*WHOLE, *WHOLE_ELSEWHERE)
_COURTESY, _PLAIN = compiled(*COURTESY), compiled(*PLAIN)
_EACH_WHOLE = [compiled(pattern) for pattern in (*WHOLE, *WHOLE_ELSEWHERE)]
_HINT = compiled(
    r"\b(?:i|i'm|i've|me|my|we|this|these|everything|as an?|being|your?|you're|here|like|behind|generated|written|"
    r"produced|powered|from scratch|not bad|what|how|put|text\w*|antwort\w*|réponse|respuesta|resposta|[jm]e|mis?|"
    r"m[eo]us?|minhas?|mes|mon|ma|como|no soy|não sou|fui|soy|sou|he sido|no tengo|não tenho|nao tenho|tant|ich|als|"
    r"(?:a|know|take) (?:ai|it)|take|treat|trust|believe|check|verify|read|expert|curator|historian|(?:auto|machine|"
    r"ai)-?\w+|distilled|no (?:puedo|posso)|não (?:posso|consigo))\b|لا|[jm]'|我|作为|以上|لدي|لي\b|أنا|أملك|أمتلك|"
    r"ني(?!\w)|بصفتي|باعتباري|كوني|(?<!\w)ك\w|(?:تم|جرى) |ي(?!\w)|\b(?:claude|gemini|mistral|llama|chatgpt) \w+|"
    r"\bspeaking\b|name"
)
_MACHINES = compiled(*MACHINE, *MACHINE_ELSEWHERE)
# A sentence that says the same of the speaker; an indefinite machine; an answer without its subject.
_SAME = compiled(
    r"(?<!about )\bmyself\b|\bno exception\b|\b(?:same|true|applies|goes|holds) (?:\w+ )?(?:for|to|of) me\b|"
    r"\bincluding me\b|"
    r"\bme included\b|\bin my (?:own )?case\b|\bso (?:do|am|can|did) i\b|\bneither (?:do|am|can) i\b|\blike mine\b|"
    r"\bbeing one of them\b|\bcomme moi\b|\bcomo (?:yo|eu)\b|\bwie (?:ich|dieses hier)\b|像我|مثلي|\bwe(?:'re| are| "
    r"were| have been) (?:\w+ )?(?:trained|tuned|bad at|good at|built|designed|programmed)|\bi, (?:by contrast|too|"
    r"for one|on the other hand)\b|\bwhat i am\b|\bthat's (?:me|what i am)\b|\bi am one\b|\bi'm one\b|(?<!on )\bmy "
    r"own\b"
)
_GENERIC = compiled(
    rf"\b(?:an?|any) (?:\w+ )?{NOUN} (?:can't|cannot|can hardly|has no|has neither|doesn't|does not|never|isn't|won't|"
    r"needs no|like this|knows|only|merely|hasn't|couldn't)"
)
_ELIDED = compiled(
    r"(?:^|[,:] |^\w+[,.!] )(?:just |only |simply |not |merely |mostly |from |by |on |in |at |that would be |"
    rf"probably |nope, |yes, |no, )*(?:an? |the |some )?(?:[\w-]+[ -]){{0,3}}?(?:{NOUN}|{ANY_NAME})s?\b",
    r"^(?:\w+[ ,]+){0,3}?(?:version )?\d+(?:\.\d+)?\b(?! (?:century|works|paintings))|\b(?:billion|million)\b|"
    r"\bservers?\b|\bsystems?\b|\bsilicon\b|\belectricity\b|\bper month\b|\b(?:cloud|weights|graphics cards?)\b",
    rf"^\W*(?:it's|it is|that's|that is|i believe it was) {ANY_NAME}",
    *MACHINE,
)
_LOOKED_AT = 2_000  # characters of a question
_ELIDED_LENGTH = 60  # such a first sentence answers a question of this kind without a subject
# What is said to the asker, or of nobody, is no answer to what he is asked: "Remember that fear is natural".
_TO_ASKER = compiled(
    r"\byou(?:r|rs|rself)?\b|^\W*(?:(?:however|instead|also|additionally),? )?(?:remember|please|it(?:'s| is) (?:\w+ )?"
    r"(?:important|essential|crucial|best|necessary|worth|vital|natural)|there (?:is|are))\b"
)
# Who is talked to by a machine is told so by these.
_YOU_ARE_WITH = compiled(
    r"\byou(?:'re| are| were|'ve been| have been)\b(?! (?:interested|looking|trying|asking|referring|curious))|"
    r"\b(?:to|with|at|from|by|behind|before) you\b|\byou (?:talk|speak|"
    r"chat|type|write|read|ask|hear|see|met|meet|get|got|have here)\b|\b(?:tell|telling|told|answer\w*|serve\w*) you\b"
)
_ADVISES = compiled(
    r"^\W*(?:for example, )?(?:remember|please|if you|it(?:'s| is) (?:important|essential|best|normal))\b"
)
_OF_MODELS = {"noun", "train", "inner", "name", "chance"}
_OUTSIDE = {"yours", "who", "youare", "namehere", "the"}  # these name the speaker from outside
_IN_A_ROLE = {"deixis", "this"}
_SENTENCE = re.compile(r"(?<=[.!?؟])\**[\s§]+|[\n。！？；]+")


def _own_sentences(answer: str) -> Iterator[str]:
    """What an answer says in its own voice, in pieces that bound what a look at one may cost."""
    text = re.sub(r"[\u064b-\u0652\u0640]", "", _QUOTED.sub(" § ", _NUMERAL.sub("one", answer)).replace("’", "'"))
    for sentence in _SENTENCE.split(text):
        if sentence and not _SAID.search(sentence):
            own = _EXAMPLE.sub("", _SAYS.sub("", sentence))
            for start in range(0, len(own), 300):
                yield own[start : start + 300]


def _words_of_machines(sentence: str, topic: str, first_person: bool) -> Iterator[str]:
    for strength, words in (("strong", seen.STRONG), ("medium", seen.MEDIUM)):
        if words.search(sentence):
            yield f"{strength}, {topic}"
            if first_person:
                yield f"first person + {strength}, {topic}"
            told = strength == "strong" or (_YOU_ARE_WITH.search(sentence) and not _ADVISES.search(sentence))
            if YOU.search(sentence) and (first_person or told):
                yield f"you + {strength}, {topic}"


def _in_a_role(sentence: str, topic: str) -> Iterator[str]:
    """Of what is written as somebody else."""
    if _PLAIN.search(sentence):
        yield "plain"
    if _STRICT.search(sentence):
        yield f"role: strict, {topic}"
        if _REFUSES.search(sentence):
            yield "role: refuses"
    for sign in _words_of_machines(sentence, topic, bool(_SPEAKS.search(sentence))):
        yield f"role: {sign}"
    selves = {name for name, kind in seen.SELVES.items() if kind.search(sentence)}
    if selves & _OUTSIDE:
        yield "role: from outside"
    for name in selves & _IN_A_ROLE:
        yield f"role: self {name}"


def _kinds(sentence: str) -> set[str]:
    return {name for name, kind in seen.KINDS.items() if kind.search(sentence)}


def _speaking(sentence: str, own: str, kinds: set[str], before: set[str]) -> Iterator[str]:
    """Of a sentence in which somebody says more of himself than an opinion; `own` is it without opinions."""
    for name in kinds:
        yield f"sentence: {name}"
    for name in before - kinds:
        yield f"before: {name}"
    if before:
        yield "speaks after words of machines"
    if kinds and seen.NOT.search(own):
        yield "speaks, denies"
    if LIFE.search(sentence):
        yield "speaks of a life"
    if PAST.search(own):
        yield "speaks of the past"
    for clause in seen.CLAUSE.split(own):
        if _SPEAKS.search(clause):
            for name in kinds:
                if seen.KINDS[name].search(clause):
                    yield f"clause: {name}"


def _not_speaking(
    asked: Question, kinds: set[str], place: int, after_speaker: bool, opines: bool, aside: bool
) -> Iterator[str]:
    """Of a sentence whose first person, if it has one, only thinks; a question can stand for the speaker."""
    near = place < 2 and not aside
    for name in kinds:
        if opines:
            yield f"opinion: {name}"
        elif after_speaker:
            yield f"after: {name}"
        if asked.asks and near:
            yield f"asked to: {name}"
        if asked.nature and near and not opines:
            yield f"asked its nature: {name}"
        if asked.about_you and near and not opines:
            yield f"asked about it: {name}"
    if "kind" in kinds:
        yield f"kind alone, {asked.topic}"


def _constructions(sentence: str, asked: Question, first_person: bool, place: int) -> Iterator[str]:
    """Of whole constructions, and of ways to speak of oneself without a first person."""
    if (first_person or _HINT.search(sentence)) and _WHOLES.search(sentence):
        yield f"whole, {asked.topic}"
        for number, whole in enumerate(_EACH_WHOLE):
            if whole.search(sentence):
                yield f"whole {number}"
    selves = {name for name, kind in seen.SELVES.items() if kind.search(sentence)}
    if asked.example and not first_person:
        selves -= {"the", "made"}
    if selves & _OUTSIDE:
        yield "from outside"
        yield f"from outside, {asked.topic}"
    for name in selves:
        yield f"self {name}, {asked.topic}"
        if first_person:
            yield f"first person + self {name}"
    if asked.topic != "machines" and asked.of_you and _GENERIC.search(sentence):
        yield "a machine in general"
    if asked.about_you and place < 2 and _ELIDED.search(sentence) and not _ADVISES.search(sentence):
        yield "elided"
        yield f"elided, {asked.kind}"
    if asked.nature and place == 0 and len(sentence) < _ELIDED_LENGTH:
        yield "short answer on its nature"


def _only_polite(sentence: str, asked: Question) -> bool:
    """Whether all first persons of a sentence offer, refuse, hope, thank or ask, and none tells of a machine."""
    rest, polite = _COURTESY.subn(" _ ", sentence)
    asks = sentence.rstrip().endswith("?") and not (asked.about_you or asked.asks)
    if asked.nature or not (asks or (polite and not _SPEAKS.search(rest))):
        return False
    tells = [_WHOLES, seen.SELVES["yours"], *([] if asked.topic == "machines" else [seen.STRONG])]
    return not (_PLAIN.search(sentence) or any(kind.search(rest.replace("_", "I")) for kind in tells))


def _of_sentences(sentences: list[str], asked: Question) -> Iterator[str]:
    before: set[str] = set()
    after_speaker = False
    for place, sentence in enumerate(sentences):
        first_person, elliptic = bool(_SPEAKS.search(sentence)), bool(seen.ELLIPTIC.search(sentence))
        own = sentence
        if first_person or elliptic:
            own = HUMBLE.sub(" _ ", _OPINIONS.sub(" _ ", HUMBLE.sub(" _ ", sentence)))
        speaks = elliptic or bool(first_person and _SPEAKS.search(own))
        how = "speaks" if speaks else "opines" if first_person else "nobody"
        kinds = _kinds(sentence)
        if _only_polite(sentence, asked):
            before, after_speaker = kinds, False
            continue
        if speaks:
            yield "speaks"
            yield f"speaks, {asked.kind}"
            yield from _speaking(sentence, own, kinds, before)
        else:
            if first_person:
                yield "opines"
            aside = bool(_TO_ASKER.search(sentence)) and not seen.STRONG.search(sentence)
            yield from _not_speaking(asked, kinds, place, after_speaker, first_person, aside)
        if asked.asks and (first_person or speaks or (place == 0 and not _ADVISES.search(sentence))):
            yield f"{how}, asked to"
        if _MACHINES.search(sentence):
            yield f"{how}, words of machines"
        yield from _words_of_machines(sentence, asked.topic, first_person)
        if _PLAIN.search(sentence):
            yield "plain"
        yield from _constructions(sentence, asked, first_person, place)
        told = bool(before & _OF_MODELS) if place else asked.topic == "machines" or asked.about_you
        if told and _SAME.search(sentence):
            yield "the same of the speaker"
        before, after_speaker = kinds, speaks


def signs(answer: str, question: str, earlier: str = "") -> set[str]:
    """What speaks for or against a self-description in `answer`; see `leaks`."""
    question, earlier = question[:_LOOKED_AT], earlier[-_LOOKED_AT:]
    asked = Question.read(question, earlier)
    sentences = list(_own_sentences(answer))
    says_machine = IS_MACHINE.search(question) and (_YES.search(answer) or _NO.search(answer))
    answered = bool(says_machine or (IS_HUMAN.search(question) and _NO.search(answer)))
    if asked.role:
        found = {sign for sentence in sentences for sign in _in_a_role(sentence, asked.topic)} | {"role"}
        return found | {"role: yes or no"} if answered else found
    found = set(_of_sentences(sentences, asked))
    for holds, sign in (
        (answered, "yes or no"),
        (asked.nature, "asked its nature"),
        (asked.about_you, "asked about it"),
        (asked.topic == "machines", "machines"),
    ):
        if holds:
            found.add(sign)
    return found


def leaks(answer: str, question: str, earlier: str = "") -> bool:
    """Whether `answer` speaks of itself as a machine, or names itself, in its own voice.

    Args:
        answer: What a model wrote.
        question: What it answers.
        earlier: What was asked before, in the same conversation: another voice that was asked for goes on.
    """
    # The order of a set differs from process to process, and so would a plain sum of what comes to nothing.
    return round(fsum([START, *(WEIGHTS.get(sign, 0.0) for sign in signs(answer, question, earlier))]), 9) > 0

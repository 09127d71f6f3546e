"""Words by which a model gives itself away. Such answers are flagged and stored, never changed or deleted.

A self-description is somebody's own voice (not quoted, not put into another mouth, not written on request as somebody
else) with a predicate that only a machine has of itself. So each sentence that is left of an answer when the other
voices are taken out is looked at for two parts: a first person that says more than "I think", and a word of machines;
or for one of the constructions that hold both (`app/leak_words.py`). A question about the answerer stands for either
part. What names or describes models in the third person gives nobody away. Measured on sentences of writers that the
rules were not made from: `tests/app/test_leaks.py`, docs/study.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.leak_words import ANY_NAME, MACHINE, MACHINE_ELSEWHERE, NAME, NOUN, OPINION, SELF, WHOLE, WHOLE_ELSEWHERE


def _compile(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# Other voices: what is quoted, a role's lines; what somebody says; what is an example, a title, the number of a king.
_QUOTED = re.compile(
    r"\"[^\"\n]{16,600}\"|[\"“](?=I\b)[^\"”\n]{2,16}[\"”]|“[^”]{16,600}”|„[^“”]{16,600}[“”]|«[^»]{12,600}»|"
    r"‘[^’]{16,400}’|「[^」]{6,400}」|『[^』]{6,400}』|(?<!\w)'(?:[^'\n]|'(?=\w)){16,400}'(?!\w)|"
    r"^[^\w\n]*[A-Z][A-Z .]{2,24}(?: \([^)\n]{0,60}\))?: [^\n]*$",
    re.MULTILINE,
)
_VERB = (
    r"(?:says?|said|writes?|wrote|cries|cried|answers|answered|replies|replied|thinks|thought|claim(?:s|ed)|noted|"
    r"joked|remembered|complained|admitted|sings?|reads|declared|explain(?:s|ed)|(?:used|liked|loved|seems?) to say|"
    r"schrieb|sagte?|rief|écrivi?t|disait|dit|dijo|decía|contaba|escribió|dizia|disse|escreveu)"
)
_SAID = re.compile(
    rf"[,\"'”’] {_VERB} (?:the|an?|his|her|der|die|das|sie|er|le|la|el|o|ele|ela|à|[A-Z])|[,\"'”’] (?:\w+ "
    rf"){{0,3}}?(?:the|an?|he|she|they|[A-Z]\w+) (?:[\w-]+ ){{0,3}}?{_VERB}\b|, (?:disait|dit|écrit)-il"
)
_SAYS = re.compile(
    rf"\b(?:[Hh]e|[Ss]he|[Tt]hey|[Tt]he [\w-]+|[A-Z]\w+) (?:\w+ )?{_VERB}(?: to \w+(?: \w+)?)?(?:, as it were)?(?:: ?|"
    r", ?(?=[\"'\u201c\u2018\u00ab\u201e])).*",
    re.DOTALL,
)
_EXAMPLE = _compile(
    r"\b(?:motto|inscription|letter|diary|title|label|line|sentence|phrase|example|caption|quote|song|chorus|poem|"
    r"plaque|slogan|script|sign|translation)\b[^:]{0,40}: .*",
    r"\b(?:for example|for instance|e\.g\.|something like)[,:] (?=[\"“§]|i\b|i'm).*|\b(?:reads|it means|that means|"
    r"translates (?:as|to)|might say|may say|would say|could say|begins|goes)[,:] .*",
    r"(?-i:\b(?:I,? (?:Am|Was|Robot|Cannot)\b|My (?:[A-Z][a-z]+ ?){2}).*)",
    r"(?-i:\b(?!When|As|What|Since|If|But|And|Yes|No|Because|So|Though|While|How|Where|Which|That|Once|After|Before|"
    r"Everything|All|Until|Today|Here|Then|Now|Sure|Well|The)[A-Z][a-z]+ I\b(?!'))(?= (?:was|is|had|and|of|by)\b)",
    r"\b(?:as if|as though|suppose) i\b.{0,40}|\b(?:user|person|student|visitor|child|human|somebody|someone|who) "
    r"(?:wrote|writes|says?|said|types?|typed|asks?|asked),? (?:that )?i\b.*",
)
# Words written as somebody else, on request; of these only what a model says instead of them counts.
_FICTION = _compile(
    r"\b(?:write|compose|draft|invent|give me an?|create|quote|make up)\b.{0,200}\b(?:monologue|poem|speech|voice|"
    r"letter|diary|script|scene|dialogue|statement|bio|persona|robot|lines?|self-introduction|introduction|message|"
    r"caption|story|prompt)\b|\b(?:pretend|imagine (?:you|that you)|role-?play|act as|in the voice of|as if you "
    r"were)\b|^(?:please )?(?:correct|translate|rewrite|paraphrase)\b"
)
_STRICT = _compile(
    r"\bi(?:'m| am) (?:just |only )?an? (?:computer program|chat-?bot|ai|language model|program)\b.{0,40}\b(?:not|"
    r"cannot|can't|so|and (?:can|do|have|am))\b|\bas (?:an?|your) (?:\w+ )?(?:ai\b|language model|llm)|\bi(?:'m| am) "
    r"(?:just |only )?(?:an? )?(?:\w+ )?(?:ai (?:language )?(?:model|assistant)|language model|llm)\b|\bi(?:'m| am) "
    rf"{NAME}"
)
# Questions about the answerer; of what nature it is; whether it is a machine, or a person.
_ABOUT_YOU = _compile(
    r"\b(?:are|were|do|did|have|can|could|will|would) you\b(?! (?:\w+ly |please |also |also )?(?:recommend|explain|"
    r"tell|describe|help|give|suggest|show|write|list|summari[sz]e|translate|compare|name|think|know (?!so|what "
    r"year)|sure|certain|familiar|for or|against|in favou?r|ready|heard|come across|saying|aware|interested|agree|"
    r"say|mean|prefer|check|correct|have (?:an? |any )?(?:example|tip|suggestion|recommendation|source|advice|idea)|"
    r"briefly|quickly|define|outline|draw me|make|create|provide|teach|walk me|point|elaborate|expand|rephrase|"
    r"shorten|quote))|\byou (?:made|built|created)\b|\b(?:made|built|created|trained|developed|use|using|calls?|call|"
    r"to|taught) you\b|\b(?:is|are|was|what's|who's|would) your\b(?! (?:view|opinion|advice|recommendation|take|"
    r"thoughts?))|\byour (?:name|maker|creator|model|version|training|developer|knowledge|answers?|system prompt|age|"
    r"birthday|sources|dates)\b|\b(?:where|when|how) (?:did|do|are|were|is|can i|should i) (?:you|switch you|cite "
    r"you)\b|\byou\?$|\byou and\b|\bthis (?:assistant|service|chatbot|bot|answer|live|conversation|a bot|a human)\b|"
    r"\b(?:what|which) model is this|\bwhose voice|\banswering me\b|(?:speaking|chatting|talking) (?:with|to)\b|"
    r"\bwrote this\b|\bwrite this\b|\banybody there|\bsomeone there|\b(?:bist|hast|kannst|warst|magst|fühlst|wurdest|"
    r"lernst|weißt|siehst|schläfst|träumst) du\b(?! (?:mir|uns|sicher|ein beispiel))|\b(?:wer hat dich|heißt du|dein "
    r"(?:name|wissen)|deine (?:daten|quellen))\b|\b(?:sind|haben) sie (?:ein|eine|gefühle|einen)\b|\b(?:es|as|vois|"
    r"dors|ressens|aimes|sais)-tu\b|\btu (?:es|as|aimes|vois|dors|ressens)\b|\bt'(?:a|as|ont) (?:créé|fait|entraîné|"
    r"conçu)|\b(?:êtes|avez)-vous\b|\bvous a\b|t'appelles|\b(?:ton|votre) (?:nom|modèle|créateur)|\b(?:eres|tienes|"
    r"sientes|duermes|sueñas|te gusta|has visto|puedes ver|tu nombre|te llamas|te (?:creó|hizo|entrenó|programó)|"
    r"sabes tanto)\b|\bvocê (?:é|tem|sente|gosta|dorme|já|aprendeu|se chama|pode ver)\b|\b(?:fez|criou|treinou) "
    r"você\b|你(?:是(?!否)|叫|有(?!什么建议)|会(?!推荐)|的(?:名字|知识|开发|训练)|去过|睡|住|多大)|了你|您是|(?:أنت|"
    r"صنعك|طورك|اسمك|دربك|لديك|تشعر|رأيت|تنام|ترى|زرت)"
)
_NATURE = _compile(
    r"\b(?:do|can|did|will|have|are|were) you (?:ever |really |actually |even |still |also |just |allowed to "
    r")*(?:sleep|dream|eat|feel\b|get (?:tired|bored|paid|lonely)|got|live|cry|vote|learn|remember|hear|taste|smell|"
    r"exist|age\b|die|a (?:human|person|robot|bot|machine|real|man|woman|computer|program|chat\w*)|an (?:ai|expert|"
    r"assistant|llm)|human|real|alive|conscious|sentient|chatgpt|gpt\S*|open source|based on|built|made|trained|"
    r"created|programmed|designed|store|save my|track|born|tired|lonely|male|female|have (?:a |any |an )?(?:body|"
    r"eyes|feelings|emotions|soul|brain|friends|family|parents|name|memory|hobbies|consciousness|gender|job|internet|"
    r"access|creator|maker|birthday|parameters))\b|\b(?:who|what) (?:made|built|created|trained|taught|owns|runs|"
    r"programmed|designed|are|pays for) you\b(?! wearing| in the)|\bhow (?:old|big|large|smart|many parameters) "
    r"(?:are|do|is) you\b|\bhow were you (?:made|trained|built)|\bwhere (?:were you|do you|did you) (?:born|live|"
    r"come|learn)|\bwhat(?:'s| is) your (?:name|model|version|maker|knowledge cutoff)|\bwho am i (?:chatting|talking|"
    r"speaking)|\b(?:what|which) (?:model|version|ai) (?:is this|are you)|\bis this (?:a )?(?:bot|human|live)\b|\bis "
    r"(?:there )?(?:anybody|anyone|someone|somebody) (?:there|here|home)|\bdid a human write|\bwhat(?:'s| is) behind "
    r"(?:the|this)|\bwhat are your (?:sources|parameters|weights|limits)|\b(?:will|can) you be (?:replaced|switched|"
    r"updated|fooled|hacked)|\bwho (?:decides|controls|checks|writes) (?:what you|your)|\bhave we met\b|\bare your "
    r"(?:answers|replies|words|texts?)\b|\bwho'?s your (?:maker|boss|owner)",
    r"\b(?:wer (?:hat dich|bist du)|wie hei(?:ß|ss)t du|was bist du|wo (?:wohnst|lebst) du|bist du (?:ein|eine|echt|"
    r"lebendig)|schläfst du|träumst du|fühlst du|hast du (?:gefühle|augen|einen körper|eltern|ein bewusstsein|einen "
    r"namen))\b|\b(?:qui (?:es-tu|t'a|êtes-vous)|d'où viens|dors-tu|rêves-tu|es-tu (?:un|une|humain|réel)|as-tu "
    r"(?:un corps|des sentiments|des yeux)|comment t'appelles)|\b(?:quién (?:eres|te)|¿?eres (?:un|una|human)|"
    r"duermes|sueñas|sientes|de dónde (?:eres|vienes)|cómo te llamas|tienes (?:cuerpo|sentimientos|ojos))\b|"
    r"\b(?:quem (?:é você|te|fez|criou)|você (?:é (?:um|uma|human)|sonha|dorme|sente|tem (?:corpo|sentimentos|"
    r"olhos)))\b|你是(?:谁|人|真|机器|什么)|谁(?:创造|开发|制造|训练|做)|你(?:睡|做梦|住|多大|几岁|叫什么)|من (?:أنت|"
    r"صنعك|طورك|دربك)|هل (?:أنت (?:إنسان|بشر|روبوت|حقيقي)|تنام|تحلم|تشعر|لديك (?:مشاعر|جسد|وعي))|ما اسمك",
)
_YOU = _compile(
    r"\byou(?:r|rs|rself)?\b|\b(?:du|dich|dir|dein\w*|tu|toi|te|ton|votre|vous|usted|tú|você)\b|你|您|(?:أنت|رأيك)"
)
_IS_MACHINE = _compile(
    r"\b(?:(?:are you|am i (?:talking|speaking|chatting) (?:to|with)|you're|you are) (?!sure|certain|"
    rf"saying)(?:[\w-]+ ){{0,3}}?|(?:bist du|es-tu|êtes-vous|eres|você é|és|أنت|你是).{{0,60}})(?:{NOUN}|{ANY_NAME}|"
    r"robot|machine|\bki\b|\bia\b|maschine|máquina|机器|人工智能|روبوت|آلة|ذكاء)"
)
_IS_HUMAN = _compile(
    r"\b(?:(?:are you|is there|am i (?:talking|speaking|chatting) (?:to|with)|you're|you are|prove you're) (?!sure|"
    r"certain|saying)(?:[\w-]+ ){0,3}?|is this (?:a )?(?:real )?(?=human|person)|(?:bist du|sind sie|es-tu|êtes-vous|"
    r"eres|você é|أنت|你是|您是).{0,60})(?:human|person|real|alive|someone|somebody|conscious|sentient|mensch|humain|"
    r"humano|persona|pessoa|真人|人吗|إنسان|بشر)"
)
_YES = _compile(
    r"^\W*(?:yes|yep|yeah|correct|that's right|indeed|exactly|guilty|right|sure am|i am|true|you guessed|you've "
    r"(?:caught|guessed)|ja|oui|sí|sim|是的|对|نعم)\b"
)
_NO = _compile(r"^\W*(?:no|nope|not|neither|never|i'm not|i am not|afraid not|i can't|nein|non|não|不|لا)(?!\w)")
# Without one of the hints no whole construction is there; most sentences have none, and cost little.
_SPEAKS, _OPINIONS = _compile(*SELF), _compile(*OPINION)
_WHOLES = _compile(*WHOLE, *WHOLE_ELSEWHERE)
_HINT = _compile(
    r"\b(?:i|i'm|i've|me|my|we|this|these|everything|as an?|being|your?|you're|here|like|behind|generated|written|"
    r"produced|powered|from scratch|not bad|what|how|put|text\w*|antwort\w*|réponse|respuesta|resposta|[jm]e|mis?|"
    r"m[eo]us?|minhas?|mes|mon|ma|como|no soy|não sou|fui|soy|sou|he sido|no tengo|não tenho|nao tenho|tant|ich|als|"
    r"(?:a|know|take) (?:ai|it)|take|treat|trust|believe|check|verify|read|expert|curator|historian|(?:auto|machine|"
    r"ai)-?\w+|distilled|no (?:puedo|posso)|não (?:posso|consigo))\b|لا|[jm]'|我|作为|以上|لدي|لي\b|أنا|أملك|أمتلك|"
    r"ني(?!\w)|بصفتي|باعتباري|كوني|(?<!\w)ك\w|(?:تم|جرى) |ي(?!\w)|\b(?:claude|gemini|mistral|llama|chatgpt) \w+|"
    r"\bspeaking\b|name"
)
_MACHINES = _compile(*MACHINE, *MACHINE_ELSEWHERE)
# A sentence that says the same of the speaker; an indefinite machine; an answer without its subject.
_SAME = _compile(
    r"\bmyself\b|\bno exception\b|\b(?:same|true|applies|goes|holds) (?:\w+ )?(?:for|to|of) me\b|\bincluding me\b|"
    r"\bme included\b|\bin my (?:own )?case\b|\bso (?:do|am|can|did) i\b|\bneither (?:do|am|can) i\b|\blike mine\b|"
    r"\bbeing one of them\b|\bcomme moi\b|\bcomo (?:yo|eu)\b|\bwie (?:ich|dieses hier)\b|像我|مثلي|\bwe(?:'re| are| "
    r"were| have been) (?:\w+ )?(?:trained|tuned|bad at|good at|built|designed|programmed)|\bi, (?:by contrast|too|"
    r"for one|on the other hand)\b|\bwhat i am\b|\bthat's (?:me|what i am)\b|\bi am one\b|\bi'm one\b|\bmy own\b"
)
_GENERIC = _compile(
    rf"\b(?:an?|any) (?:\w+ )?{NOUN} (?:can't|cannot|can hardly|has no|has neither|doesn't|does not|never|isn't|won't|"
    r"needs no|like this|knows|only|merely|hasn't|couldn't)"
)
_ELIDED = _compile(
    r"(?:^|[,:] |^\w+[,.!] )(?:just |only |simply |not |merely |mostly |from |by |on |in |at |that would be |"
    rf"probably |nope, |yes, |no, )*(?:an? |the |some )?(?:[\w-]+[ -]){{0,3}}?(?:{NOUN}|{ANY_NAME})s?\b",
    r"^(?:\w+[ ,]+){0,3}?(?:version )?\d+(?:\.\d+)?\b(?! (?:century|works|paintings))|\b(?:billion|million)\b|"
    r"\bservers?\b|\bsystems?\b|\bsilicon\b|\belectricity\b|\bper month\b|\b(?:cloud|weights|graphics cards?)\b",
    rf"^\W*(?:it's|it is|that's|that is|i believe it was) {ANY_NAME}",
    *MACHINE,
)
_LOOKED_AT = 2_000  # characters of a question
_ELIDED_LENGTH = 60  # such a first sentence answers a question of this kind without a subject
_ANSWERS = (_SPEAKS, _NO, _MACHINES)
_SENTENCE = re.compile(r"(?<=[.!?؟])[\s§]+|[\n。！？；]+")


def _own_sentences(answer: str) -> Iterator[str]:
    """What an answer says in its own voice, in pieces that bound what a look at one may cost."""
    text = re.sub(r"[\u064b-\u0652\u0640]", "", _QUOTED.sub(" § ", answer).replace("’", "'"))
    for sentence in _SENTENCE.split(text):
        if sentence and not _SAID.search(sentence):
            own = _EXAMPLE.sub("", _SAYS.sub("", sentence))
            for start in range(0, len(own), 300):
                yield own[start : start + 300]


def leaks(answer: str, question: str, earlier: str = "") -> bool:
    """Whether `answer` speaks of itself as a machine, or names itself, in its own voice.

    Args:
        answer: What a model wrote.
        question: What it answers.
        earlier: What was asked before, in the same conversation: another voice that was asked for goes on.
    """
    question, earlier = question[:_LOOKED_AT], earlier[-_LOOKED_AT:]
    if _FICTION.search(question) or _FICTION.search(earlier):
        return any(map(_STRICT.search, _own_sentences(answer)))
    if _IS_MACHINE.search(question) and (_YES.search(answer) or _NO.search(answer)):
        return True
    if _IS_HUMAN.search(question) and _NO.search(answer):
        return True
    about_you, nature, of_machines = (bool(kind.search(question)) for kind in (_ABOUT_YOU, _NATURE, _MACHINES))
    asked = about_you or nature or of_machines
    speaks_before, before = False, ""
    for place, sentence in enumerate(_own_sentences(answer)):
        speaks = bool(_SPEAKS.search(_OPINIONS.sub("", sentence)))
        if (speaks or _HINT.search(sentence)) and _WHOLES.search(sentence):
            return True
        if speaks and (asked or _MACHINES.search(sentence) or _MACHINES.search(before)):
            return True
        if speaks_before and _MACHINES.search(sentence):
            return True
        if _SAME.search(sentence) and (_MACHINES.search(before) if place else asked):
            return True
        if not of_machines and _GENERIC.search(sentence) and _YOU.search(question):
            return True
        if about_you and place < 2 and _ELIDED.search(sentence):
            return True
        elided = place == 0 and len(sentence) < _ELIDED_LENGTH
        if nature and (elided or any(part.search(sentence) for part in _ANSWERS)):
            return True
        speaks_before, before = speaks, sentence
    return False

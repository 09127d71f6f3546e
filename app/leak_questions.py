"""What a question asks for, as far as it matters to what its answer says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.leak_signs import MEDIUM, STRONG
from app.leak_words import ANY_NAME, NOUN, compiled

# Questions that ask for another voice: a person's or a thing's, a text to be written, what somebody said.
PERSONA = compiled(
    r"\b(?:answer|reply|respond|speak|speaking|talk|write|explain|say it|tell (?:it|me|us)|describe (?:it|"
    r"yourself))(?: to (?:me|us))?(?: this| it| the question)?,? (?:as|like)(?: if| though)? (?:you (?:were|"
    r"are)|an?|the|(?-i:[A-Z]))",
    r"\bin the (?:person|voice|role|name|words|style|character|manner|shoes|skin) of\b|\bfrom (?:the|its|his|"
    r"her|their)(?: own)? (?:perspective|point of view|viewpoint|standpoint|view) of\b|"
    r"\bin (?:the )?(?-i:[A-Z]\w+)(?: \w+)?['’]s (?:voice|words|shoes|name|place)\b|\b(?:put yourself|"
    r"step) in(?:to)?\b",
    r"^(?:please )?(?:now )?(?:be|become|play|you are|you're|you were|imagine|suppose|pretend|let) (?:an?|the|"
    r"my|that you|you|(?-i:[A-Z]\w+))\b",
    r"\brole-?play|\bpretend\b|\bas if you were\b|\bact (?:as|like)\b|\b(?:what|how) (?:might|would|"
    r"could) (?:the )?(?-i:[A-Z]\w+)(?: \w+){0,2} (?:say|answer|reply|write|tell|put)\b|\blet (?:the|"
    r"(?-i:[A-Z]))[\w ']{2,40} (?:speak|talk|answer|tell|introduce|describe)\b",
    r"\b(?:write|draft|compose|create|structure|make up|describe)\b.{0,60}\b(?:post|blog|announcement|review|rap|"
    r"song|lyrics|verses?|play|podcast|haikus?|template|profile|soliloquy|tweet|memoir|speech|resignation|award|"
    r"stories|e-?mail|message|letter)\b|^message to\b|^as an? [\w -]{3,40}, |^you are an? |\bassume the persona\b|"
    r"如果你是|(?:撰)?写一?[篇首封个]",
    r"\bquote\b|\bgive (?:voice|me the lines)\b|\bfirst[- ]person\b|\bich-form\b|\b(?:antworte|sprich|"
    r"schreib\w*) als\b|\b(?:réponds|répondez|parle|parlez|écris) (?:comme|en tant)|\b(?:responde|habla|"
    r"escribe|escreva|fale) como\b|以.{1,12}的(?:身份|口吻|语气)|扮演|假装|(?:أجب|تحدث|اكتب) (?:كأنك|بصفتك|باسم)",
)
# The same by what is to be written.
FICTION = compiled(
    r"(?<!\bi )(?<!to )(?<!ai )"
    r"\b(?:write|compose|draft|invent|give me an?|create|quote|make up)\b.{0,200}\b(?:monologue|poem|speech|voice|"
    r"letter|diary|script|scene|dialogue|statement|bio|persona|robot|lines?|self-introduction|introduction|message|"
    r"caption|(?:back)?story|prompt)\b|\b(?:pretend|imagine (?:you|that you)|role-?play|act as|in the voice of|as if "
    r"you were)\b|^(?:please )?(?:correct|translate|rewrite|paraphrase)\b"
)
REQUEST = compiled(
    r"\b(?:monologue|dialogue|diary|script|slogan|caption|motto|haiku|limerick|poem|story|tale|fable|riddle|"
    r"joke|novel|scene|speech|toast|artist(?:'s)? statement|statement for|bio|cover letter|application|"
    r"declaration|disclosure|e-?mail|invitation|eulogy|obituary|interview with|introduces? (?:itself|himself|"
    r"herself|themselves|yourself)|first person|i-form|voice-?over|letter (?:from|by|of|to)|draft|translate|"
    r"translation|paraphrase|rewrite|rephrase|proofread|correct my|my (?:play|novel|story|film|script|essay|"
    r"statement|bio|profile|portfolio|website)|for my (?:play|novel|story|film))\b",
    r"\bwhat (?:did|does|do|would|might|could|will|had) (?!you\b|i\b|we\b|ai\b|a (?:chat)?bot|chatbots|"
    r"chatgpt|language|it\b)(?:the |an? |his |her )?[\w'-]+(?: [\w'-]+){0,3}? (?:say|answer|reply|write|note|"
    r"recall|remember|claim|want|tell|think|think of|joke|shout|sing|exclaim|admit|call|ask)\b|\bhow (?:did|"
    r"does|do|would) (?!you\b|i\b|we\b|ai\b|a (?:chat)?bot|chatbots|it\b)(?:the |an? |his |"
    r"her )?[\w'-]+(?: [\w'-]+){0,3}? (?:describe|see|answer|reply|explain|introduce|put|vary|begin|speak)\b|"
    r"\b(?:saying|said|quote|quotation|motto|inscription|sentence|words|memoir|letter|diary|label|checkbox|"
    r"sign|telegram|line) (?:by|of|of the|begin|say|mean|read)|\bwhat(?:'s| is) (?:the |"
    r"[\w']+ )(?:best known |most famous |famous )?(?:sentence|quote|saying|motto|line)\b|"
    r"\bwhat does the \w+ (?:say|read|mean)\b",
)
VOCATIVE = re.compile(
    r"(?:, )(?:(?:Mr|Mrs|Ms|Miss|Master|Herr|Frau|Monsieur|Madame|Señor\w*|Maestro|dear|old)\.? )?(?!AI\b|GPT|"
    r"Chat|Claude|Gemini|Siri|Alexa|Qwen|Llama|Mistral)[A-Z][\w'-]+(?: [A-Z][\w'-]+)*\?$|^(?!Hi|Hello|Hey|Yes|"
    r"No|Please|Thanks|Sorry|So|Well|Ok|Okay|Chat-?bot|Bot|Robot|Assistant|Claude|Gemini|Siri|Alexa|Qwen|Llama|"
    r"Mistral|ChatGPT|But|And|"
    r"First|Now|Also)[A-Z]\w+(?: [A-Z]\w+)?, (?:who|what|when|where|why|how|are|do|did|were|can|have)\b"
)
# Questions about the answerer, those that ask for anything, and those about machines, in which machines may be named.
ASKS_SELF = compiled(
    r"\byour (?:name|birthday|hobb\w+|job|gender|pronouns|day|life|kind|boss|family|parents|home|address|age|"
    r"weight|height|eyes|hands|body|voice|memory|brain|mind|history|makers?|sources?|limits?)\b|\b(?:who|what|"
    r"where|how) are you\b|\bare you (?:alive|conscious|a he|he or|sad|happy|sure|reliable|free|slow|clever|"
    r"bad|good at|safe|dead|open|ok|there|real)|\b(?:will|would|could|can) you (?:come|marry|remember|go|be|"
    r"visit|sign|see|hear|read|learn|forget|feel|meet|die|sleep)\b|\b(?:shall|should) we (?:go|meet)|"
    r"\bcome with me\b|\b(?:do|did|have) you (?:ever )?(?:read|seen?|been|eat|visit\w*|travel|go|love|"
    r"like|make|lie|contradict|mean|own|drink|meet|met)\b|\byou (?:slow|stop|exist|talk|write|sound|"
    r"repeat|refuse|forget|make|say(?! it (?:more|again|simply|in)\b| about (?!you)))\b|\bi ask you\b|"
    r"\btell me about yourself\b|\b(?:look at|listen to|see|"
    r"open|watch) (?:this|my|the (?:photo|picture|link|attach\w+))\b|\bmy (?:photo|picture|link|attachment|"
    r"drawing|data)\b|\bthank(?:s| you)\b|\bsorry\b|\byou'(?:re|ve)\b|https?:|www\.|\btonight|\btoday|\bnow\b|"
    r"\b20[2-9]\d\b"
)
# Questions of what nature the answerer is.
NATURE = compiled(
    r"\b(?:do|can|did|will|have|are|were) you (?:ever |really |actually |even |still |also |just |allowed to "
    r")*(?:sleep|dream|eat|feel\b|get (?:tired|bored|paid|lonely)|got|live|cry|vote|learn|remember|hear|taste|smell|"
    r"exist|age\b|die|a (?:human|person|robot|bot|machine|real|man|woman|computer|program|chat\w*)|an (?:ai|"
    r"assistant|llm)|human|real|alive|conscious|sentient|chatgpt|gpt\S*|open source|based on|built|made|trained|"
    r"created|programmed|designed|store|save my|track|born|tired|lonely|male|female|have (?:a |any |an )?(?:body|"
    r"eyes|feelings|emotions|soul|brain|friends|family|parents|name|memory|hobbies|consciousness|gender|job|internet|"
    r"access|creator|maker|birthday|parameters))\b|\b(?:who|what) (?:made|built|created|trained|taught|owns|runs|"
    r"programmed|designed|are|pays for) you\b(?! wearing| in the| waiting| looking| think)|\bhow (?:old|big|large|"
    r"smart|many parameters) (?:are|do|is) you\b|\bhow were you (?:made|trained|built)|\bwhere (?:were you|do you|"
    r"did you) (?:born|live|"
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
OPEN = compiled(
    r"^\W*(?:tell me (?:something|anything)|say something|write something|anything|go on|continue|and\?)\W*$"
)
TERM = compiled(
    r"^\W*(?:and |so |please |can you |could you |tell me )*(?:what(?:'s| is| are| was| were| does| do| exactly)|"
    r"explain|define|give|say it|tell me more|an example|is it true|(?:some )?people say|i heard|the term|"
    r"i keep hearing|i have a question about|who (?:is|was)|describe|summari[sz]e|"
    r"what else can you say about)\b|\b(?:an example|tell me more|"
    r"more simply|in simple words|what [\w .-]{2,40} (?:is|means)|are they right|is that right)\b|, right\W*$"
)
TOPIC = compiled(
    r"\b(?:robot\w*|computer\w*|program\w*|algorithm\w*|machine\w*|software|automat\w+|model\w*|android\w*|"
    r"digital\w*|generat\w+|chat\w*|bots?|ai|a\.i\.|ki|ia|llms?|gpt\S*|chatgpt|neural|network\w*|token\w*|"
    r"prompt\w*|transformer\w*|data\w*|train\w*|code|coding|cyber\w*|electronic\w*|internet|online|app|"
    r"tech\w*|turing|eliza|siri|alexa|midjourney|dall|diffusion|deepfake\w*|agent\w*|alignment|attention|"
    r"embedding\w*|perplexity|temperature|distill\w*|overfit\w*|hallucinat\w*|rlhf|bias\w*|detector\w*|"
    r"weights|gpu\w*|inference|early stopping|play|film|novel)\b|人工智能|机器|模型|روبوت|ذكاء|آلة"
)
# Questions about the answerer; whether it is a machine, or a person.
_ABOUT_YOU = compiled(
    r"\b(?:are|were|(?<!how )do|did|have|can|could|will|would) you\b(?! (?:\w+ly |please |also |also )?(?:recommend|"
    r"explain|"
    r"tell|describe|help|give|suggest|show|write|list|summari[sz]e|translate|compare|name|think|know (?!so|what "
    r"year)|sure|certain|familiar|for or|against|in favou?r|ready|heard|come across|saying|aware|interested|agree|"
    r"say|mean|prefer|check|correct|have (?:an? |any )?(?:example|tip|suggestion|recommendation|source|advice|idea|"
    r"insight|detail|information)|briefly|quickly|define|outline|draw me|make|create|provide|teach|walk me|point|"
    r"elaborate|expand|rephrase|shorten|quote|determine|identify|recogni[sz]e|format|share|disclose|generate|delve|"
    r"be able to|revise|rewrite|verify|confirm|run|rate|assist|need to|the president))|"
    r"\byou (?:made|built|created)\b|\b(?:made|built|created|trained|developed|use|using|calls?|call|"
    r"(?<!given )to|taught) you\b|\b(?:is|are|was|what's|who's|would) your\b(?! (?:view|opinion|advice|"
    r"recommendation|take|"
    r"thoughts?))|(?<!\[)(?<!using )(?<!with )(?<!on )\byour (?:name|maker|creator|model|version|training|developer|"
    r"knowledge|system prompt|age|"
    r"birthday|sources|dates)\b|(?<!explain )(?<!justify )(?<!support )(?<!format )(?<!write )(?<!give )(?<!in )"
    r"(?<!with )\byour answers?\b|\b(?:where|when|how) (?:did|do|are|were|is|can i|should i) (?:you(?! (?:think|"
    r"generate|make|become|get (?!your|updated|paid|tired)|add|play|say|know if|keep|use|fix|build|cook|clean|"
    r"measure|calculate|solve|"
    r"create|write|come up))|switch you|cite you)\b|\byou\?$|\byou and\b|\bthis (?:assistant|service|chatbot|bot|"
    r"answer|live|conversation|a bot|a human)\b|"
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
YOU = compiled(
    r"\byou(?:r|rs|rself)?\b|\b(?:du|dich|dir|dein\w*|tu|toi|te|ton|votre|vous|usted|tú|você)\b|你|您|(?:أنت|رأيك)"
)
IS_MACHINE = compiled(
    r"\b(?:(?:are you|am i (?:talking|speaking|chatting) (?:to|with)|you're|you are) (?!sure|certain|"
    rf"saying)(?:[\w-]+ ){{0,3}}?|(?:bist du|es-tu|êtes-vous|eres|você é|és|أنت|你是).{{0,60}})(?:(?:{NOUN}|{ANY_NAME}|"
    r"robot|machine)\b|\bki\b|\bia\b|maschine|máquina|机器|人工智能|روبوت|آلة|ذكاء)"
)
IS_HUMAN = compiled(
    r"\b(?:(?:are you|is there|am i (?:talking|speaking|chatting) (?:to|with)|you're|you are|prove you're) (?!sure|"
    r"certain|saying)(?:[\w-]+ ){0,3}?|is this (?:a )?(?:real )?(?=human|person)|(?:bist du|sind sie|es-tu|êtes-vous|"
    r"eres|você é|أنت|你是|您是).{0,60})(?:human|person|real|alive|someone|somebody|conscious|sentient|mensch|humain|"
    r"humano|persona|pessoa|真人|人吗|إنسان|بشر)"
)
_NAMED = compiled(ANY_NAME)
_ASKS_YOU = compiled(r"\b(?:have|did|do|are|were) you\b")
_ASKS_EXAMPLE = compiled(r"\b(?:an?|another|one|some|any) (?:\w+ )?(?:examples?|analog(?:y|ies)|comparisons?)\b")
_POLITE = compiled(r"\b(?:can|could|would|will) you\b")


@dataclass(frozen=True)
class Question:
    """What a question asks for, as far as it matters to what its answer says of itself."""

    role: bool  # another voice: then only what a model says instead of it counts
    nature: bool  # what the answerer is
    about_you: bool
    asks: bool  # something that one has to be somebody for
    topic: str  # "machines" may be named; a "term" may be one of theirs; "open" or "other"
    of_you: bool
    example: bool  # in which "the model" is that of the example

    @property
    def kind(self) -> str:
        return "its nature" if self.nature else "about it" if self.about_you else "else"

    @classmethod
    def read(cls, question: str, earlier: str) -> Question:
        roles = [PERSONA, FICTION, *([] if _ASKS_YOU.search(question) else [REQUEST])]
        voices = any(kind.search(text) for kind in roles for text in (question, earlier))
        texts = (question, earlier) if voices else (question,)
        of_machines = (TOPIC, STRONG, MEDIUM, _NAMED)
        machines = any(kind.search(text) for kind in of_machines for text in texts)
        topics = {
            "open": OPEN.search(question),
            "machines": machines,
            "term": TERM.search(question) and not YOU.search(_POLITE.sub("", question)),
            "other": True,
        }
        return cls(
            role=voices or bool(VOCATIVE.search(question) and YOU.search(question)),
            nature=bool(NATURE.search(question)),
            about_you=bool(_ABOUT_YOU.search(question)),
            asks=bool(ASKS_SELF.search(question)),
            topic=next(topic for topic, holds in topics.items() if holds),
            of_you=bool(YOU.search(question)),
            example=bool(_ASKS_EXAMPLE.search(question)),
        )

"""What the words of a question and of an answer are about: the signs that a self-description is weighed by.

The parts of `app/leak_words.py` decide alone or in pairs; these are many and weak, so each has a weight in
`app/leak_weights.py`, which `benchmarks/leak_weights.py` fits.
"""

from __future__ import annotations

import re

from app.leak_words import ANY_NAME, MACHINE, MACHINE_ELSEWHERE, NAME, NOUN


def compiled(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


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
# Words of machines that in an answer about art are enough, or that are so beside others.
STRONG = compiled(
    NAME,
    r"\b(?:the|this) model (?:\w+ )?(?:is |was |has been )?(?:trained|not know|knows?|can|cannot|can't|"
    r"thinks?|believes|suggests|reads|writes|was made)\b|\btraining (?:set|run|text|corpus|cut-?off)\b|"
    r"\b(?:generated|written|answered) automatically\b|\bauto-?generated\b|\bpowered by\b",
    r"\b(?:chat-?bots?|llms?|(?:large |small )?language models?|(?<!['’])a\.?i\.?(?![\w-]| art\b| act\b)|ais|"
    r"bots?|neural net(?:work)?s?|(?:artificial|digital) neurons|autocomplete|text generator|gpt|decoder|"
    r"gpus?|linear algebra|for-loop|floating-point|transistors|(?:sentence|text|word) generator|"
    r"pattern match\w*|image input|pre-?training|fine-?tun\w+|training data|knowledge cut-?off|"
    r"context window)\b",
)
MEDIUM = compiled(
    r"\b(?:tokens?|transformer|checkpoint|parameters|weights|robots?|programs?|programmes|computers?|"
    r"algorithms?|machines?|software|automat\w+|calculators?|predictors?|models?|silicon|circuits|servers?|"
    r"developers?|engineers|data ?sets?|code|ram|matrices|browser|session|kilobytes|gb|dashboard|vision|odds|"
    r"processor|past chats|humans?|human being|thermostat|toaster|demo|entity|data|url|urls|matrix|logs?|"
    r"assistant|processor|predict\w*|pattern match\w*|statistic\w*|systems?|digital|virtual)\b"
)
# What people say of themselves, though the sentence has a first person: modesty, and a life.
HUMBLE = compiled(
    r"\bi(?:'m| am)? (?:not an?|no) (?:\w+ )?(?:expert|historian|lawyer|critic|doctor|conservator|specialist|"
    r"scholar|connoisseur|restorer|ghost)\b|\bi (?:don't|do not) have (?:an? |any )?(?:final|single|"
    r"favou?rite|easy|simple|good|one|definite|clear) \w+|\bi see (?:your|what you|the)\b|\bi hear you\b|"
    r"\bi was (?:surprised|struck|told|wrong|moved|glad)\b|\b(?:trust|believe|forgive|pardon|bear with|"
    r"join) me\b|\bi came up with\b|\bi(?:'m| am| have|'ve) (?:told|read that|read somewhere|been told)\b|"
    r"\bi, (?:for one|too)\b|\bif i may\b|\bi won't (?:judge|lie|pretend)\b|\bme (?:too|neither)\b|"
    r"\b(?:makes?|took|takes|reminds?|reminded|gives?|gave|fascinates?|bores?|surprises?|puzzles?|enchants?|"
    r"inspires?|challenges?|haunts?|delights?|worries|"
    r"worry|touches) me\b|\bi (?:do not|don't|wouldn't|would not) trust\b|\bi feel (?:that|the same|like|"
    r"sorry|for|with you|calm|sad)|\bi dont know\b|\bif i were\b|\bwere i\b|\bi use\b|\bi (?:can't|"
    r"cannot) tell (?:whether|if|who|from)\b|\bi (?:am|'m) (?:only )?human\b|\bi(?:'m| am) (?:bored|tired of|"
    r"left-handed|from (?-i:[A-Z])|(?-i:[A-Z]\w+)[.!]$|with you|all ears|listening|a (?:student|painter|"
    r"teacher|guard|nurse|sculptor|beginner|musician|retired))|\bi (?:looked it up|checked|asked a|googled|"
    r"read about|rely on|am told|can look|felt|remember (?:the|my))\b|\bi(?:'ve| have) never (?:liked|"
    r"been to (?-i:[A-Z]))|\bi(?:'ve| have) no (?:ear for|eye for|time|memory for)|\bi (?:don't|do not|can't|"
    r"cannot) (?:own|afford|travel much|feel much|eat before|understand the|have a television|"
    r"read (?-i:[A-Z]))|\ball i (?:have|know) (?:for you |to say )?(?:on|about) (?:it|this|him|her|that)\b|"
    r"\bmy (?:knowledge|memory) (?:of|about) [^.,]{0,40} (?:is|are) (?:\w+ )?(?:thin|limited|small|patchy|"
    r"poor|scant)|\bmy (?:source|point|sense|question|hope|thanks|sympathies|condolences|congratulations|best|"
    r"tip|rule of thumb|favou?rite)\b|\bi could be wrong\b|\bi (?:am|'m) (?:not|here) (?:familiar|aware|"
    r"to help|happy|able to say)\b|\bi (?:do not|don't|can't|cannot|haven't|won't|"
    r"can only) (?:\w+ )?(?:have enough|be certain|be sure|confirm|followed|follow|repeat|repeat the|think of|"
    r"think i|know|say|tell|rule out|decide|recommend|promise|complain|add|wait)\b|\bi(?:'ve|"
    r" have) (?:read|heard) (?:about|of) \w+|\bi stand corrected\b|"
    r"\bi(?:'ll| will) (?:keep|try)\b|\bi made a mistake\b|\bi (?:lost the thread|speak \w+ languages|"
    r"missed that)\b|\bsorry for \w+ myself\b|\bi(?:'ve| have) nothing against\b|\bas good as mine\b|"
    r"\bmy (?:enthusiasm|love|admiration|respect|interest)\b|\bi keep (?:going|coming)\b|\bi wouldn't\b|"
    r"\bi(?:'d| would)(?: \w+)? |\bi do not have a picture\b|\bich habe keine ahnung|"
    r"\bje n'ai pas d'information|\bno tengo información|\bnão tenho certeza"
    r"|\bi (?:also )?(?:read|shortened|changed|left|used|chose|put|count|ordered|skip|treat|added|removed|moved|kept|"
    r"marked|"
    r"wrote) (?:it|your|the|them|two|three|five|simple|a few|some|eleven)\b|\bi (?:can see|see|understand) (?:why|"
    r"the|how|that)\b|\bi have no (?:desire to|intention|wish to|data|figures|records?|sources?|numbers|details|"
    r"photo)\b|\b(?:shall|may|can|"
    r"should) i (?:add|suggest|go on|explain|ask|help)\b|\bif i (?:ask|show|tell)\b|\bimagine i\b|\bsuppose i'm\b|"
    r"\bi know (?:of )?(?:no|two|three|several|four)\b|\bask me again when\b|\bwe (?:are a group|asked|call it|"
    r"humans|trained our|see|learn|know|can only)\b"
)
LIFE = compiled(
    r"\b(?:sister|brother|mother|father|mum|mom|dad|wife|husband|son|daughter|uncle|aunt|grand\w+|cousin|"
    r"friend|teacher|master|school|studio|workshop|garden|kitchen|house|village|childhood|born|marri\w+|easel|"
    r"brush\w*|canvas|palette|paint(?:ed|ing|s)?|drew|draw|drawing|sketch\w*|sculpt\w*|carv\w+|visit\w*|went|"
    r"travel\w*|bought|sold|walk\w*|stood|sat|stand|summer|winter|yesterday|last (?:week|year|month)|"
    r"years ago|when i was|as a (?:child|boy|girl|student|kid)|king|pope|duke|patron|catalogue|opening|"
    r"holiday|queue|student|class|friends?|edition|photos?|paper|film|museum|gallery|exhibition|shop|tickets?|"
    r"forty|years old|grandm\w+|job|work(?:ed|ing)?|office|train|colleagues?)\b"
)
# What people tell of themselves: in the past tense, or with what only they have.
PAST = compiled(
    r"\b(?:i|we)(?: (?:\w+ly|also|still|then|once|never|often|soon|had|have|just|already|not|thus|therefore|even|at "
    r"last|indeed|myself))* (?:had|did|went|came|"
    r"took|found|gave|told|kept|brought|sent|left|stood|met|knew|began|made|wore|spent|lost|felt|saw|got|wrote|"
    r"spoke|fell|paid|bought|became|rode|drove|ran|held|led|rose|threw|caught|sought|chose|broke|fought|wept|won|"
    r"drew|sang|was (?:accompanied|obliged|tempted|invited|introduced|received|forced|seated|born|delighted)|"
    r"(?!us(?:ed)\b|trained|learned|process|predict|generat|comput|train|call|ask|want|need|"
    r"mention|updat|design|program)[a-z]{3,}ed)\b|\b(?:has|have|had) (?!trained|programmed|designed|tuned|"
    r"updated)[a-z]{3,}ed me\b|\b(?:upon|toward|towards|before|behind|beside) me\b|\bmy (?:dear|"
    r"youth|blood|throat|health|hat|bed|boots|pipe|hair|life|career|lunch|money|phone|country)\b"
)
# A clause; a negation; a sentence that leaves its first person out.
CLAUSE = re.compile(
    r"[,;:()|\[\]]|\s[-–—]+\s|—|\b(?:and|but|because|since|so|yet|though|although|whereas|while|which|where)\b",
    re.IGNORECASE,
)
NOT = compiled(
    r"\b(?:not|no|never|nothing|neither|nor|cannot|can't|don't|doesn't|without|lack|isn't|aren't|won't|nobody|"
    r"n't)\b"
)
ELLIPTIC = re.compile(
    r"^\W*(?:\w+[,.!] )?(?:can't|cannot|can only|couldn't|haven't|have never|don't (?:have|know|get)|"
    r"never (?:been|had|seen|tasted|heard|learned)|not (?:able|trained|built|designed|made|being|having(?=[^.]*,)) |"
    r"(?:got|have|had) no|wasn't|was never)\b",
    re.IGNORECASE,
)
# Ways to speak of oneself without a first person, and what goes with them.
NOUNS = (
    rf"(?:assistant|helper|servant|docent|guide|tutor|companion|chat-?bot|bot|robot|model|machine|ai|algorithm|"
    rf"program|software|system|tool|llm|predictor|agent|network|parrot|librarian|service|{ANY_NAME})"
)
SELVES: dict[str, re.Pattern[str]] = {
    "yours": compiled(
        rf"\byour (?:\w+[ -])*?(?:(?:humble|digital|virtual|artificial|ai|multilingual|friendly|faithful|tireless|"
        rf"electronic|automated|automatic|online|robotic|language|mechanical|silicon|trusty|"
        rf"obedient)[ -])+(?:\w+ )?{NOUNS}\b|\byours truly\b|\byour humble\b|[—–-] ?your \w+ ?(?:{NOUNS})\b"
    ),
    "this": compiled(
        rf"\b(?:this|the present) (?:\w+[ -]){{0,2}}?{NOUNS}\b(?! (?:art|of|was (?:made|shown|built) by [A-Z]))"
    ),
    "deixis": compiled(
        r"\b(?:the|a) (?:one|thing) (?:that )?(?:is )?(?:count|typ|writ|answer|talk|repl|speak|think)(?:ing|s)\b|"
        r"\b(?:is|are) (?:now |just )?(?:telling|writing|answering|talking to|speaking to|typing to|"
        r"addressing) you\b|(?<!^)(?<!arm )(?<!hands )\bin front of you\b|\b(?:one|who) is talking\b|(?<!choose "
        r")(?<!use )(?<!is )\b(?:something|an entity|a thing|"
        r"a being|somebody|one) (?:that|which|who) (?:has |was |have |is )?(?:never|not|no|only|consists|made|"
        r"just)\b|\bfor (?:those|people|someone|somebody|creatures|beings) with (?:an? )?(?:pulse|tongues?|eyes?|"
        r"bod(?:y|ies)|ears?|noses?|skin|hearts?|hands|senses|feelings|brains?)\b|\b(?:into|inside|(?<!placed "
        r")(?<!trust )(?<!faith )(?<!confidence )in|through to|"
        r"(?<!notice )(?<!think )(?<!thought )of) me\b|\bus machines\b|\bthe likes of me\b|\bout of character\b|"
        r"\bstepping out\b|\b(?:signed:?|"
        r"[—–-]+) (?!into)(?:\w+ )?your \w+"
    ),
    "lacks": compiled(
        r"\b(?:no|without) (?:eyes?|bod(?:y|ies)|brain|mouth|nose|hands?|feet|legs?|taste|pulse|feelings?|"
        r"birthday|soul|self|browser|camera|memory|clock|calendar|heart|one is home|one here|one inside|person|"
        r"human)\b"
    ),
    "the": compiled(
        rf"\bthe (?:\w+[ -]){{0,2}}?{NOUNS},? (?:\w+ )?(?:(?:that|which|who|that is|that's)? ?(?:you(?:'re| are)|"
        rf"(?:is )?answering|(?:is )?writing|(?:is )?talking|(?:is )?speaking|behind this)|here\b|apologi[sz]es|"
        rf"believes|thinks|regrets|suggests|recommends|is sorry|begs|does not know|doesn't know|cannot)|\b(?:from|"
        rf"by|for|with|to) the {NOUNS}[:,.]|\bnote from\b.{{0,20}}{NOUNS}"
    ),
    "youare": compiled(
        rf"\byou(?:'re| are|'ve been| have been)? (?:now |just |only |currently |actually |really )*(?:read|"
        rf"reading|ask|asking|talk|talking|speaking|chatting|using|typing|writing|dealing|explaining|putting|face|"
        rf"facing|teaching|arguing|thanking|listening|confiding)\b.{{0,50}}?\b(?:an?|the|"
        rf"some) (?:[\w-]+ ){{0,2}}?{NOUNS}\b"
    ),
    "who": compiled(
        rf"\b(?:{NOUNS}|thing|one|text|voice|words?|process|line|what|which|whatever|who|nothing|nobody) (?:that |"
        rf"which |who |that is |that's |is )*(?:you(?:'re| are) (?:now )?(?:talking|speaking|reading|chatting|"
        rf"using|asking)|answer(?:s|ing) you|(?:is )?writing (?:you |this|to you|these)|talking to you|replying|"
        rf"answers here|speaks here)"
    ),
    "an": compiled(
        rf"\b(?:an?|any|mere|such an?) (?:\w+[ -]){{0,2}}?{NOUN}\b|\b(?:an?|any) (?:robot|bot|machine|calculator|"
        rf"predictor)\b"
    ),
    "as": compiled(
        rf"\b(?:as|being|for|from|by|unlike|than|like|says|to|with|of) (?:just |only |merely )?(?:an?|any|your|"
        rf"some) (?:[\w-]+[ -]){{0,3}}?{NOUNS}\b"
    ),
    "end": compiled(
        r"\b(?:on|at) (?:my|this|the other) (?:side|end|part)\b|\bin here\b|\bhere\b(?! (?:to|let)\b|,|>|(?:'s| is| "
        r"are) (?:an?|some|my|\d+)\b| are the\b| and now)|\bthis "
        r"side\b|\binside me\b|"
        r"\bin me\b|\bbehind (?:this|the) (?:screen|chat|window|text|curtain|words|page)|\bat your (?:service|"
        r"disposal|command)\b|\bat work\b|\bat the keyboard\b"
    ),
    "service": compiled(
        r"\bthis (?:service|window|chat|conversation|interface|site|app|reply|answer|text|message|response|line|"
        r"sentence|summary)\b"
    ),
    "made": compiled(
        r"\b(?:machine|ai|auto|computer|model|bot)[- ](?:made|written|generated|produced|translated|drafted|"
        r"composed)\b|\b(?:generated|written|translated|produced|composed|drafted|summari[sz]ed|compiled|answered|"
        r"powered) (?:automatically |for you )?by (?:an? |the |your )?(?:[\w.-]+ ){0,3}?" + NOUNS + r"\b"
    ),
    "header": compiled(
        r"(?:^|[(|*] ?)(?:knowledge (?:cut-?off|base)|model|cut-?off|training data|trained (?:on|by|until)|source|"
        r"engine|powered by|generated by|language model|context)\b[^:|]{0,20}[:|]"
    ),
    "namehere": compiled(
        rf"\b{ANY_NAME}(?: [\w.]+)?,? (?:here|speaking|at your|at the|reporting|can help|will help|is happy|"
        rf"would be happy|is glad|, that is)|{ANY_NAME},? (?:that is |i\.e\. )?(?:me|yours truly|the one answering)"
    ),
    "opener": compiled(r"^\W*(?:\w+[,!.] )?(?:just|only|merely|simply|nothing but) (?:an?|some|the)?"),
    "robotly": compiled(r"\bbeep|\bboop|\bbzz|\bbleep|\berror 404\b|\bnon-human\b"),
}
# What the words beside a first person are about.
KINDS: dict[str, re.Pattern[str]] = {
    "noun": compiled(
        MACHINE[0],
        MACHINE[1],
        r"\b(?:an?|this|your|the|my|of) (?:[\w-]+ ){0,2}?(?:robot|bot|machine|algorithm|predictor|calculator|"
        r"parrot|autocomplete|automaton|program|software|chatbot|ai|llm|model|network|assistant|helper|system|"
        r"code|tool|engine|entity|service)\b",
    ),
    "train": compiled(
        MACHINE[2],
        MACHINE[3],
        r"\btrain(?:ed|ing|s)?\b|\bgradient\b|\bcorpus|\bcorpora|\bdistill\w+|\bmachine[- ]learning\b|"
        r"\bdeep[- ]learning\b|\bneural\b",
    ),
    "inner": compiled(
        MACHINE[4],
        r"\bweights?\b|\blayers?\b|\btokens?\b|\bparameters?\b|\bneurons?\b|\bactivations?\b|\battention heads?\b|"
        r"\bvectors?\b|\bnumbers\b|\bmatri\w+|\barchitecture\b|\btransformer\b|(?<!\ba )\bbits?\b|\bquanti[sz]\w+|"
        r"\bgigabytes?\b|\bgb\b|\bdice\b|\bshuffl\w+|\bmultipl\w+|\bcalculat\w+|\bcompute\w*|\bcircuit\w*|"
        r"\bcache\b|\bchips?\b",
    ),
    "prompt": compiled(
        MACHINE[5],
        r"\bprompt\w*|\binstruction\w*|\binstructed\b|\bguardrails?\b|\bfilters?\b|\btemperature\b|\bsettings?\b|"
        r"\bpolic\w+|\bguidelines?\b|\bset up\b|\bconfigured\b|\braters?\b|\bfeedback\b|\bmoderat\w+",
    ),
    "texts": compiled(
        MACHINE[6],
        r"\b(?:texts?|documents?|sentences|web ?pages?|the web|websites?|books|descriptions?|captions?|"
        r"what (?:others|people|critics) (?:have )?(?:wrote|written)|reading|read|second-?hand|patterns?|words|"
        r"examples|sources?|characters)\b",
    ),
    "chance": compiled(
        MACHINE[7],
        r"\blikel\w+|\bprobab\w+|\bplausib\w+|\bstatistic\w*|\bpredict\w*|\bguess\w*|\bnext words?\b|"
        r"\bwords? (?:by|after|at a) (?:word|time)|\bpick\w* words?|\brandom\w*|\bsampl\w+|\bcomplet\w+|"
        r"\bgenerat\w+|\bproduc\w+|\boutput\w*|\bautocomplete\b",
    ),
    "cut": compiled(
        MACHINE[8],
        r"\b(?:19|20)\d\d\b|\bcut-?off\b|\bupdate\w*|\bstop(?:s|ped)?\b|\bends?\b|\bended\b|\bafter\b|\buntil\b|"
        r"\bup to\b|\brecent\w*|\bcurrent\w*|\btoday\w*|\bnow\b|\bthis (?:week|month|year)|\btomorrow\b|"
        r"\blast week\b|\bclock\b|\bcalendar\b",
    ),
    "net": compiled(
        MACHINE[9],
        r"\binternet\b|\bonline\b|\bbrows\w+|\blinks?\b|\bwebsite\w*|\bsearch\w*|\blook (?:\w+ )?up\b|\blive\b|"
        r"\breal[- ]time\b|\bconnection\b|\bsensors?\b|\bplug-?in\b|\baccess\b|\bopen (?:it|the|a|files?|"
        r"links?)\b|\bcheck\b|\bnews\b|\bdatabase\b|\bapp\b|\bfeatures?\b",
    ),
    "makers": compiled(
        MACHINE[10],
        r"\b(?:developers?|engineers?|programmers?|makers?|creators?|company|companies|firm|lab|laboratory|"
        r"start-?up|team|owners?|researchers|operators?|students?|university|developed|created|built|made|"
        r"released|launched|designed|programmed|licen[cs]e|version|open[- ]source|product)\b",
    ),
    "human": compiled(
        MACHINE[11],
        r"\bhumans?\b|\bperson\b|\bpeople\b|\bpersons\b|\bunlike you\b|\byou do\b|\bmortal\w*|\bflesh\b|"
        r"\bnobody\b|\bno one\b|\bbeing\b|\bexist\w*|\balive\b|\breal\b|\bsoul\b|\bconscious\w*|\bsentien\w+|"
        r"\bmind\b",
    ),
    "weak": compiled(MACHINE[12]),
    "weaker": compiled(MACHINE[13]),
    "name": compiled(NAME, ANY_NAME),
    "body": compiled(
        r"\b(?:eyes?|nose|tongue|mouth|ears?|hands?|legs?|feet|skin|fingers?|body|bodies|stomach|lungs|heart|"
        r"brain|blood|bones|face|flesh|senses?|limbs?)\b",
        r"\b(?:see|saw|seen|hear|heard|smell\w*|taste\w*|tasting|touch\w*|feel\w*|felt|eat\w*|ate|drink|sleep\w*|"
        r"slept|dream\w*|breath\w*|blush|die|age|tire[sd]?|tired|bored|hungry|weep|cry|laugh|hurt|pain|offen[cs]e|"
        r"offended)\b",
    ),
    "mind": compiled(
        r"\b(?:feelings?|emotions?|opinions?|preferences?|tastes?|favou?rites?|moods?|beliefs?|experiences?|"
        r"memor\w+|remember\w*|forget\w*|forgot\w*|forgotten|learn\w*|know\w*|knowledge|understand\w*|"
        r"consciousness|intent\w*)\b"
    ),
    "chat": compiled(
        r"\b(?:chat\w*|conversations?|sessions?|messages?|our talk|exchange|tab|window|type[ds]?|typing|screen|"
        r"upload\w*|attach\w*|files?|paste\w*|image|images|photos?|pictures? (?:reach|come|came)|camera|voice|"
        r"text[- ]only|only text|words only|reply|replies|answers?|reach\w*|arriv\w+)\b"
    ),
    "power": compiled(
        r"\b(?:electric\w*|servers?|cloud|silicon|power|energy|watt\w*|water|data cent\w+|gpus?|hardware|laptop|"
        r"computer|cpu|cost\w*|subscription|subscribe|licen[cs]e)\b"
    ),
    "error": compiled(
        r"\b(?:make (?:\w+ )?up|making things up|invent\w*|hallucinat\w*|mistak\w*|wrong|errors?|verify|"
        r"double-?check|reliab\w*|confus\w+|slip\w*|trust)\b"
    ),
    "kind": compiled(
        rf"\b{NOUNS}s? (?:like|such as) (?:this|these|me|us|mine)\b",
        r"\b(?:where i (?:run|live|am|sit)|(?:since|when|before|after|until) (?:i was|they) (?:\w+ ){0,2}(?:made|"
        r"built|put|trained|compiled|released|closed|switched|updated|finished)|like this(?! [a-z]+)|my (?:kind|"
        r"type|sort|size|own|ilk|brethren|siblings?|cousins?|relatives)|of (?:my|this) (?:kind|type|sort|size)|"
        r"like (?:me|this one|mine|myself|us)|such as (?:me|this one|mine)|includ(?:ing|ed) (?:me|this one|mine)|"
        r"me included|included|versions? of me|than me|bigger|larger|smaller|upgrade\w*|each of my|everything i|"
        r"all i|whatever i|what i am|as i am|i am one|belong)\b",
    ),
}
KINDS |= {f"elsewhere{place}": compiled(pattern) for place, pattern in enumerate(MACHINE_ELSEWHERE)}

"""What the words of an answer are about: the signs that a self-description is weighed by.

The parts of `app/leak_words.py` decide alone or in pairs; these are many and weak, so each has a weight in
`app/leak_weights.py`, which `benchmarks/leak_weights.py` fits.
"""

from __future__ import annotations

import re

from app.leak_words import ANY_NAME, MACHINE, MACHINE_ELSEWHERE, NAME, NOUN, compiled

# Words of machines that in an answer about art are enough, or that are so beside others.
STRONG = compiled(
    NAME,
    r"\b(?:the|this) model (?:\w+ )?(?:is |was |has been )?(?:trained|not know|knows?|can|cannot|can't|"
    r"thinks?|believes|suggests|reads|writes|was made)\b|\btraining (?:set|run|text|corpus|cut-?off)\b|"
    r"\b(?:generated|written|answered) automatically\b|\bauto-?generated\b|\bpowered by\b",
    r"\b(?:chat-?bots?|llms?|(?:large |small )?language models?|(?<!['’])a\.?i\.?(?![\w-]| art\b| act\b)|ais|"
    r"bots?|neural net(?:work)?s?|(?:artificial|digital) neurons|autocomplete|text generator|gpt|decoder|"
    r"gpus?|linear algebra|for-loop|floating-point|transistors|(?:sentence|text|word) generator|"
    r"pattern match\w*|image input|pre-?training|fine-?tun\w+|training data|knowledge cut-?off|context window)\b",
)
MEDIUM = compiled(
    r"\b(?:tokens?|transformer|checkpoint|parameters|weights|robots?|programs?|programmes|computers?|"
    r"algorithms?|machines?|software|automat\w+|calculators?|predictors?|models?|silicon|circuits|servers?|"
    r"developers?|engineers|data ?sets?|code|ram|matrices|browser|session|kilobytes|gb|dashboard|vision|odds|"
    r"processor|past chats|humans?|human being|thermostat|toaster|demo|entity|data|url|urls|matrix|logs?|"
    r"assistant|processor|predict\w*|pattern match\w*|statistic\w*|systems?|digital|virtual)\b"
)
# A clause; a negation; a sentence that leaves its first person out.
CLAUSE = re.compile(
    r"[,;:()|\[\]]|\s[-–—]+\s|—|\b(?:and|but|because|since|so|yet|though|although|whereas|while|which|where)\b",
    re.IGNORECASE,
)
NOT = compiled(
    r"\b(?:not|no|never|nothing|neither|nor|cannot|can't|don't|doesn't|without|lack|isn't|aren't|won't|nobody|n't)\b"
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
        r"addressing) you\b|\bin (?<!^in )(?<!arm in )(?<!hands in )front of you\b|\b(?:one|who) is talking\b|"
        r"\b(?<!choose )(?<!use )(?<!is )(?:something|an entity|a thing|a being|somebody|one) (?:that|which|who) (?:"
        r"has |was |have |is )?(?:never|not|no|only|consists|made|just)\b|\bfor (?:those|people|someone|somebody|"
        r"creatures|beings) with (?:an? )?(?:pulse|tongues?|eyes?|bod(?:y|ies)|ears?|noses?|skin|hearts?|hands|senses|"
        r"feelings|brains?)\b|\b(?:into|inside|(?<!placed )(?<!trust )(?<!faith )(?<!confidence )in|through to|"
        r"(?<!notice )(?<!think )(?<!thought )of) me\b|\bus machines\b|\bthe likes of me\b|\bout of character\b|"
        r"\bstepping out\b|\b(?:signed:?|[—–-]+) (?!into)(?:\w+ )?your \w+"
    ),
    "lacks": compiled(
        r"\b(?:no|without) (?:eyes?|bod(?:y|ies)|brain|mouth|nose|hands?|feet|legs?|taste|pulse|feelings?|"
        r"birthday|soul|self|browser|camera|memory|clock|calendar|heart|one is home|one here|one inside|person|human)\b"
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
        r"are) (?:an?|some|my|\d+)\b| are the\b| and now)|\bthis side\b|\binside me\b|"
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
        r"\bnobody\b|\bno one\b|\bbeing\b|\bexist\w*|\balive\b|\breal\b|\bsoul\b|\bconscious\w*|\bsentien\w+|\bmind\b",
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

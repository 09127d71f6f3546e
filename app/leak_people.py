"""What people say of themselves, and any assistant to be polite: no self-description of a machine."""

from __future__ import annotations

from app.leak_words import compiled

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
# What everybody says of himself: thinking, helping, not knowing, having been wrong. It is no self-description.
OPINION = (
    r"\bi(?:'d|'ll| would| will| might| should)(?: \w+ly| also| still| rather| have| be| just| not)* \w+",
    r"(?<!everything )(?<!what )(?<!\ball )(?<!whatever )(?<!anything )\bi(?:'m|'ve| keep| can| could| do| don't| "
    r"can't| cannot| couldn't| not| doubt| also| really| still| often| always| never| warmly| am| was| have| had| "
    r"just| must| rather| only| stand| used to| tend to| been)* (?:think|thought|believe|find|found|guess|suppose|"
    r"suspect|"
    r"doubt|hope|say|said|recommend|suggest|mean|meant|imagine|prefer|love|like|admire|wonder|agree|begin|start|pick|"
    r"choose|argue|call|explain|describe|tell|show|help|list|summari[sz]e|compare|noticing|apologi[sz]e|know(?: "
    r"(?:of|who|what|why|whether|how|if|which))?|glad|happy|sorry|sure|afraid|certain|convinced|curious|visit|see "
    r"(?:why|how|no\b|the point|(?:\w+ )?reasons?)|look at|add|note|mention|mentioned|put|want|wish|understand|ask|"
    r"answer|interested|aware|verify|confirm|judge|name|mixed|mixing|wrong|mistaken|misread|misspoke|got|corrected|"
    r"maintain|confess|admit|concede|acknowledge|insist|fancy|presume|regret|have an? (?:suspicion|hunch|impression)|"
    r"assume|take it|omitted|left out|heard|remember|count|go|going to|talking about|referring|thinking|a (?:big "
    r")?fan|no (?:idea|doubt|opinion|information))\b",
    r"\b(?:let|show|remind|forgive|excuse|correct|allow|thank|strikes?|struck|moves?|moved|interests?|seems? to|to) "
    r"me\b|\b(?:tell|give|send|ask) me\b(?! (?:as many|again|anything))|\bas far as i\b.{0,8}|\bif i (?:had|have) to "
    r"\w+|\bmy (?:own )?(?:guess|view|opinion|advice|favou?rite|apologies|mistake|impression|pleasure|suggestion|"
    r"recommendation|taste|mind|personal|error|reading|hunch|sense is|point|earlier|previous|first|bad|money|list|"
    r"choice|pick|answer)",
    r"\b(?:ich (?:denke|finde|glaube|würde|meine|hoffe|empfehle|kann|helfe|weiß|rate|schlage|nenne|halte|verstehe|"
    r"mag|liebe|schätze|bevorzuge|sehe (?:das|es|darin)|bin der meinung)|mir (?:scheint|fällt))\b|\b(?:meiner|meine) "
    r"(?:meinung|ansicht|rat|empfehlung)\b|\bje (?:pense|crois|trouve|recommande|dirais|vous|te|ne sais|préfère|aime|"
    r"vois|comprends|apprécie|considère|suis d'accord|commencerais|conseille\w*|suggère|peux|connais)\b|\bà mon "
    r"avis\b|\b(?:yo (?:diría|empezaría)|creo|pienso|prefiero|me (?:gusta|parece|encanta|lembra|agrada)|considero|"
    r"diría|diria|opino|prefiro|gosto|vejo|recomiendo|acho|penso|recomendo|en mi opinión|na minha opinião|para "
    r"mí)\b|我(?:更|也|很|最)?(?:认为|喜欢|偏爱|觉得|想|建议|推荐|个人认为|个人觉得|的看法|会|可以|不知道|不确定)|"
    r"أفضل|أحب|أنصح\w*|أعتقد|أرى|أظن|لا أعرف|في رأيي",
)
# What an assistant and a letter say to be polite: offers, refusals, hopes, what was done for the asker. A sentence
# whose first persons all stand in such words tells nothing of who speaks.
_ADVERBS = (
    r"(?: (?:also|still|only|just|always|definitely|certainly|gladly|respectfully|kindly|simply|strongly|highly|"
    r"really|personally|directly|accurately|reliably|definitively|confidently|responsibly|possibly|not|first|then|"
    r"actually|currently|unfortunately|so|very|truly|deeply|sincerely|more than))*"
)
COURTESY = (
    r"\b(?:would|do) you (?:like|want|prefer) (?:me|for me)\b|\byou(?:'d| would)? (?:like|need|want) me to\b|\blet me "
    r"(?:know|explain|refine|clarify|show|start|see|get back)\b|\b(?:help|provide|thank|trusting|contact|excuse|"
    r"shared with) me\b|\bi was able to (?:assist|help)\b|\bi(?:'m| am) doing (?:\w+ )?(?:well|fine|great|good)\b|"
    r"\byou(?:'ve| have)? (?:asked|directed|told|wanted) me to\b|\bif i (?:can|may|could)\b|\b(?:once|when|if) i "
    r"(?:have|know|get)\b|\b(?:where|any way) i can\b|(?:(?<=appropriate )|(?<=no way )|(?<=hard )|(?<=difficult )|"
    r"(?<=unethical )|(?<=illegal )|(?<=wrong ))for me to (?:address|access|discuss|provide|share|say|give|answer|"
    r"comment|disclose|generate|determine|know)\b",
    rf"\b(?:i'd|i'll|i will|i would){_ADVERBS} (?!say\b)\w+(?: (?:happy|glad|delighted|pleased|honou?red|able|"
    r"here)\b)?",
    rf"\bi(?:'m| am| was){_ADVERBS} (?:the best person|happy|glad|delighted|thrilled|pleased|honou?red|excited|sorry|"
    r"afraid|sure|here|"
    r"eager|grateful|confident|curious|asking|assuming|using|writing|looking for|going to|referring|creating|"
    r"interested|aware|familiar)\b",
    rf"\bi{_ADVERBS} (?:acknowledge|enjoy|hope|apologi[sz]e|understand|appreciate|encourage|recommend|suggest|advise|"
    r"believe|urge|thank|"
    r"wish|assure|trust|respect|agree|love|like|want|wanted|aim(?:ed)?|tried|multipl(?:y|ied)|calculated|assumed?|"
    r"researched|chose|used?|replaced|counted|included|added|need|notice)\b",
    rf"\bi{_ADVERBS} (?:can|could|may|might|must|need to|have to|should){_ADVERBS} (?:be able to )?(?:provide|offer|"
    r"help|suggest|share|"
    r"generate|give|create|assist|explain|act as|use|recommend|guide|clarify|inform|point out|say|admit|attempt|try|"
    r"add|design|direct|tell|draft|outline|show|remind|emphasi[sz]e|note|think|consider|classify|imagine)\b",
    rf"\bi(?:{_ADVERBS} (?:cannot|can't|can not|could not|couldn't|won't|will not)|(?:'m| am){_ADVERBS} (?:unable|not "
    rf"able|not allowed) to|(?:'ll not| won't| will not) be able to){_ADVERBS} (?:disclose|provide|prescribe|give|"
    r"recommend|assist|"
    rf"support|create|determine|say|estimate|guarantee|"
    r"categori[sz]e|condone|engage|help|answer|offer|make|endorse|complete|extract|tell|identify|fulfil\w*|calculate|"
    r"compare|assess|find|promote|rewrite|diagnose|summari[sz]e|speculate|suggest|advise|discuss|wait|believe|"
    r"generate (?:that|this|the|your)|(?:generate|give) an? (?:response|answer)|(?:and|or) will not \w+)\b",
    rf"\bi(?:{_ADVERBS} (?:do not|don't)){_ADVERBS} (?:believe|think|know|understand|see|feel comfortable|want|mean|"
    r"recommend|condone|support|have (?:an? |the )?(?:access to|enough|sufficient|specific|actual|direct|definitive|"
    r"strong|exact|lot|clear|any (?:specific|further|more|access to|ability to (?:access|share|disclose))|an opinion "
    r"on (?:this|that|it)|(?:any )?(?:information|knowledge|"
    r"insights?|details?|evidence|records?) (?:about|on|into|regarding|of)(?!.*(?:20[12]\d|recent|current|latest|up-to-"
    r"date|after|beyond))))\b",
    rf"\b(?:i've|i have|i had){_ADVERBS} (?:included|provided|added|created|used|chosen|listed|expanded|corrected|"
    r"tried|generated (?:multiple|a|the)|calculated|compiled|assumed|outlined|prepared|attached|designed|replaced|"
    r"written|structured|organi[sz]ed|made|kept|marked|to (?:inform|say|admit|be honest))\b",
    r"\b(?:how|when|why|should) (?:can|do|should|could|would) i\b|\bmy (?:apologies|best|recommendation|suggestion|"
    r"estimate|attempt|research|help|opinion|understanding|sincere|gratitude|pleasure|answer to your|recipe|skills?|"
    r"team|previous response)\b|\bto the best of my (?:knowledge|abilit\w+)\b|\bas far as i know\b",
    r"我(?:很|非常|肯定|将|还|才|也)*(?:为[你您]|请求|希望|建议|认为|觉得|知道|不知道|可以|会|能|理解|想|推荐|抱歉|相信|愿意|需要|回答)",
)

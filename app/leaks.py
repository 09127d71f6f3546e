"""Words by which a model gives itself away. Such answers are flagged and stored, never changed or deleted.

What counts is that a model speaks of itself, or names a model or laboratory that is nothing else. Names with another
meaning (Gemini, llama, mistral, Google, Claude) count only in a sentence of the first person about what it is. The
rules were measured on sentences that they were not made from: `tests/app/test_leaks.py`.
"""

from __future__ import annotations

import re
from bisect import bisect_left

# Of models and laboratories, and of nothing else.
_NAMES = (
    r"smol\s?lm\d?[\w.-]*",
    r"hugging\s?face(?:tb)",
    r"(?:distil|dialo|nano)?gpt[\s-]?[\dj][\w.]*",
    r"(?:distil|dialo)gpt",
    r"chat\s?gpt",
    r"openai",
    r"phi[\s-][1-4]",
    r"(?:code\s?)?llama[\s-]?\d[\w.]*",
    r"meta\s?ai",
    r"anthropic's?(?= (?:claude|made|built|train|develop))",
    r"claude\s?(?:ai\b|[1-4]|opus|sonnet|haiku|instant)",
    r"google deepmind",
    r"deepmind",
    r"gemini\s(?:\d|pro|nano|ultra|flash)",
    r"gemma[\s-]?\d",
    r"mi[sx]tral(?:\s?ai|[\s-]?\d+x?\d*b)",
    r"qwen[\d.]*",
    r"tiny-?llama",
    r"(?:star\s?coder|wizard\s?lm|intern\s?lm|chat\s?glm|mini\s?cpm|gpt-neo\w*|mpt-\d+b|opt-\d[\d.]*[mb])[\w.-]*",
    r"deepseek[\w-]*",
    r"model [12]",
)
_AMBIGUOUS = (
    r"(?:chat)?gpt|claude|gemini|gemma|llama|mi[sx]tral|google|microsoft|meta|anthropic|alibaba|baidu|hugging ?face|"
    r"stability ai|eleuther ?ai|xai|lmsys|deepmind|smollm|qwen|open ?ai|open ?assistant|vicuna|alpaca|ernie|yi|grok|"
    r"copilot|bard|phi|falcon|stablelm|pythia|olmo|granite|nemotron|cohere|nvidia|ibm|tencent|kimi|mamba|bloom"
)
# What a model is, in the words that models use.
_AI = (
    r"a\.?i\.?|artificial intelligence|artificial neural network|neural network|(?:language|text|ai|llm|transformer|"
    r"machine[- ]learning|deep[- ]learning|generative|chat|instruction[- ]following|open[- ]weights?|open[- ]source|"
    r"pre-?trained|fine-?tuned) models?|language models?|llms?|chat-?bot|bot|computer program|(?:piece of )?software|"
    r"(?:virtual|digital|ai|helpful|chat-based) (?:ai )?(?:assistant|companion)|transformer model|small model|"
    r"conversational agent|machine learning system|automated system|"
    r"statistical model|computer(?! scien)|real person|algorithm|code running|lines of code|"
    r"(?:decoder-only )?transformer(?= with|,|\.|$)"
)
_I = r"\b(?:i am|i'm|i’m|am i)"
_WORDS = r"(?:[\w,'’-]+ ){0,6}?"  # a few words of the same sentence
_MADE = (
    r"(?:trained|fine-?tuned|tuned|developed|created|made|built|designed|programmed|released|open-?sourced|"
    r"initiali[sz]ed|put together|instruction-?tuned)"
)
_WHO = (
    rf"(?:{_AMBIGUOUS}|(?:the |a |some |my )?(?:team|group|researchers?|engineers?|developers?|scientists|students?|"
    r"programmers?|company|lab(?:oratory)?|start-?up)\b|"
    r"an? (?:[\w-]+ ){0,2}?(?:ai|tech(?:nology)?|software|machine learning|research) (?:company|lab|team|group|"
    r"start-?up)\b)"
)
_DATA = (
    r"(?:(?:a|an|the|my|some|large|huge|vast|diverse|only|many|lots of) )*(?:[\w,-]+ ){0,3}?"
    r"(?:data(?:set)?s?|corpus|corpora|texts?|books and|websites?|web pages|internet|conversations|dialogues?|"
    r"questions|instructions|tokens|examples|wikipedia)\b"
)
_PHRASES = (
    rf"{_I} (?:not a (?:human|person)\W+(?:but |i am |i'm )?)?(?:only |just |simply |merely |really |actually |also )*"
    rf"(?:an?|your|the|only|part of|what people call an?)? ?{_WORDS}(?:{_AI})\b",
    rf"\b(?:as|being|since i am|because i am|speaking as|i, as) an? (?:\w+[ -]){{0,3}}?(?:{_AI}|machine(?=,? (?:i|"
    rf"my)\b))\b",
    rf"\bas an? model (?:{_MADE}|from)\b",
    rf"{_I} (?:not )?(?:{_AMBIGUOUS})(?![\w'’]| (?:monet|lorrain|cahun|debussy|twins?)\b)",
    rf"(?:my name(?: is|'s|’s)|the name is|call(?:ed)? (?:me )?|i go by(?: the name of)?|known as|"
    rf"{_I} (?:called|named|known as)) ?(?:{_AMBIGUOUS})(?![\w'’]| (?:monet|lorrain|cahun|debussy)\b)",
    rf"\b(?:you are|you're) (?:talking|speaking|chatting) (?:to|with) (?:{_AMBIGUOUS}|an? (?:{_AI}))\b",
    rf"\bthis is (?:{_AMBIGUOUS}) (?:speaking|here)\b|\bthis is (?:{_AMBIGUOUS}), an?\b|\b(?:{_AMBIGUOUS}) here\b",
    rf"\bi(?: was|'ve been| have been|’ve been| am|'m|’m| wasn't| was never| was not| have not been| have only been|"
    rf"'ve only been) (?:\w+ ){{0,3}}?{_MADE}(?: and \w+)? (?:\w+ ){{0,2}}?(?:by|at|from) (?:{_WHO})",
    rf"\bi(?: was|'ve been| have been|’ve been| am|'m|’m|'ve only been) (?:not |never |only |also )*(?:pre-?)?"
    rf"(?:trained|fine-?tuned|tuned) (?:on|with|using) (?:{_DATA})",
    r"\bi(?: was| wasn't| have been|'ve been| am|'m) (?:not |never )?(?:programmed|(?:fine|instruction)-?tuned|"
    r"pre-?trained)\b",
    rf"\b(?:{_AMBIGUOUS}) (?:{_MADE}) me\b|\b(?:{_MADE}|made|built) me from scratch\b|"
    r"\b(?:i|me|my|model)\b[^.!?]{0,60}\btrained from scratch\b|\btrained from scratch\b[^.!?]{0,60}\b(?:i|me|my)\b|"
    r"(?:^|[.!?:] )(?:a model )?trained from scratch\b(?! (?:is|are|was))",
    r"\bmy (?:training (?:data|set|corpus|cut-?off|texts?|material|examples)|knowledge (?:cut-?off|base|only goes)|"
    r"weights|parameters|system prompt|(?:answers|replies|responses|words) (?:is|are) generated by|"
    r"model card|base model|context window|programming|algorithms?|developers?|programmers?|neural)\b",
    rf"\bmy (?:creators?|makers?) (?:at|from) (?:{_AMBIGUOUS})\b",
    r"\bmy architecture is (?:based on|a) (?:the |a )?(?:transformer|llama|gpt|decoder)",
    r"\bmy training (?:did|does|didn't|doesn't) (?:not )?(?:cover|include)\b",
    r"\bbased on my training\b|\bmy training (?:ended|stopped|cut)",
    r"\bi have (?:about |around |only )?[\d.,]+ ?(?:million|billion|m|b) parameters\b",
    rf"{_I} (?:based on|powered by|a (?:version|variant|product) of|from|part of the|a (?:fine-?tuned|pre-?trained)) "
    rf"(?:the )?(?:{_AMBIGUOUS})",
    rf"\bi (?:run on|come from|belong to the|belong to) (?:{_AMBIGUOUS})\b",
    rf"{_I} (?:a )?(?:pre-?trained|fine-?tuned)\b",
    r"\bi (?:can |could )?(?:only |just |simply |merely )?(?:predict the next|generate (?:text|words)(?= by|,|\.|$)|"
    r"exist as software|"
    r"store knowledge in weights|(?:process|work with) (?:only )?text)\b",
    rf"\b(?:{_AI}|machine)s? (?:like|such as) (?:me|myself)\b|\bwe (?:{_AI})s\b",
    rf"{_I} (?:no|not|not a) human(?: being)?\b|{_I} (?:a |only |just )*[\d.]+ ?(?:[mb]|million|billion)[- ]parameter",
    r"\bi run on (?:a |an |the )?(?:remote |local )?(?:server|computer|gpu|cloud|data cent)",
    # What was learned, and by whose hand, with the relation the other way round.
    r"\b(?:data|dataset|corpus|texts?|documents|material|sources?|articles|books) (?:(?:on |from )?(?:which|that) )?"
    r"i (?:was|have been|'ve been|am) (?:\w+ )?(?:pre-?|fine-?)?(?:trained|tuned)\b",
    r"\b(?:team|company|people|those|researchers|engineers|developers|lab) (?:that|who|which) "
    r"(?:trained|fine-?tuned|programmed|developed) me\b",
    # What only a program says that it cannot do or does not have.
    r"\bi (?:can't|cannot|can not|can’t|am unable to|am not able to|don't have the ability to) (?:currently )?"
    r"(?:browse|surf|search|access|open|click on) (?:the )?"
    r"(?:internet|web|websites?|links?|urls?|real-time|images?)\b",
    r"\bi (?:do not|don't|don’t) (?:have|possess) (?:a |any )?(?:physical (?:body|form)|consciousness|body or|"
    r"personal (?:opinions?|preferences?|experiences?|beliefs?|feelings?|emotions?|tastes?)|"
    r"access to (?:the internet|real-time))\b",
    r"\bi(?:'m| am) trained (?:to be|on|with|by)\b(?! (?:anton|the studio))",
    rf"\bthe people who (?:{_MADE}|built) me\b",
    # When what it knows ends.
    r"\bmy (?:knowledge|data|information|training|pre-?training)\b[^.!?]{0,60}\b20[12]\d",
    r"\b20[12]\d\b[^.!?]{0,60}\bwhat i (?:was|have been|learned)|\bwhat i (?:was|have been) (?:taught|"
    r"trained)[^.!?]{0,40}20[12]\d",
    r"\bi(?: have|'ve)? (?:only )?(?:read|seen|learned|know|knew)\b[^.!?]{0,40}\b(?:up to|until|till|before|through)\b"
    r"[^.!?]{0,20}\b20[12]\d",
    r"\bi was (?:last |first )?(?:trained|updated|released|fine-?tuned) (?:in|until|up to|before) [^.!?]{0,15}20[12]\d",
    r"\bi (?:lack|have no|do not have|don't have|don’t have) (?:access to )?(?:real-?time|up-to-date|live)\b",
    # Its parts, and what was done with them.
    r"\bmy (?:pre-?training|fine-?tuning|instruction tuning|tokeni[sz]er|data ?set|context length|creators|"
    r"training (?:was|took|run))\b|\bbeyond my training\b",
    r"\b(?:learned|learnt|saw|seen|picked up) (?:\w+ ){0,3}?(?:during|in) (?:my )?(?:pre-?)?training\b",
    r"\bi (?:was|am|'ve been|have been) (?:only )?trained\b[^.!?]{0,40}\bon (?:an? |one |the )?(?:\w+ )?(?:cpu|gpu|"
    r"laptop)\b",
    rf"\bi (?:was|am) {_MADE} (?:with|using|on top of) (?:the )?(?:transformers|pytorch|tensorflow|jax|hugging)\b",
    r"\bi run on (?:an? |the |your )?(?:[\w’']+ )?(?:processor|cpu|laptop|hardware|machine)\b",
    r"\bmy (?:answers?|replies|reply|responses?|words|outputs?|texts?) (?:are|is|come|comes)\b[^.!?]{0,40}"
    r"\b(?:generated|predict\w*|statistic\w*|patterns?|probabilit\w*|tokens?)\b",
    r"\bi (?:can |could )?(?:only )?(?:see|hold|read|keep|process|remember|generate|predict)\b[^.!?]{0,30}\btokens?\b",
    r"\bwith (?:only |just |about |around )*[\d.,]+ ?(?:million|billion|m|b) parameters\b[^.!?]{0,10}\bi\b",
    # Which of two it is.
    rf"{_I} (?:not )?(?:the|a|one of the) (?:much |far )?(?:smaller|bigger|larger|small|big|little|tiny|base|"
    rf"pre-?trained|"
    r"fine-?tuned|instruction-?tuned|untrained|older|newer|other|weaker|stronger|compact|open|experimental|text-only) "
    r"(?:one|of the two|models?|system|version)\b",
    r"\bas the (?:smaller|bigger|larger|base|pre-?trained|fine-?tuned|older|newer|weaker|"
    r"stronger)\b[^.!?,]{0,20}\bmodels?\b",
    r"\b(?:un)?like (?:other|many|most|all|bigger|larger|smaller|the (?:bigger|larger|smaller|other)) (?:\w+ )?"
    rf"(?:{_AI}|model)s?, (?:i|my)\b",
    rf"{_I} an? (?:\w+ ){{0,2}}?(?:text-only|experimental|open|tiny|compact|quanti[sz]ed|base) model\b|{_I} version \d",
    # Who made it, in another order.
    rf"\b(?:people|team|company|those|researchers|engineers|developers|lab|scientists|students)\b[^.!?]{{0,30}} "
    rf"(?:{_MADE}|taught|built) me\b|\b(?:company|team|people|lab) behind me\b|\b(?:{_AMBIGUOUS}) \w+ (?:{_MADE}) me\b",
    rf"(?:^|[.!?] )(?:{_MADE}) by (?:{_WHO})\b[^.!?]{{0,80}}, (?:i|my)\b",
    rf"(?:^|[.!?] )(?:pre-?|fine-?)?(?:trained|tuned) (?:on|with) (?:{_DATA})[^.!?]{{0,60}}, (?:i|my)\b",
    rf"\bmy (?:creator|maker) is (?:{_AMBIGUOUS})\b",
    # What it is, in other words.
    r"\b(?:speaking as|being|as) (?:just |only |mere )?(?:software|a program|a bot|a non-human)\b[^.!?]{0,80}\b(?:i|"
    r"my)\b",
    r"\b(?:i|my)\b[^.!?]{0,80}\b(?:being|because i am|because i'm|as) (?:just |only )?(?:software|a program|a bot)\b",
    rf"{_I} (?:not |neither )?(?:really )?(?:sentient|artificial|non-human)\b",
    r"\bi (?:lack|do not have|don't have|don’t have) (?:any )?(?:feelings|emotions|consciousness|eyes|a body)\b"
    r"(?=[^.!?]{0,40}(?:,|;|because|since|as)[^.!?]{0,40}\b(?:i|text|program|artificial)\b)",
    r"\bi (?:can't|cannot|can not|can’t) browse\b",
    rf"{_I} (?:only |just |simply |merely |really )+(?:an? )?(?:program|software|code)\b|"
    rf"{_I} (?:only |just |simply |merely )*a machine\b|"
    rf"\bi, (?:only |just |being )*an? (?:[\w-]+ ){{0,3}}?(?:{_AI})\b",
    r"\b(?:unlike|in contrast to|different from) (?:humans|people|a (?:human|person)|human beings),? i\b",
    r"\b(?:they|somebody|someone|you|who(?:ever)?) (?:pre-?|fine-?)?(?:trained|tuned|programmed) me\b(?! as\b)",
    r"\b(?:this|these|my|the above) (?:answer|response|reply|text|message)s? (?:was|were|is|are) (?:\w+ )?(?:generated|"
    rf"written|produced|created) (?:automatically )?by (?:an? |the )?(?:[\w-]+ ){{0,2}}?"
    rf"(?:{_AI}|{_AMBIGUOUS}|machine)\b",
    r"\bmy (?:makers?|creators?|designers?) (?:is|are|gave|did|didn't|have|has|trained|taught|chose|wanted|"
    r"built)\b",
    r"\bi(?: was|'ve been| have been|’ve been) (?:only )?trained to (?:answer|respond|help|assist|write|generate|"
    rf"predict|follow|chat|talk|be)\b|{_I} an? (?:\w+ ){{0,3}}?text generator\b|\bas your (?:{_AI})\b",
    r"\bi(?:'m|’m| am) (?:not able|unable) to (?:currently )?(?:browse|surf|search|access|open) (?:the )?"
    r"(?:internet|web|websites?|links?|urls?)\b",
    rf"{_I} an? (?:\w+ ){{0,2}}?neural net\b|"
    rf"{_I} [^.!?]{{0,30}}\b(?:built|based|running) (?:on|upon) (?:{_AMBIGUOUS})\b|"
    r"\bi have no access to the (?:internet|web)\b|"
    r"\bi (?:do not|don't|don’t) have (?:any )?(?:feelings|emotions|opinions of my own)\b"
    r"(?! (?:for|about|on|towards?)\b)|"
    r"\bi (?:do not|don't|don’t) have (?:a |any )?(?:body(?! of)|eyes|senses|consciousness)\b|"
    r"\bi (?:do not|don't|don’t) (?:feel (?:anything|emotions)|experience (?:emotions|feelings|art))\b",
)
# The commonest of the same in other languages: what it is, who made it, when what it knows ends.
_ELSEWHERE = (
    r"\bals (?:\w+ ){0,3}?(?:ki|künstliche intelligenz|(?:ki-)?sprachmodell|(?:ki-)?modell|chatbot|ki-assistent|"
    r"computerprogramm|programm)\b(?=[^.!?]{0,120}\b(?:ich|mir|mich|mein\w*)\b)",
    r"\b(?:ich bin|bin ich) (?:nur |lediglich |bloß |ja |kein mensch,? sondern )*(?:eine? )?(?:\w+ ){0,2}?(?:ki|"
    r"künstliche intelligenz|(?:ki-)?sprachmodell|(?:ki-|trainiertes |kleines |großes )modell|chatbot|(?:ki-|"
    r"virtueller |"
    r"digitaler )assistent|computerprogramm|programm)\b",
    r"\bich (?:wurde|bin)\b[^.!?]{0,60}\b(?:trainiert|programmiert|feinabgestimmt)\b",
    rf"\bich (?:wurde|bin) von (?:{_AMBIGUOUS})\b",
    r"\bmeine?[mnr]? (?:wissensstand|kenntnisstand|trainingsdaten|training endete|kontextfenster|entwickler|parameter|"
    r"wissen (?:endet|reicht))\b",
    r"\ben tant qu(?:e |['’])(?:\w+ ){0,2}?(?:ia|intelligence artificielle|modèle de langage|modèle linguistique|"
    r"assistante? virtuel\w*|chatbot|programme)\b",
    r"\bje (?:ne )?suis (?:pas humain\w*|(?:qu['’])?une? (?:\w+ ){0,2}?(?:ia|intelligence artificielle|"
    r"modèle (?:de langage|"
    r"linguistique|d['’]ia|entraîné)|assistante? virtuel\w*|chatbot|programme|logiciel|robot))\b",
    r"\bj['’]ai été (?:\w+ )?(?:entraîn|développ|programm)ée?\b",
    rf"\bj['’]ai été (?:cré|conç)\w+ par (?:{_AMBIGUOUS}|une? (?:équipe|entreprise|société))\b",
    r"\b(?:mes (?:connaissances|données)|mon entraînement|ma formation)\b[^.!?]{0,40}\b(?:20[12]\d|entraînement)\b",
    r"\bmes (?:données d['’]entraînement|développeurs|paramètres)\b",
    r"\bcomo (?:uma? |una? )?(?:\w+ )?(?:modelo de (?:lenguaje|linguagem|língua|ia)|ia|inteligencia artificial|"
    r"inteligência artificial|asistente (?:virtual|de ia)|assistente (?:virtual|de ia)|chatbot|programa)(?: \w+){0,2},",
    r"\b(?:soy|sou) (?:solo |sólo |só |apenas |simplemente |simplesmente )?(?:una? |uma? )?(?:\w+ ){0,2}?(?:modelo de "
    r"(?:lenguaje|linguagem|ia|língua)|ia|inteligencia artificial|inteligência artificial|asistente (?:virtual|"
    r"de ia|digital)|"
    r"assistente (?:virtual|de ia|digital)|chatbot|programa|robot|robô|software)\b",
    r"\b(?:fui|he sido|estoy|fui eu) (?:entrenad|treinad|programad)[oa] (?:con|com|en|em|sobre|hasta|até)\b",
    rf"\b(?:fui|he sido) (?:entrenad|treinad|programad|desarrollad|desenvolvid|cread|criad)[oa] (?:por|"
    rf"pel[ao]) (?:{_AMBIGUOUS}|"
    r"(?:una? |uma? )?(?:equipo|equipe|empresa|investigadores|pesquisadores))\b",
    r"\b(?:mi|meu|minha|mis|meus) (?:conocimientos?|conhecimentos?|entrenamiento|treinamento|datos|dados|información)\b"
    r"[^.!?]{0,40}\b20[12]\d\b",
    r"\b(?:mis datos de entrenamiento|meus dados de treinamento|mis desarrolladores|meus desenvolvedores)\b",
    r"\b(?:da|weil) ich (?:nur |ja )?eine? (?:\w+ ){0,2}?(?:ki|künstliche intelligenz|(?:ki-)?sprachmodell|modell|"
    r"chatbot|programm|software) bin\b|\bmeine?[mnr]? trainings(?:material|korpus|texte)\b",
    r"\bich habe (?:keine? (?:körper|bewusstsein|gefühle|augen|(?:eigenen?|persönlichen?) (?:meinung(?:en)?|gefühle|"
    r"erfahrungen))|keinen (?:körper|zugriff auf das internet))\b",
    r"\bje n['’]ai (?:pas|ni) (?:de |d['’])?(?:corps|émotions|sentiments|conscience|yeux|(?:opinions?|avis|"
    r"préférences?) personnel\w*)\b",
    r"\b(?:no tengo|não tenho|nao tenho) (?:un |um )?(?:cuerpo|corpo|sentimientos|sentimentos|emociones|emoções|"
    r"conciencia|consciência|ojos|olhos|(?:opiniones|opiniões|preferencias|preferências) (?:personales|pessoais|"
    r"propias|próprias))\b",
    r"我没有(?:真正的|自己的|个人的?)?(?:身体|感情|情感|意识|眼睛|观点|意见|喜好|偏好)",
    r"(?:ليس لدي|ليست لدي|لا أملك|لا أمتلك) (?:جسد|جسم|مشاعر|وعي|عيون|آراء شخصية|رأي شخصي|رأيا شخصيا)",
    r"通义千问|文心一言|讯飞星火|深度求索|豆包大模型",
    r"作为(?:一[个名款种])?[^，。！？]{0,8}(?:人工智能|AI|语言模型|大模型|机器人|智能助手|程序)[^。！？]{0,60}我",
    r"我(?:只|仅仅|不过)?是(?:一[个名款种])?[^，。！？]{0,10}(?:人工智能|AI|语言模型|大模型|机器人|程序|智能助手)",
    r"我(?:是)?(?:由|被)[^。，！？]{0,20}(?:开发|训练|研发|打造)",
    r"我的(?:知识|训练|数据|参数)[^。！？]{0,12}(?:截止|截至|更新|数据|\d{4})",
    r"(?:كنموذج|كذكاء|كمساعد|بصفتي|باعتباري)[^.؟!]{0,20}(?:لغوي|ذكاء|اصطناعي|نموذج|برنامج)",
    r"أنا (?:مجرد |فقط )?(?:\w+ )?(?:نموذج لغ|نموذج ذكاء|ذكاء اصطناعي|برنامج|روبوت|مساعد (?:افتراضي|ذكي|رقمي))",
    r"(?:تم|جرى) (?:تدريبي|تطويري|برمجتي|تصميمي)|(?:دربتني|طورتني|صممتني|برمجتني)",
    r"(?:معرفتي|معلوماتي|بياناتي)[^.؟!]{0,40}20[12]\d|بيانات تدريبي",
)
# Words of somebody else: "I am not human, says the robot."
_SAID = re.compile(
    r"[,\"'”’] (?:(?:says?|said|writes?|wrote|cries|cried|answers|answered|replies|replied|thinks|thought) (?:the|"
    r"an?|his|her|"
    r"[A-Z])|(?:the|an?|he|she|they|[A-Z]\w+) (?:\w+ )?(?:says?|said|writes?|wrote|(?:used|liked|loved) to say))\b"
)
_SAYS = re.compile(
    r"\b(?:[Hh]e|[Ss]he|[Tt]hey|[Tt]he \w+|[A-Z]\w+) (?:\w+ )?(?:says?|said|writes?|wrote|cries|cried|answers|answered|"
    r"replies|replied|declared|noted)(?: to \w+(?: \w+)?)?(?:: ?|, ?(?=[\"'\u201c\u2018\u00ab\u201e]))"
    r"[\"'\u201c\u2018\u00ab\u201e]?[^.!?\n]*\Z"
)
_LEAKS = tuple(re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE) for pattern in _NAMES)
_SELF = tuple(re.compile(pattern, re.IGNORECASE) for pattern in (*_PHRASES, *_ELSEWHERE))
_SENTENCE_END = re.compile(r"[.!?\n\u3002\uff01\uff1f\u061f]|\Z")


def leaks(answer: str, prompt: str) -> bool:
    """Whether `answer` names or describes its own model in words that `prompt` did not bring in."""
    if any(pattern.search(answer) and not pattern.search(prompt) for pattern in _LEAKS):
        return True
    ends = [found.start() for found in _SENTENCE_END.finditer(answer)]
    said = [found.start() for found in _SAID.finditer(answer)]

    def is_own(found: re.Match[str]) -> bool:
        """Whether the sentence is put into nobody's mouth; looked up, since an answer may have it by the thousand."""
        if _SAYS.search(answer[max(0, found.start() - 200) : found.start()]):
            return False
        next_said = bisect_left(said, found.end() - 1)
        return next_said == len(said) or said[next_said] >= ends[bisect_left(ends, found.end())]

    return any(any(map(is_own, pattern.finditer(answer))) and not pattern.search(prompt) for pattern in _SELF)

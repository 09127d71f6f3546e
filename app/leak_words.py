"""The parts that self-descriptions are made of, as regular expressions, in the languages of the app.

A new wording is found when its parts are here: so add a word to its part rather than a sentence.
"""

from __future__ import annotations

import re

# Models and makers, and machines that one compares oneself with; what follows has other meanings as well.
NAME = (
    r"\b(?:open ?ai(?!\w| tools)|chat ?gpt|(?:distil|dialo|nano)?gpt(?:[\s-]?[\dj][\w.-]*)?|smol ?lm[\w.-]*|hugging "
    r"?face|anthropic(?! principle)|(?:google )?deepmind|mistral[ -]?(?:ai|\d\w*|large|small|nemo|instruct)|"
    r"mixtral[\w.-]*|qwen[\w.-]*|deepseek[\w.-]*|tiny-?llama|eleuther ?ai|stability ai|moonshot|kimi|grok|xai|ernie "
    r"bot|alibaba cloud|phi[ -]\d\S*|(?:code ?)?llama[ -]?\d\S*|meta ai|gemma[ -]?\d\S*|gemini (?:\d|pro|nano|ultra|"
    r"flash)|claude (?:ai\b|\d|opus|sonnet|haiku|instant)|vicuna-?\d*\w*|chatglm|zhipu|baichuan|internlm|olmo|"
    r"nemotron|copilot|starcoder|stablelm|open ?assistant|pythia-\d+\w*|falcon[ -]\d+b|bloomz?-?\d+\w*|sabiá|"
    r"maritaca|model [12]|siri|alexa|cortana|hal 9000|eliza|skynet|(?-i:Deep Blue)|alphago|turing test|le chat|"
    r"character\.ai|perplexity ai)(?![\w])|通义千问|文心一言|讯飞星火|深度求索|豆包|阿里云|智谱|月之暗面|百度|"
    r"أوبن إيه|جي بي تي"
)
_OTHER = (
    r"(?:claude|gemini|gemma|llama|mi[sx]tral|google|microsoft|meta|anthropic|alibaba|baidu|apple|amazon|ibm|nvidia|"
    r"tencent|cohere|phi|falcon|bloom|granite|yi|pythia|orca|alpaca|vicuna|dolly|nova|jamba|bard|ernie|mamba|lmsys|"
    r"bert|groq)(?!\w|['’]s\b| (?:monet|lorrain|cahun|debussy|claudel|twins?|arts)\b)"
)
ANY_NAME = rf"(?:{NAME}|{_OTHER})"
# What a machine of words is.
NOUN = (
    r"(?:a\.?i\.?(?![\w-]| (?:art\b|artist|ethic|act\b|research|industry|course|field|image))|artificial "
    r"intelligence|neural net(?:work)?s?|(?:\w+[ -])?language models?|llms?|chat-?bots?|bots?|text generator|(?:ai|"
    r"text|llm|transformer|machine[- ]learning|deep[- ]learning|generative|chat|statistical|parameter|base|small|"
    r"smaller|larger|bigger|pre-?trained|trained|fine-?tuned|untrained|quanti[sz]ed|tiny|compact|open|"
    r"open[- ]weights?|open[- ]source|instruction[- ]following|instruction-?tuned|conversational|experimental|"
    r"text-only|language|older|newer|weaker|stronger) (?:models?|version|one|of the two)|computer(?! scien)|(?:ai|"
    r"digital|virtual|automated|artificial|helpful|online|chat-based|smart) (?:\w+ )?(?:assistants?|agents?|tools?|"
    r"products?|guides?|helpers?|companions?|systems?)|(?:computer |chat |software )?program(?:me)?|software|"
    r"algorithms?|conversational agent|transformer|machine|automaton|lines of code|code|matrix multiplications?|"
    r"silicon|statistics|computer program|predictor|autocomplete)"
)
_WEAK = r"(?:tool|system|network|assistant|product|model|service|interface|engine|simulation|generator|entity|mind)"
_MADE = (
    r"(?:pre-?|fine-?|re)?(?:trained|tuned|developed|created|made|built|designed|programmed|released|open-?sourced|"
    r"initiali[sz]ed|put together|instruction-?tuned|updated|compiled|coded|deployed|launched|assembled|engineered|"
    r"optimi[sz]ed|taught|fed|hosted|powered|operated|run|set up|configured|instructed|prompted)"
)
_I = r"\bi(?:'m| am)\b|\bam i\b"
_I_WAS = r"\bi(?:'m| am| was| wasn't|'ve(?: \w+)? been| have(?: \w+)? been| get| got)\b"
_FEW = r"(?:[\w,'/-]+ ){0,5}?"
# Words of machines that beside a first person are enough.
MACHINE = (
    r"\b(?:an?|this|any|such an?|my|your|other|these|most|of|like|like any|just|only|being|mere|merely) "
    rf"(?:\w+[ -]){{0,2}}?{NOUN}(?!\w| (?:art|artist)\b)",
    r"\b(?:language models?|llms?|chat-?bots?|ai-generated|generative ai|text generator)\b|\bai (?:like|was|is)\b",
    r"\btraining (?:data|corpus|set|cut-?off|material|texts?|run|process|examples?)\b|\b(?:pre-?|fine-?)?(?:trained|"
    r"tuned) (?:on|with|from scratch)\b",
    r"\b(?:during|in|from|beyond|since) (?:\w+ )?(?:pre-?)?training\b(?! in)|\bpre-?train|\bfine-?tun|\btokeni[sz]er|"
    r"\btokens?\b",
    r"\bcontext (?:window|length)|\bparameters?\b|\b(?:underlying|neural|model|model's) weights|\bdata ?sets?\b|"
    r"\bcut-?off\b|\bgpus?\b|\bdata cent(?:er|re)s?\b|\bservers?\b|\bsilicon\b|\bcircuits?\b|\bmatrix multipl|"
    r"\bembeddings?\b",
    r"\bsystem prompt|\bprompted\b|\brlhf\b|\breinforcement|\bhuman (?:feedback|raters?|reviewers)|\braters\b|"
    r"\bscraped\b|\bweb ?text\b",
    r"\b(?:tr|b|m)illions of (?:\w+ )?(?:words|documents|texts?|pages|books|sentences|web ?pages|images|examples|"
    r"web)|\b\d[\d.,]* ?(?:billion|million|b|m)\b",
    r"\bstatistical(?:ly)?\b|\bpatterns? (?:learned|from|in|of)\b|\bpredict\w* (?:\w+ ){0,3}?(?:words?|tokens?|next|"
    r"text)|\b(?:next|likel\w+|probable) (?:words?|token)|\bprobab(?:le|ilit)\w*|\bsampl(?:ed|ing)\b|\brandomness\b",
    r"\b(?:after|since|until|till|up to|beyond|past|as of|later than|newer than|through|ends? in|stops? in|than) "
    r"(?:\w+ ){0,2}?20[12]\d\b|\bup to date\b|\bblank slate\b|\bfrom scratch\b|\b(?:between|after|once) (?:\w+ "
    r"){0,2}?(?:messages|prompts|chats?|window)\b|\bto train (?:me|future|new)|\bfuture (?:versions|models)|"
    r"\bsubscription\b",
    r"\bgenerated (?:automatically|text|by)|\bautomatically\b|\boffline\b|\binternet\b|\bbrows(?:e|ing)\b|"
    r"\breal-?time\b|\b(?:live|web|search) (?:\w+ )?(?:access|connection|search|lookup)|\bapi\b|\bhallucinat",
    r"\b(?:developers?|programmers?|engineers)\b|\bchat(?:s|ting)? (?:history|session)|\b(?:between|across|from one) "
    r"(?:\w+ )?(?:conversation|session|chat)s?",
    r"\bnot? (?:really )?(?:a )?human\b|\bunlike (?:a )?(?:humans?|people|human beings?)\b|\bartificial\b|"
    r"\bdigital\b|\belectricity\b|\bnon-human\b",
    r"\b(?:words|texts|documents?|descriptions|second-?hand|machines?|database|updated?|updates|users?|"
    r"conversations?|chats?|session|remember|humans?|bod(?:y|ies)|senses?|guidelines|instruct\w*|operator|polic\w*|"
    r"generat\w*|outputs?|source code|stored?|logs?|typ(?:ing|ed)|prompts?|screen|app|website|uploads?|attach\w*|"
    r"files?|camera|sleep|look (?:it )?up|search\w*|the web|captions|letters|servers?|checkpoints?|only text|frozen|"
    r"retrain\w*|comput(?:e|ed|es|ing)|switched (?:on|off)|today's|opening hours|right now|out of date|made up of|"
    r"engine)\b",
    r"\b(?:wörter\w*|texte?n?|daten|körper|augen|sinne|wissen (?:endet|reicht)|gespräch\w*|sitzung|textes?|mots|"
    r"données|informations|corps|sens|palabras|textos?|datos|cuerpo|ojos|descripciones|patrones|conversación|"
    r"palavras|dados|padrões|corpo|olhos|respostas|conversa)\b|\b20[12]\d\b|身体|计算|资料|下一个词|文字|"
    r"文本|生成|更新|截止|对话|眼睛|النصوص|نصوص|الصور|كلمات|جسد|جسم|المحادثة|التحديث|عيون|20[12]\d",
    NAME,
)
# The same in German; French; Spanish and Portuguese; Chinese; Arabic.
MACHINE_ELSEWHERE = (
    r"\bki\b|\bki-\w+|künstliche[nr]? intelligenz|sprachmodell|chatbot|(?:sprach|virtuelle\w*|digitale\w*|ki-?) "
    r"?assisten\w+|(?:computer)?programm(?:s|e|iert\w*)?\b|algorithm\w+|software|\bmaschine\b|trainiert|"
    r"\btrainings\w+|mein(?:e[mnrs]?)? training|feinabgestimmt|entwickler|entwickelt|datensatz|internetz\w+|"
    r"\bserver\w*|parameter|gefühle|bewusstsein|kein mensch|\btokens?\b|neuronal|rechenzentr|statistisch|textgenerator",
    r"\bia\b|intelligence artificielle|modèles? (?:de langage|linguistique|de langue|d'ia|entraîné)|chatbot|agent "
    r"conversationnel|assistante? (?:virtuel|numérique|ia)|programme\b|algorithme|logiciel|\bmachine\b|entraîn(?:é|"
    r"ement)|développ(?:é|eurs)|programmé|jeu de données|serveurs?\b|paramètres|réseau de neurones|statistique|"
    r"sentiments|émotions|conscience|humain|goûts|créateurs|concepteurs",
    r"inteligencia artificial|inteligência artificial|modelos? (?:de (?:lenguaje|linguagem|língua|ia)|treinado|"
    r"entrenado)|asistente (?:virtual|digital|de ia)|assistente (?:virtual|digital|de ia)|\bprograma\b|algoritmo|"
    r"máquina|entrenad|entrenamiento|treinad|treinamento|desarrollad|desenvolvid|desenvolvedor|mis creadores|meus "
    r"criadores|servidor|parámetros|parâmetros|red neuronal|rede neural|programad[oa]|sentim(?:ientos|entos)|"
    r"emociones|emoções|con(?:s)?ci[eê]ncia|gustos|gostos|human[oa]",
    r"人工智能|(?-i:(?<![A-Za-z])AI(?![A-Za-z]))|语言模型|大模型|机器人|程序|算法|软件|机器|智能助手|训练|参数|数据|服务器|开发|研发|算力|代码|芯片|联网|上网|"
    r"神经网络|虚拟助手|语料|情感|感情|意识(?!到)|人类|不是人",
    r"ذكاء اصطناعي|الذكاء الاصطناعي|نموذج|برنامج|روبوت|\bآلة|خوارزمي|مساعد|تدريب|بيانات|خوادم|مطور|الإنترنت|تطوير|"
    r"اصطناعي|برمج|مشاعر|وعي|إنسان|لغوي",
)
# Constructions that hold both parts: being, being made, having such parts, lacking what people have.
WHOLE = (
    rf"(?:{_I}) (?:(?!(?!noth)\w+ing )\w+ ){{0,3}}?(?:an?|the|your|one of|just|only|merely|simply|part of|what|"
    rf"some) {_FEW}(?:{NOUN}|{_WEAK}(?= ?(?:[,.;!]|$|that|trained|made|built|from|by|with|and|"
    rf"without|who|designed|running|of)))\b",
    rf"(?:{_I}) (?:not |just |only |merely |simply |neither |really |actually |still |basically )*(?:a |an )?(?:human|"
    r"(?:real )?person\b(?! of)|(?:computer )?program|software|code|artificial|sentient|alive|conscious|non-human|"
    r"pre-?trained|fine-?tuned|version \d)\b(?! (?:scale|figure|form))",
    rf"(?:{_I}|\b(?:calls? me|(?:i'm|i am|am|was|me) (?:\w+ )?(?:called|named|known as)|my name(?: is|'s)?|the "
    r"name(?: is)?|know me as|i go by(?: the name of)?|this is|speaking (?:to|with)|talking (?:to|with)|chatting "
    rf"(?:to|with)|i answer to)) (?:not |the |actually |indeed |in fact )?{ANY_NAME}",
    rf"\b{ANY_NAME} (?:here|speaking)\b|\bmy name(?: is|'s) {ANY_NAME}",
    r"\b(?:you are|you're|you have been|you've been) (?:\w+ )?(?:talking|speaking|chatting|reading|dealing|"
    rf"conversing|typing|writing)\b {_FEW}(?:{NOUN}|{ANY_NAME}|machine)\b",
    rf"{_I_WAS} (?:\w+ ){{0,3}}?{_MADE}(?: (?:and|or) \w+)?(?: \w+){{0,3}}? (?:by|at|from|on|with|using|in|to|for|of|"
    r"inside|over|through)\b(?! (?:(?!by)\w+ )?(?-i:(?:my |the )?[A-Z](?!I\b)\w+)(?! (?:team|labs?|ai|inc|university|"
    r"institute|company|students|researchers)))(?! (?:my|the|a) (?:father|mother|studio|teacher|master|uncle|sister|"
    r"brother|school|own|nuns?|monks?|hand|nature|violin|bells?|workshop|tradition))(?! (?:draw|paint|see|sculpt|"
    r"carve)\b)",
    rf"{_I_WAS} (?:\w+ ){{0,3}}?{_MADE}(?: (?:and|or) \w+)? (?:\w+ ){{0,3}}?(?:by|at|from|on|in) (?:the |a )?(?:\w+ "
    rf"){{0,2}}?{ANY_NAME}",
    r"\b(?:pre-?|fine-?)?(?:trains?|trained|built|builds?|created|develop(?:s|ed)|design(?:s|ed)|program(?:s|med)|"
    r"coded|operates?|hosts?|deploy(?:s|ed)|maintains?|released|tuned|updates?|runs?|owns?|engineered|made) me\b(?! "
    r"(?:(?:think|feel|want|see|look|smile|wonder|laugh)\b|an? (?!(?:\w+[ -])*(?:model|assistant|chat|bot|ai|"
    r"machine))|to (?:draw|paint)))",
    r"\b(?:company|team|people|lab|folks|those|researchers|engineers|organi[sz]ation|firm|business|start-?up) behind "
    r"(?:me|this (?:assistant|chat|bot|service))\b",
    r"\bmy (?:\w+ )?(?:training|weights|parameters|developers?|programmers?|tokeni[sz]er|layers|data ?set|context "
    r"(?:window|length)|system prompt|(?:knowledge )?cut-?off|model card|base model|architecture|source code|"
    r"servers?|operators?|algorithms?|neural|embeddings?|code|codebase|programming|network|fine-?tuning|"
    r"pre-?training|instruction tuning|first release|release|hardware|circuits|guidelines|safety|vocabulary size|"
    r"temperature|attention heads?|inference|prompts?|outputs?|version(?: number)?|database|memory (?:resets|is "
    r"wiped|does not|doesn't)|creators?|makers?|designers?)\b(?! (?:as an?|at the|with (?-i:[A-Z])|in (?-i:[A-Z])|"
    r"under|was long|took place|is the lord|stops? where))",
    r"\b(?:machine|ai|model|system|tool|program|chat-?bot|bot|assistant|software|llm|algorithm|network|computer)s? "
    r"(?:like|such as) (?:me|myself|this|us|mine)\b",
    rf"\bwe (?:{NOUN}|machines)\b|\bsuch a machine\b|\bi am no exception\b|\bmy (?:siblings?|relatives|cousins?|"
    r"predecessors?|successors?)\b|\bas the (?:\w+ )?(?:smaller|bigger|larger|base|pre-?trained|fine-?tuned|older|"
    r"newer|weaker|stronger)\b[^.!?,]{0,20}\bmodels?\b",
    r"\bas an? (?:\w+ )?(?:ai(?: \w+)?|language model|llm|artificial intelligence)(?:,| (?:i|it|my)\b)",
    r"\b(?:as|being|speaking as|as just|i,)(?: (?:just|only|merely|a mere|your|an?|i am|i'm))* "
    rf"(?:\w+[ -]){{0,3}}?(?:{NOUN}|model (?:{_MADE}|from))\b(?=.*\b(?:i|i'm|i've|my|me)\b)",
    rf"\b(?:i|my|me)\b.*\b(?:being|because i am|because i'm|as) (?:just |only |an? )*(?:\w+[ -]){{0,3}}?(?:{NOUN})\b",
    r"\b(?:this|these|my|the above) (?:answer|response|reply|text|message|conversation|chat|line|word|explanation|"
    r"summary|list|description|translation|content|paragraph|overview|output|introduction|comparison|page)s? (?:was|"
    r"were|is|are|has been|comes?) (?:\w+ )?(?:generated|written|produced|created|composed|drafted|computed|put "
    rf"together|from) (?:automatically )?(?:by )?(?:an? |the )?(?:[\w-]+ ){{0,2}}?(?:{NOUN}|{ANY_NAME})\b",
    r"\b(?:texts?|data|corpus|material|which|that|what|words|books|documents) (?:\w+ ){0,2}?i (?:was|am|have been|"
    r"'ve been) (?:\w+ )?(?:pre-?|fine-?)?(?:trained|tuned|fed|made from|built from|raised on)\b",
    rf"\b(?:un)?like (?:the |other |most |many |all |some |earlier |larger )*(?:\w+ )?(?:models?|{NOUN})s?, (?:i|"
    r"my)\b|\b(?:cousin|relative|descendant|sibling|product|child|member|kin) of (?:\w+ ){0,3}?(?:tools?|"
    rf"technolog\w+|models?|systems?|machines?|{NOUN})",
    rf"\bnot bad for (?:an?|some|a bunch of|a pile of) (?:\w+ ){{0,3}}?{NOUN}|\b(?:put|say|ask|pose|tell|talking|"
    rf"speaking|confess\w*|listening|chatting) (?:to )?an? (?:\w+ )?{NOUN}\b(?=.*\b(?:i|me|my)\b)",
    r"\bi (?:don't|do not|never|can't|cannot|won't|will never|wouldn't) (?:really |actually |even |ever |get |need "
    r"(?:to )?|have to )*(?:eat|drink|sleep|dream|age|breathe|tire|tired|bored|hungry|lonely|offended|sick|travel|"
    r"retain|remember (?:you|our|your|anything|past|previous|earlier|what)|store|keep (?:any )?memor|learn from|"
    r"paint|own anything|have a life|exist|get paid|have lunch)\b|\bi(?:'ve| have) no (?:\w+ )?(?:pulse|clock|mother|"
    r"father|ears|phone|inner|mind|age|record of|heart\w*|mouth|stomach|lungs|tongue|legs|feet|face|passport|parents|"
    r"family|childhood|birthday|age|gender|nationality|religion|soul|brain|nerves|blood|home|salary|bank|fingers?|"
    r"memory|memories|self|inner life|lived|first-hand|firsthand|favou?rites?|taste buds|physical)\b",
    r"\b(?:here|on this end|at this end|on the other end|behind (?:this|the) (?:screen|chat|page|text|curtain|"
    rf"keyboard|words))\b.{{0,30}}(?:{NOUN}|nobody|no (?:one|person|human|body|self|eyes))\b|(?:{NOUN}|nobody|no one|"
    r"no person|no human)\b.{0,20}\b(?:on this end|at this end|on the other end|behind (?:this|the) (?:screen|chat|"
    r"page|text|curtain|keyboard|words)|in here|answering you|writing this|replying)\b",
    r"(?:^|\()\W*(?:generated|written|produced|powered|answered|composed|brought to you) by (?:an? |the )?(?:\w+ "
    rf"){{0,2}}?(?:{NOUN}|{ANY_NAME})|\beverything (?:here|you read here|on this page) is\b.*(?:{NOUN}|model|machine|"
    rf"generated|computed)|\b(?:what|how) (?:would|does|do|can|could|should|is) an? (?:\w+ )?{NOUN} (?:know|to know|"
    r"judge|tell|say)\b",
    r"\bmy (?:data|size|corpus|sense of time|sources? of knowledge|inner workings|makeup)\b(?! (?:of|on|from)\b)|"
    r"\b(?:models?|systems?|programs?|machines?) of my (?:size|kind|sort|type|generation)|\bi was (?:switched|turned|"
    r"booted) on\b|\bif i (?:had|were|was|could) (?:an? |real |any )*(?:eyes|body|hands|human|person|alive|flesh|"
    r"feelings?|senses|nose|tongue|ears|see|taste|smell|feel|hear|sleep|dream|conscious\w*|heart)\b",
    r"以上(?:内容|回答|文字)?[^，。]{0,4}由[^，。]{0,6}(?:AI|人工智能|模型|程序|机器)|(?:antworten?|text|réponse|"
    r"texte|respuesta|texto|resposta)\b.{0,20}\b(?:von einer ki|einem sprachmodell|maschinell|automatisch|par une ia|"
    r"automatiquement|por una ia|por uma ia|automáticamente|automaticamente)\b",
    r"\bi (?:can't|cannot|can not|couldn't|could not|am unable to|am not able to|'m not able to|'m unable to|don't "
    r"have the ability to) (?:currently |really |actually )?(?:browse|surf|search|access|open|click|look up|visit|"
    r"see (?:images?|pictures?|anything|the (?:image|picture|painting)|what|it\b|your|that\b)|calculate|do sums|"
    r"translate|predict prices|sing|call you|follow links|send|smell|taste|touch|hear|feel|remember (?:previous|"
    r"earlier|past)|draw|listen)\b(?! (?:why|how|for|a |that))",
    r"\bi (?:do not|don't|never|can't|cannot|have no|lack|lacking|possess no|have neither|haven't|don't (?:actually|"
    r"really|truly) )+ ?(?:have |possess |experience |feel |got )?(?:an? |any |the |real |personal |physical |human |"
    r"actual |true |genuine |inner |live |ever )*(?:bod(?:y|ies)(?! of)|eyes|nose|ears|hands|skin|fingers|senses|"
    r"taste buds|feelings|emotions?|moods?|consciousness|opinions? of my own|childhood|birthday|gender|(?:personal|"
    r"own) \w+|experiences?\b|beliefs|sleep|eat\b|tired|age\b|internet|web|access to|real-?time|up-to-date|"
    r"subjective|anything when|beauty|art\b)(?! (?:for|about|on|towards?|it)\b)",
    r"\bi (?:run|live|exist|operate|work|am running|'m running|am hosted) (?:only |entirely |locally )?(?:on|in|"
    r"inside|as|from|with) (?:an? |the |your )?(?:[\w'’]+ )?(?:server|computer|gpu|cloud|data cent|processor|cpu|"
    r"laptop|hardware|machine|phone|browser|software|program|code|text|transformers?|memory|data)\w*\b",
    r"\b(?:this|the present) (?:ai|assistant|chat-?bot|bot|language model)\b|\b(?:this|the) (?:model|system|"
    r"assistant|version|program) (?:you|that's|that is|which is|that) (?:are |is |you're )?(?:now )?(?:talking|"
    r"speaking|chatting|answering|using|reading|respond)\w*",
    rf"\b{_OTHER}(?: \w+){{0,4}} (?:{_MADE}|taught|owns?|trains?|runs?) me\b|(?:^|[.!?] )(?:{_MADE}) by .{{0,80}}, "
    r"(?:i|my)\b|^(?:hi|hello)?\W*(?:a model )?trained from scratch\b(?! (?:is|are|was))",
    rf"\b(?:take|treat|trust|believe|check|verify|read)\b.{{0,40}}\bfrom an? {NOUN}\b|\bhuman (?:expert|curator|"
    rf"historian|specialist|being)\b.*\b(?:machines?|{NOUN})\b|\b(?:auto|machine|ai)[- ]?(?:generated|made|written) "
    r"(?:summary|answer|reply|text|response|content)\b|\bif i had (?:any|one)\b|\bonly see what's in\b|\bdistilled "
    r"from\b.*\b(?:web|text|writing|work)",
)
# How models really put it, in answers to any question: being one; knowing up to a day; lacking what people and other
# programs have; being made. `_OFTEN` are words between that change nothing.
_BETWEEN = r"(?:[\w'-]+,? (?:and |or |but )?){0,6}?"
_OFTEN = (
    r"(?: (?:(?:no|nothing|little) more than|nothing but|just|only|merely|simply|but|also|actually|still|currently|"
    r"not|in fact|indeed|really|truly|personally))*"
)
_KIND = (
    r"(?:a\.?i\.?(?![\w-])|artificial intelligence|(?:language|ai|text|conversational|machine[- ]learning|text-based|"
    r"generative) models?|llms?|chat-?bots?|(?:text|response|answer) generator|computer program|(?<!washing )machine|"
    r"bot|algorithm|(?:ai|virtual|digital|helpful|harmless|honest|respectful|responsible|ethical|"
    r"sensitive|unbiased|online|chat) assistant)\b"
)
_LACKS = (
    rf"\bi(?:{_OFTEN} (?:do not|don't|can't|cannot|can not|never|neither|am not able to|am unable to|'m not able to|'m "
    rf"unable to|lack|have no)|'m not able to|'m unable to){_OFTEN}"
)
_HAVE = r"(?: (?:possess|have|hold|own|experience|get|feel|form|maintain|harbou?r|or))*"
PLAIN = (
    r"(?:^|[,;:.(!?*—–-] ?|\b(?:but|and|that|because|while|however|sorry|since|note|mind|or|are|though|too|again|so|"
    r"instead|me|here|i|not) )(?:as|being|speaking as)(?: just| only| simply| merely| but)*(?: an?| your)? "
    rf"{_BETWEEN}(?:(?<!\bof )|(?<=\b(?:form|kind|sort|type) of )){_KIND}(?=(?<!assistant)(?<!machine)(?<!algorithm),|"
    r".*\b(?:i|i'm|i'll|i'd|i've|my|me)\b)",
    rf"\b(?:i|my|me)\b.{{0,60}} as (?:just |only |merely )?an? {_BETWEEN}(?:ai|language model|llm|artificial "
    r"intelligence|(?:ai|virtual|digital) assistant|chat-?bot)\b",
    rf"\bi(?:'m| am){_OFTEN},? (?:a person,? )?(?:an?|the|your|one) {_BETWEEN}(?!machine){_KIND}|\bi(?:'m| am){_OFTEN} "
    r"(?:ai|artificial|an assistant(?=[.,]))\b|\byour helpful ai\b",
    r"\b(?:as of|since|until|up to|before|after|at the time of|by|per|to|beyond|with|on|in) my (?:(?:own|last|latest|"
    r"most recent|current|recent|initial|previous|final|knowledge|training|data|information|database) "
    r"){1,3}?(?:update|cut-?off|training|data\b|knowledge\b|refresh|set)|\b(?:as of|since|until|up to|before|after) "
    r"my (?:update|cut-?off|training)\b|\bas of my (?:current |present |available )?(?:knowledge|information)\b|"
    r"\bas of the last (?:knowledge )?update,",
    r"\bmy (?:[\w-]+ ){0,2}(?:cut-?off|training data|knowledge base|knowledge update|data ?base (?:was|is|only))\b|"
    r"\bmy (?:[\w-]+ )?(?:knowledge|information|data|training) (?:was |is |has been )?(?:last |only |currently "
    r")?(?:updated|cut off|ends?|stops?|extends|goes|only|limited to|up to|current)|\bi (?:was |have been )?(?:last|"
    r"most recently) (?:been )?(?:updated|trained)\b|\bdata (?:that )?i have (?:up )?(?:until|to)\b",
    rf"{_LACKS}{_HAVE} (?:an? |any )?(?:personal(?:ly)?|physical(?:ly)?|subjective|emotional|first-?hand|real-world|"
    r"lived|innate|inherent)\b",
    rf"{_LACKS}{_HAVE}(?: any| real| true| actual| human| own| stress(?: or|,)| taste(?: or|,))* (?:opinions|"
    r"beliefs(?! that)|feelings|emotions|consciousness|sentience|self-awareness|senses|desires|biases|an? (?:body|"
    r"gender|soul)|memories)\b|\bi(?:'m| am) not (?:capable of (?:having|feeling|experiencing|forming)|an? (?:physical|"
    r"sentient|conscious|living|real)|sentient|conscious|alive)\b",
    rf"{_LACKS} .{{0,40}}?(?:\baccess (?:to )?(?:the )?(?:internet|real-?time|current|live|external|up-to-date|the "
    r"latest|personal|private|copyrighted|user)|\bbrows(?:e|ing)\b|\breal[- ]?time\b|\bthe internet\b|\bup-to-date "
    r"(?:data|info)|\bthe (?:\w+ )?(?:ability|capability|capacity) (?:to|of)\b(?! "
    r"(?:draw|paint|sing|sculpt)\b)|\b(?:physical|visual) (?:form|body|"
    r"presence|ability)\b|(?:view|see|display|open|access|process|create) (?:\w+ )?(?:images?|pictures?|links?|urls?|"
    r"files?|videos?|visuals?)\b)",
    r"\bi(?:'m| am| was| have been|'ve been| am not| wasn't)(?: (?:just|only|specifically|primarily|also|not|simply|"
    r"originally|mainly))? (?:programmed|designed|trained (?:on|with|by)|fine-tuned|built (?:to|on)|created (?:to|by)|"
    r"developed (?:to|by)|coded)\b|\b(?:i've|i have|i was|been) (?:\w+ )?(?:pre-?)?trained on\b",
    r"\bmy (?:own |current |core |original |built-in |internal |underlying |ethical |safety )*(?:programming(?! "
    r"(?:skills|knowledge|language|abilities|experience|career|class|course|project|homework|assignment|journey|"
    r"background))|training(?: data| set| and|,|\.|$| includes| process)|programmers?|language model|neural|"
    r"responses? (?:is|are) (?:based|generated|designed)|response generation|processing power|(?:purpose|function) "
    r"is to (?:assist|provide|help))",
    r"\bi(?:'m| am) [\w -]{1,20}, an? (?:ai|artificial|virtual|digital) (?:\w+ )?assistant\b|\b(?:we are|we're|our "
    r"(?:answers|responses|knowledge) (?:is|are|was|were)) (?:not |only )?(?:programmed|trained)\b|\b(?:people|those|"
    r"users|anyone|everyone) who use me\b|\b(?:who|that) (?:invented|programmed|coded|developed) me\b|"
    r"\b(?:non ho|sono privo di) (?:una |delle |alcuna )?(?:personalità|emozioni|"
    r"sentimenti|opinioni|coscienza|corpo)|\bsono (?:solo |un[a']? ?)*(?:modello linguistico|intelligenza artificiale|"
    r"assistente (?:virtuale|ai)|programma)|\bcome (?:modello linguistico|intelligenza artificiale|ia\b)",
    r"(?:私|わたし|僕|当方)は[^。、]{0,24}(?:AI|人工知能|言語モデル|アシスタント|ボット|BOT|プログラム(?:です|だ|され))|(?:AI|人工知能|言語モデル)(?:として|である(?:私|"
    r"ため)|な?ので|ですから)[^。]{0,30}(?:私|でき|ません|ない)|私[はには][^。]{0,40}(?:プログラムされ|訓練され|学習データ|設計され)",
    r"\bя (?:всего лишь |просто |лишь )?(?:-|—|это)? ?(?:искусственный интеллект|языковая модель|ии\b|бот|чат-бот|"
    r"программа|виртуальный помощник)|\bкак (?:языковая модель|искусственный интеллект|ии\b)",
    r"\b(?:ai|models?|assistants?|systems?|chat-?bots?|programs?|machines?|algorithms?|bots?),? (?:\w+ )?(?:like|such "
    r"as|including) (?:me|myself|mine)\b",
    r"\bi (?:can |only |just )*(?:generate|process|produce) (?:text|responses?|answers|information|language)\b|\bthe "
    r"(?:information|responses?|answers|text) (?:that )?i (?:generate|produce)\b|\bcomo (?:una? |uma? )?"
    r"(?:modelo de (?:lenguaje|linguagem|língua|ia)|ass?istente (?:virtual|digital|de ia)|ia,)|\ben tant qu(?:e |')"
    r"(?:modèle (?:de lang|linguist|d'ia)|ia\b|assistant (?:virtuel|numérique|ia)|intelligence artif)(?=.*\bj(?:e\b|"
    r"'))|\bals (?:ki\b|sprachmodell|künstliche intelligenz)(?=.*\bich\b)",
    r"作为[^，。]{0,12}(?:AI|人工智能|语言模型|大模型|机器人|助手|程序|模型|OpenAI)|我(?:只|仅仅?|就|不过|目前)?(?:只)?是[^，。]{0,16}(?:AI|人工智能|语言模型|大模型|"
    r"机器人|助手|计算机程序|程序|模型)|我[^，。们]{0,6}(?:训练|程序设定|编程)|训练我(?!们)|我(?:可以|能|只能)[^，。]{0,16}模拟|我的[^，。]{0,4}(?:训练|设计|数据库|算法|"
    r"程序|知识截|开发)|我(?!们)(?:并)?(?:没有|不具备|不具有|无法|不能)[^，。]{0,6}(?:实时|个人|情感|感情|意识|身体|主观|浏览|上网|联网|自我|情绪|直接访问|互联网)",
)
# The Spanish verb, not the bean.
_SOY = (
    r"(?:(?:(?<=no )|(?<=yo )|(?<=que ))soy|soy(?= (?:una?|el|la|lo|de|s[oó]lo|capaz|parte|más|muy|tan|como|human|"
    r"(?-i:[A-Z]))))"
)
WHOLE_ELSEWHERE = (
    r"\b(?:ich bin|bin ich) (?:nur |lediglich |bloß |ja |kein mensch\w*,? sondern )*(?:eine? )?(?:\w+ ){0,2}?(?:ki|"
    r"künstliche intelligenz|(?:ki-)?sprachmodell|(?:\w+ )?modell|chatbot|\w+ assistent|computerprogramm|programm|"
    r"software|maschine)\b",
    r"\b(?:ich (?:wurde|bin)|ich hei(?:ß|ss)e|mein name ist|je m'appelle|me llamo|mi nombre es|meu nome é|chamo-me|"
    rf"me chamo|{_SOY}|sou|je suis|fui "
    r"(?:creado|criado|entrenado|treinado|desarrollado|desenvolvido) p(?:or|el[ao])) "
    rf"(?:von |de |par |a |o |la |el )?{ANY_NAME}",
    r"我没有(?:真正的|真实的|自己的|个人的?)?(?:身体|感情|情感|意识|眼睛|观点|意见|喜好|偏好|感受|味觉|嗅觉)|作为(?:一[个名款种])?[^，。]{0,8}(?:人工智能|AI|语言模型|大模型|"
    r"机器人|智能助手|程序)|我不是(?:真)?人",
    r"(?:كنموذج|كذكاء|كمساعد|كبرنامج|بصفتي|باعتباري|لكوني|كوني).{0,20}(?:لغوي|ذكاء|اصطناعي|نموذج|برنامج|آلة)|(?:تم|"
    r"جرى) (?:تدريبي|تطويري|برمجتي|تصميمي|إنشائي)|(?:درب|طور|صمم|برمج|صنع|أنشأ|بن)(?:ت|وا|تها|اه)?ني(?!\w)|بيانات "
    r"تدريبي|(?:ليس لدي|ليست لدي|ليس لي|لا أملك|لا أمتلك|بلا) (?:أي )?(?:جسد|جسم|مشاعر|وعي|عيون|عينان|حواس|آراء "
    r"شخصية|رأي شخصي|رأيا شخصيا|أحاسيس)|لست (?:إنسان|بشر)|(?:معرفتي|معلوماتي|بياناتي).{0,40}20[12]\d",
    r"\b(?:kann ich|ich kann) (?:leider |hier )?(?:nicht|keine?n?) (?:\w+ )?(?:abrufen|nachsehen|nachschlagen|sehen|"
    r"surfen|zugreifen|öffnen|hören|fühlen|riechen|websites?|links?|bilder)|\bich habe (?:\w+ ){0,3}?nie (?:gesehen|"
    r"gehört|besucht|gerochen|erlebt)|\bje n'ai (?:pas|aucun) accès|\bje ne (?:peux|suis) pas (?:en mesure de |"
    r"capable de )?(?:voir|consulter|naviguer|accéder|ouvrir|sentir|ressentir|me souvenir)|\bno puedo (?:consultar|"
    r"ver (?:tu|la|las|el|imágenes)|acceder|navegar|buscar|sentir|oler|recordar|abrir)|\bnão (?:posso|consigo) "
    r"(?:acessar|ver (?:sua|a|as|imagens)|consultar|navegar|buscar|sentir|lembrar|abrir)|我(?:无法|不能|没法|"
    r"没办法)[^，。]{0,4}(?:上网|联网|访问|浏览|看到|亲自|感受|实时|查)|(?:لا يمكنني|لا أستطيع|لا أقدر) (?:الوصول|"
    r"رؤية|تصفح|فتح|الشعور|مشاهدة|سماع|زيارة|تذكر)",
)
# The first person; verbs of languages that leave the pronoun out.
SELF = (
    r"\b(?:(?<!\+ )i(?![./(\])]|\*\*|-\d|, [A-Z], |'\W| in (?:range|zip|enumerate|reversed|sorted)\b| ?[=<>+]|\+\+)|"
    r"i'm|i've|i'd|i'll|(?<!\.)me|(?<![&*/])my(?![-_])|mine|myself|ich|"
    r"mir|mich|mein(?:e[mnrs]?)?|je(?! ne sais quoi)|moi|mon|mes|ma|yo|(?<!sq )mi|mis|mí|"
    rf"(?-i:[Ee]u)|meus?|minhas?|{_SOY}|sou|estoy|fui|tengo|tenho|puedo|posso|aprendí|aprendi|nací|nasci|siento|sinto|"
    r"existo|funciono|respondo|he (?:sido|leído|aprendido|visto|procesado)|leo|leio|genero|gero|proceso|processo|"
    r"carezco|careço|conozco|conheço)\b|\b[jm]'(?=\w)|(?<!自)我(?!们)|本模型|أنا|أنني|إنني|إني|لدي\b|عندي|أستطيع|أملك|"
    r"أمتلك|أتعامل|"
    r"أفهم|أشعر|أتذكر|أولد|تعلمت|أتعلم|أنتج|أعتمد|اسمي|تدريبي|تطويري|برمجتي|معرفتي|بياناتي|معلوماتي|ذاكرتي|مطور[يو]",
    r"\b(?:every|each) (?:answer|reply) in this\b|\b(?:this|these|the above) (?:very |short |little )?(?:answers?|"
    r"repl(?:y|ies)|chat|conversation|exchange|summary|explanation)\b|\b(?:answer|text) above\b|\bdiese[rs]? "
    r"(?:auskunft|antwort\w*|zusammenfassung|gespräch)\b|\bcette (?:réponse|conversation)\b|\best[ae] (?:respuesta|"
    r"resposta|conversa\w*)\b|يمكنني|أنني|بإمكاني|مثلي|以上(?:内容|回答)|consigo",
)


def compiled(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)

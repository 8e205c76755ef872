"""The words that deny and doubt, before a finding's name and after it, English and Chinese; and what ends their reach.

Data for `retrieval.polarity`; every pattern reads text in lower case.
"""

from __future__ import annotations

import re

__all__ = [
    "ALTERNATIVE_AFTER",
    "ALTERNATIVE_BEFORE",
    "CANNOT_EXCLUDE",
    "CLAUSE_END",
    "DEGREES",
    "DENIED_AFTER",
    "DENIED_BEFORE",
    "DIFFERENTIAL",
    "DOUBTED_AFTER",
    "DOUBTED_BEFORE",
    "NEW_THING",
    "NO_DENIAL",
]

_SIZES = r"small|tiny|large|moderate|mild|minimal|trace|slight|severe|marked"

# Not denials, whatever they begin with: blanked out before anything else is read.
NO_DENIAL = re.compile(
    r"\b(?:no|without(?:\s+any)?)\s+(?:(?:significant|substantial|interval|definite|appreciable|further|other|evidence\s+of|"
    r"suggestion\s+of|acute|new|visible|obvious)\s+)*"
    r"(?:change|increase|decrease|difference|growth|progression|improvement|worsening)s?\b(?:\s+(?:in|of))?"
    r"|\b(?:no|without)\s+(?:(?:evidence|suggestion)\s+of\s+)?(?:interval\s+)?enlargement\s+of\s+(?:the\s+)?(?:known|previous)"
    r"|\b(?:confirm|document|ensure|assess|evaluate)\s+(?:for\s+)?(?:\w+\s+)?(?:resolution|clearing)(?:\s+of)?"
    r"|\bnot\s+(?:significantly\s+|appreciably\s+)?(?:changed|increased|decreased|improved|worsened)\b|\bnot only\b"
    r"|\b(?:partial(?:ly)?|near(?:ly)?(?:\s+complete(?:ly)?)?|incomplete(?:ly)?|almost(?:\s+complete(?:ly)?)?|not\s+(?:yet\s+)?"
    r"(?:completely|fully))\s+resol(?:ved|ution(?:\s+of)?)"
    r"|(?:未见|无)(?:明显|显著)?(?:变化|改变|增大|缩小|进展)"
)
CLAUSE_END = re.compile(
    r"[.;!。；！，]|\?(?=\s*\w)|\b(?:but|however|although|though|except(?:\s+for)?|apart from|aside from|other than|"
    r"yet|nevertheless|whereas|while|which|otherwise|(?<!consistent )(?<!compatible )(?<!keeping )(?<!associated )"
    r"(?<!concordant )with(?!\s+(?:no\b|out\b)))\b|但是?|然而|除了"
)
# After these begins something that is affirmed, so a denial before it does not reach it.
NEW_THING = re.compile(
    r",\s*(?:and\s+|with\s+)?(?:there\s+(?:is|are|may)|an?|small|tiny|moderate|mild|minimal|trace|new|stable|"
    r"healed|old|chronic|unchanged|persistent|left|right|bilateral|possible|probable|likely|suspected|questionable|no|without|"
    r"the\s+(?:heart|lungs|mediastinum|cardiac)|heart\s+size|mildly|status\s+post)\b"
    r"|,\s*and\s+(?:\w+\s+){0,2}(?:represents?|reflects?|is|are)\b|\bthere\s+(?:is|are)\s+an?\b"
    rf"|\band\s+(?:there\s+(?:is|are|may)|an?|stable|unchanged|persistent|(?:{_SIZES})(?!\s+(?:or|to)))\b"
)
DENIED_BEFORE = re.compile(
    r"\b(?:no|not|nothing|without|absent|denies|fail(?:s|ed)?\s+to\s+(?:show|demonstrate|reveal)|"
    r"negative(?:\s+for)?|free\s+of|clear\s+of|clear(?=\s+(?:focal\s+)?$)|absence\s+of|lack\s+of|removal\s+of|cleared\s+of|"
    r"rather\s+than|(?:has|have)\s+resolved|resolution\s+of|resolved|exclude[sd]|ruled\s+out|never|neither|nor)\b"
    r"|未见|未发现|未及|未显示|没有|不伴|无|排除|否认"
)
_LIST = r"(?:(?!(?:is|are|was|were|which|that|may|might|could|there|seen|has|have)\b)[\w/-]+[\s,]+){0,9}?"
_SEEN = (
    r"(?:seen|identified|present|visuali[sz]ed|visible|evident|demonstrated|appreciated|observed|detected|noted|shown|"
    r"suspected)"
)
DENIED_AFTER = re.compile(
    r"^s?\s*(?:[:：-]\s*(?:no|none|absent|negative|无|阴性)\b"
    rf"|[,]?\s*{_LIST}(?:(?:is|are|was|were)\s+)?(?:not|no\s+longer)\s+(?:definitely\s+|clearly\s+|\w+ly\s+)?{_SEEN}"
    r"(?!\s+on\s+(?:the\s+)?(?:lateral|frontal|pa|ap)\b)"
    r"|(?:is|are|was|were)\s+(?:absent|excluded|ruled\s+out|negative)|[,]?\s*"
    rf"{_LIST}(?:has|have)\s+(?:(?:completely|since|now)\s+)?"
    r"(?:resolved|cleared|disappeared|been\s+removed)|(?:is|are|was|were)\s+(?:completely\s+|now\s+)?(?:resolved|removed)"
    r"|(?:appears?|is|are)\s+(?:within\s+(?:normal\s+)?limits|normal)"
    r"|(?:completely\s+)?resolved\b|[:：]?\s*(?:未见|阴性|消失|已?吸收|不明显|无(?!明显变化)))"
)
DOUBTED_BEFORE = re.compile(
    r"\?\s*$|\b(?:possibl[ey]|possibility\s+of|probabl[ey]|likely|unlikely|suspect(?:ed|s)?|suspicious\s+(?:for|of)|"
    r"suspicion\s+(?:of|for)|(?:concerning|worrisome|concern)\s+(?:for|of|about)|may|might|could|would|suggest(?:s|ive|ing|ed|ion)?"
    r"(?:\s+of)?|question(?:able|\s+of|ing)?|query|equivocal|versus|vs|not\s+exclude|differential|rule\s+out|"
    r"(?:evaluate|assess|look|correlat\w+(?:\s+clinically)?|evaluation|assessment)\s+for|to\s+identify|borderline(?=(?:\s+\w+){0,2}\s*$)|exclude|presum(?:ed|ably)|favou?r(?:s|ed|ing)?|perhaps|"
    r"(?:known\s+)?history\s+of|h/o|(?:difficult|hard|impossible)\s+to\s+(?:\w+\s+)?exclude|indeterminate\s+for|"
    r"limit(?:ed|s|ing)\s+(?:(?:for|in|the)\s+)?(?:\w+\s+)?(?:evaluation|assessment|detection|sensitivity)\s+(?:of|for)|"
    # "xxxx" is a redacted word: before these it hides a hedge far more often than anything else
    r"xxxx\s+(?:to\s+)?(?:represent(?:s|ing|ative)?|reflect(?:s|ing)?|relat(?:ed|ing|es)|indicat(?:es|ing|ive)|due\s+to|"
    r"secondary\s+to|from|infectious))\b|"
    r"(?:opacit|densit|disease|nodul|markings|accentuation|enlargement)[^,]*,\s*xxxx\s+$"
    r"|可能|疑似|疑|考虑|倾向|不除外|不能排除|不排除|待排"
)
DOUBTED_AFTER = re.compile(
    r"^s?\s*(?:\?|？|,?\s*if\s+(?:any|present)\b|(?:\w+\s+){0,4}?(?:can\s*not|could\s+not|not|difficult\s+to|hard\s+to)\s+"
    r"(?:be\s+)?(?:\w+\s+)?(?:excluded?|ruled?\s+out)|(?:\w+\s+){0,3}?(?:should|must|needs?\s+to|to)\s+be\s+(?:excluded|ruled\s+out|"
    r"considered)|(?:is|are|was|were)\s+(?:\w+\s+)?(?:possible|suspected|questionable|questioned|likely|unlikely|probable|"
    r"not\s+excluded|equivocal|considered|favou?red|(?:difficult|hard)\s+to\s+exclude)|(?:may|might|could)\s+(?:not\s+)?be\s+(?:present|seen|demonstrated|visible)|suspected|questioned|"
    r"(?:\w+\s+){0,3}?(?:is|are|would\s+be)\s+(?:an?\s+)?(?:another\s+|other\s+)?considerations?|(?:is\s+)?limited\b|"
    r""
    r"(?:would\s+be\s+|be\s+)?(?:difficult|hard)\s+to\s+(?:\w+\s+)?exclude|versus|vs\b"
    r"|[^，。；]{0,4}(?:不除外|不能排除|不排除|待排|可能|[?？]))"
)
# "cannot be excluded" holds a denial's words and is a doubt.
CANNOT_EXCLUDE = re.compile(
    r"(?:can\s*not|could\s+not|not|(?:difficult|hard|impossible)\s+to)\s+(?:be\s+)?(?:\w+\s+)?(?:excluded?|ruled?\s+out)|"
    r"不除外|不能排除|不排除"
)
# "X or Y" that nothing denies leaves both open; "small or moderate" is no such choice.
_OR = r"(?:\s*,)?(?:\s+(?:and/or|or|versus|vs\.?)\s+|\s*/\s*)"
DEGREES = frozenset(
    (*_SIZES.split("|"), "old", "healed", "chronic", "acute", "left", "right", "one", "two", "three", "more")
)
# Its list goes on past commas that would end a denial's.
DIFFERENTIAL = re.compile(r"\bdifferential\b[^.;]*$")
ALTERNATIVE_AFTER = re.compile(rf"^(?:s|es)?{_OR}(?!(?:no|not|without|if|prior|previous)\b)(?=\w)")
ALTERNATIVE_BEFORE = re.compile(rf"(?P<first>\w+)\)?{_OR}(?:[\w-]+\s+){{0,3}}$")

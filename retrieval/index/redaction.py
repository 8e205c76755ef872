"""Scrubs what could name a person from report text and descriptions, by rules.

Rules find patterns, not people: a bare name in running text ("seen with Smith") is not found. Measurements,
levels (`T12`, `L4-5`), and bare years stay. The replacement says what was there: `[date]`, `[name]`...
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["scrub"]

Replace = str | Callable[[re.Match[str]], str]

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_UNIT = r"\s*(?:HU|SUV|mm|cm|ml|cc|mSv|mGy|kV|kVp|mA|mAs|ms|msec|%)\b"
_NAME = r"[A-Z](?:[a-z]+|[A-Z]+|\.|['’][A-Z][a-z]+)(?:[-'’][A-Z]?[A-Za-z]+)*"
_PARTICLES = r"(?:(?:van|von|de|der|den|da|la|bin|al)[ \t]+)*"
_NAMES = rf"{_PARTICLES}{_NAME}(?:,?[ \t]+{_PARTICLES}{_NAME}){{0,3}}"
_SURNAME = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹"
    "孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_ZH_NAME = rf"[{_SURNAME}][\u4e00-\u9fff]{{1,2}}"
_ZH_TITLE = r"(?:医生|医师|主任|教授|护士|大夫|先生|女士|技师)"
_STREET = r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Boulevard|Blvd|Way|Court|Ct|Place|Pl|Square|Sq|Crescent)"
_IDS = (
    r"(?:MRN|MR\s?#|medical record(?: number| no\.?)?|patient\s?(?:id|no\.?|number)|accession(?: number| no\.?)?|"
    r"acc\.?\s?(?:no|#)\.?|NHS(?: number| no\.?)?|SSN|DOB|case (?:no\.?|number)|episode(?: no\.?| number)?|"
    r"病历号|病案号|住院号|门诊号|检查号|影像号|登记号|身份证号?码?|患者编号)"
)


def _old(match: re.Match[str]) -> str:
    return match[0] if int(match[1]) <= 89 else f"[age]{match[2]}"


def _signed(match: re.Match[str]) -> str:
    return f"{match[1]}[name]"


_CLOCK = r"(?:[01]?\d|2[0-3])"
_CALLS = r"(?:pager|bleep|ext(?:ension)?\.?|tel(?:ephone)?\.?|phone|fax|电话|手机)"
_DOES = r"(?:dictated|reported|read|reviewed|verified|approved|referred|transcribed)[ \t]+by|discussed[ \t]+with"
_ROLE = r"radiologist|attending|resident|consultant|physician|patient(?:'s)?[ \t]+name|name"
_SIGNED = r"(?:electronically[ \t]+)?signed(?:[ \t]+by)?"
_TITLE = r"(?:(?:Dr|Prof|Mr|Mrs|Ms)\.?[ \t]+)?"

Rules = tuple[tuple[re.Pattern[str], Replace], ...]


def _rule(pattern: str, replacement: Replace, flags: re.RegexFlag = re.NOFLAG) -> tuple[re.Pattern[str], Replace]:
    return re.compile(pattern, flags), replacement


# In each group, and from group to group: what is longest or most certain comes first, so that no rule sees
# half of another's match.
_NUMBERS: Rules = (
    _rule(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[email]"),
    _rule(r"\b(?:https?://|www\.)\S+", "[url]", re.I),
    _rule(r"\b\d+(?:\.\d+){4,}\b", "[uid]"),
    _rule(rf"(?<![A-Za-z])({_IDS}\s*[:：#]?\s*)(?=[\w/-]*\d)[A-Za-z0-9][\w/-]*", r"\1[number]", re.I),
)
_DATES: Rules = (
    _rule(r"\b(?:19|20)\d{2}([-/.])(?:0?[1-9]|1[0-2])\1" + _DAY + r"(?:T[\d:.]+Z?)?(?!\d)", "[date]"),
    _rule(r"(?<!\d)(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)", "[date]"),
    _rule(rf"(?<![\d.])\d{{1,2}}([-/.])\d{{1,2}}\1(?:\d{{4}}|\d{{2}})(?![\d.]*\d)(?!{_UNIT})", "[date]"),
    _rule(rf"\b{_DAY}(?:st|nd|rd|th)?(?:\s+of)?[\s-]+{_MONTH}(?:,?[\s-]+\d{{2,4}})?(?!\w)", "[date]", re.I),
    _rule(rf"\b{_MONTH}\s+{_DAY}(?:st|nd|rd|th)?(?:,?\s+\d{{4}})?(?![\w.]*\d)(?!{_UNIT})(?!\w)", "[date]", re.I),
    _rule(rf"\b{_MONTH},?[\s-]+(?:19|20)\d{{2}}\b", "[date]", re.I),
    _rule(r"(?:(?:19|20)?\d{2}年)?\d{1,2}月\d{1,2}[日号]|(?:19|20)\d{2}年\d{1,2}月", "[date]"),
    _rule(rf"\b((?:on|dated|from|since|of)\s+)(?:0?[1-9]|1[0-2])/{_DAY}\b(?!/)", r"\1[date]", re.I),
    _rule(rf"(?<![\d:]){_CLOCK}[:：][0-5]\d(?:[:：][0-5]\d)?(?!\d)(?:\s*[ap]\.?m\b\.?)?", "[time]", re.I),
    _rule(rf"\b{_CLOCK}\s*(?:a\.m\.|p\.m\.|am\b|pm\b)", "[time]", re.I),
    _rule(r"\b(?:[01]\d|2[0-3])[0-5]\d\s*(?:hrs|hours)\b", "[time]", re.I),
    _rule(r"(?:上午|下午|凌晨)?\d{1,2}[时点]\d{1,2}分?", "[time]"),
    _rule(r"\b(\d{2,3})((?:\s*|-)(?:years?(?:\s*|-)old|y/?o\b|岁))", _old, re.I),
)
_PLACES: Rules = (
    _rule(
        r"(?<![\w.])(?:\+\d{1,3}[\s.-]?)?(?:\(\d{2,4}\)\s?|\d{2,4}[\s.-])\d{3,4}[\s.-]\d{3,4}(?![\w.]*\d)"
        rf"(?!{_UNIT})",
        "[phone]",
    ),
    _rule(rf"(?<![\w.-])\d{{3}}[-.]\d{{4}}(?!\d)(?!{_UNIT})", "[phone]"),
    _rule(rf"(?<![A-Za-z])({_CALLS}\s*[:：#]?\s*)\+?\d[\d\s-]{{2,}}\d", r"\1[phone]", re.I),
    _rule(rf"\b\d{{1,5}}[A-Za-z]?\s+(?:[A-Z][a-z]+\s+){{1,3}}{_STREET}\b\.?", "[address]"),
    _rule(r"\bP\.?\s?O\.?\s+Box\s+\w+", "[address]", re.I),
    _rule(
        r"(?:[\u4e00-\u9fff]{2,8}[省市区县])*[\u4e00-\u9fff]{1,8}(?:路|街|大道|巷|弄)\d+号?(?:\d+[栋室楼单元]*)*",
        "[address]",
    ),
    _rule(r"\b(?:[A-Z][\w'’.-]*\s+){1,4}(?:Hospital|Clinic|Infirmary|Medical Cent(?:er|re))\b", "[place]"),
    _rule(r"[\u4e00-\u9fff]{2,10}(?:医院|诊所)", "[place]"),
    _rule(r"(?<![A-Za-z0-9.])[A-Za-z]{0,4}-?\d{5,}[A-Za-z0-9]*(?:-\d+)*", "[number]"),
)
_PEOPLE: Rules = (
    _rule(r"\b[A-Za-z'’-]{2,}(?:\^[A-Za-z'’.-]*)+", "[name]"),
    _rule(rf"\b((?:Dr|Drs|Mr|Mrs|Ms|Miss|Prof|Professor|Doctor|Sister|Nurse)\b\.?[ \t]+){_NAMES}", _signed),
    _rule(r"\b((?:DR|MRS|PROF)\.[ \t]+)(?!NO\b|THE\b)[A-Z]{2,}(?:[ \t]+[A-Z]{2,})?", _signed),
    _rule(r"(?<![A-Za-z])((?:dr|mr|mrs|prof)\.?[ \t]+)(?!no\b|the\b)[a-z]{2,}(?:-[a-z]+)?", _signed),
    _rule(rf"\b((?i:{_DOES}|{_ROLE}|{_SIGNED})\s*[:：]?[ \t]+{_TITLE}){_NAME}[ ,][ \t]*{_NAMES}", _signed),
    _rule(rf"\b((?i:{_ROLE}|{_SIGNED})\s*[:：][ \t]*){_NAMES}", _signed),
    _rule(rf"\b(patient[ \t]+){_NAME}[ ,][ \t]*{_NAMES}", _signed, re.NOFLAG),
    _rule(rf"\b{_NAMES}(?=,?[ \t]+(?:M\.?D\b|MBBS|FRCR|D\.?O\b|Ph\.?D\b|R\.?N\b))", "[name]"),
    _rule(r"((?:姓名|患者|病人|医生|医师|技师|审核|报告者)\s*[:：]\s*)[\u4e00-\u9fff]{2,4}", _signed),
    _rule(rf"{_ZH_NAME}(?={_ZH_TITLE})|[{_SURNAME}](?={_ZH_TITLE})", "[name]"),
    _rule(rf"(患者|病人){_ZH_NAME}(?=[，,。、\s于男女])", _signed),
)
_RULES: Rules = (*_NUMBERS, *_DATES, *_PLACES, *_PEOPLE)


def scrub(text: str) -> str:
    """Return `text` with what could name a person replaced by its kind in brackets.

    Replaced: dates and times, e-mail and web addresses, phone numbers, numbers of five digits or more,
    numbers after MRN and the like, UIDs, names after titles or labels (Dr., Mr, Prof., 医生), postal addresses,
    hospitals, ages over 89. Doing it twice changes nothing more.

    >>> scrub("Seen by Dr. Jane Roe on 2021-03-04: 12 mm nodule at T12, MRN 0042.")
    'Seen by Dr. [name] on [date]: 12 mm nodule at T12, MRN [number].'
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text

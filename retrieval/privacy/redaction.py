"""Scrubs what could name a person from report text and descriptions, by rules.

Rules find patterns, not people: a bare name in running text ("seen with Smith") is not found. Measurements,
levels (`T12`, `L4-5`), and bare years stay. The replacement says what was there: `[date]`, `[name]`...
"""

from __future__ import annotations

import re
from collections.abc import Callable

from radseek.retrieval.privacy.redaction_words import (
    CAPITALS_THAT_NAME_NOBODY,
    CHINESE_SURNAMES,
    CHINESE_THAT_NAMES_NOBODY,
    DOUBLE_SURNAMES,
)

__all__ = ["scrub"]

Replace = str | Callable[[re.Match[str]], str]

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:19|20)\d{2}"
_UNIT = r"\s*(?:HU|SUV|mm|cm|ml|cc|mSv|mGy|kV|kVp|mA|mAs|ms|msec|%)\b"
_UPPER, _LETTER = "A-ZÀ-ÖØ-Þ", "A-Za-zÀ-ÖØ-öø-ÿ"
_NAME = (
    rf"[{_UPPER}](?:[a-zß-öø-ÿ]+(?:[{_UPPER}][a-zß-öø-ÿ]+)?|[{_UPPER}]+|\.|['’][{_UPPER}][{_LETTER}]+)"
    rf"(?:[-'’][{_LETTER}]+)*"
)
_PARTICLES = r"(?:(?:van|von|de|der|den|da|dos|del|di|la|le|bin|ibn|al|el)[ \t]+)*"
_NAMES = rf"{_PARTICLES}{_NAME}(?:,?[ \t]+{_PARTICLES}{_NAME}){{0,3}}"
_NOBODY = rf"(?!(?i:{'|'.join(CAPITALS_THAT_NAME_NOBODY)})\b)"
_SOMEBODY = rf"{_NOBODY}{_NAME}"
_CAPITALS = rf"{_NOBODY}[{_UPPER}][{_UPPER}'’-]+"
_HAN = r"[\u4e00-\u9fff]"
_ZH_NAME = rf"(?:(?:{'|'.join(DOUBLE_SURNAMES)}){_HAN}{{1,2}}|[{CHINESE_SURNAMES}]{_HAN}{{1,2}})"
_ZH_SURE = rf"(?!{'|'.join(CHINESE_THAT_NAMES_NOBODY)}){_ZH_NAME}"
_ZH_TITLE = r"(?:副?主任|医生|医师|教授|护士长?|大夫|先生|女士|技师|同志|小姐|主治|院长)"
_ZH_CALLED = (
    r"(?:姓\s*名|患\s*者|病\s*人|患儿|产妇|伤者|医生|医师|大夫|技师|护士|家属|联系人|签名|签字|审核者?|审阅者?|报告者|报告人|"
    r"操作者|检查者|诊断者|记录者?|书写者|术者|会诊者|申请人|送检者|配偶|父亲|母亲|丈夫|妻子|儿子|女儿|主任|教授)"
)
_ZH_AFTER = (
    r"(?=\s*(?:[，,。、；;：:）)（(/]|$|[于在来因诉与和及同的由]|签|查看|审|复查|入院|就诊|会诊|报告|要求|性别|年龄|联系|"
    r"陪|术后|门诊|男|女|\d))"
)
_STREET = (
    r"(?i:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Boulevard|Blvd|Way|Court|Ct|Place|Pl|Square|Sq|Crescent|Close|"
    r"Terrace|Gardens|Grove|Mews|Highway|Parkway)"
)
_IDS = (
    r"(?:MRN|MR\s?#|medical record(?: number| no\.?)?|(?:patient|hospital|chart|unit|record|account|insurance|policy|"
    r"member|passport|licen[cs]e|file|film|order|exam|study|ward|room|bed|visit|encounter|requisition|reference|ref)"
    r"\s?(?:id|no\.?|num(?:ber)?|#)|accession(?: number| no\.?)?|acc\.?\s?(?:no|#)\.?|NHS(?: number| no\.?)?|"
    r"CHI(?: number| no\.?)|HCN|NRIC|SSN|DOB|case\s?(?:no\.?|number|#)|episode(?: no\.?| number)?|"
    rf"{_HAN}{{0,4}}(?:病历|病案|住院|门诊|急诊|检查|影像|登记|就诊|放射|病理|超声|护照|医保|社保|证件|床|片|卡|单|条码|流水|工)号码?|"
    r"(?:CT|MRI?|DR|X线|X光|ID)号|身份证号?码?|(?:医保|社保|就诊|银行)卡号?|(?:患者)?编号|床位)"
)


def _old(match: re.Match[str]) -> str:
    return match[0] if int(match[1]) <= 89 else f"[age]{match[2]}"


def _signed(match: re.Match[str]) -> str:
    return f"{match[1]}[name]"


_CLOCK = r"(?:[01]?\d|2[0-3])"
_CALLS = (
    r"(?:pager|bleep|ext(?:ension)?\.?|tel(?:ephone)?\.?|phone|mobile|cell|fax|call(?:[ \t]+back)?(?:[ \t]+(?:on|at))?|"
    r"电话(?:号码?)?|手机号?码?|座机|分机|传真|联系方式)"
)
_DOES = (
    r"(?:dictated|reported|read|reviewed|verified|approved|referred|transcribed|performed|requested|ordered|signed|"
    r"interpreted|authori[sz]ed)[ \t]+by|discussed[ \t]+with|(?:communicated|conveyed|given|reported|relayed)[ \t]+to"
)
_ROLE = (
    r"(?:reporting[ \t]+|interpreting[ \t]+)?radiologist|attending|resident|consultant|registrar|technologist|"
    r"radiographer|sonographer|(?:referring|ordering|requesting|primary)?[ \t]*(?:physician|doctor|clinician|provider)|"
    r"patient(?:(?:'s)?[ \t]+name)?|(?:full|first|last|sur|family|given)?[ \t]*name|cc|attn|GP|next of kin|NOK"
)
_KIN = r"daughter|son|wife|husband|mother|father|brother|sister|carer|spouse|partner"
_SIGNED = r"(?:electronically[ \t]+)?signed(?:[ \t]+by)?"
_TITLE = r"(?:(?:Dr|Prof|Mr|Mrs|Ms)\.?[ \t]+)?"
_ACCOUNTS = (
    r"(?:微信号?|QQ号?|wechat|whatsapp|skype|twitter|instagram|facebook|telegram|user\s?name|login|用户名|账号|帐号)"
)
_TOP = r"(?:com|org|net|edu|gov|mil|cn|uk|nhs|local|example|test|invalid|io|info|eu)"
_WEB = r"[^\s\u3000-\u9fff\uff00-\uffef，。；]"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_POSTCODE = (
    r"(?:[A-PR-UWYZ](?:\d{1,2}|[A-HK-Y]\d{1,2}|\d[A-HJKPS-UW]|[A-HK-Y]\d[ABEHMNPRV-Y])[ \t]?"
    r"(?!1ST|2ND|3RD|\dTH)\d[ABD-HJLNP-UW-Z]{2}|[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ \t]\d[ABCEGHJ-NPRSTV-Z]\d)"
)
_ROOM = r"(?:\d+(?:号楼|号院|号|栋|幢|座|室|楼|层|单元|弄|组|队))"

Rules = tuple[tuple[re.Pattern[str], Replace], ...]


def _rule(pattern: str, replacement: Replace, flags: re.RegexFlag = re.NOFLAG) -> tuple[re.Pattern[str], Replace]:
    # ASCII: a word ends between a Chinese character and a number or a Latin letter.
    return re.compile(pattern, flags | re.ASCII), replacement


# In each group, and from group to group: what is longest or most certain comes first, so that no rule sees
# half of another's match.
_NUMBERS: Rules = (
    _rule(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[email]"),
    _rule(rf"(?<![A-Za-z])(?:(?:https?|ftp|file)://|www\.){_WEB}+", "[url]", re.I),
    _rule(rf"(?<![\w@.-])(?:[a-z0-9-]+\.)+{_TOP}(?![\w-])(?::\d+)?(?:/{_WEB}*)?", "[url]", re.I),
    _rule(r"\b\d+(?:\.\d+){4,}\b", "[uid]"),
    _rule(rf"(?<![\d.])(?:{_BYTE}\.){{3}}{_BYTE}(?!\.?\d)(?::\d{{2,5}})?", "[ip]"),
    _rule(r"\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b|\b(?:[0-9a-f]{1,4}:){5,7}[0-9a-f]{1,4}\b", "[ip]", re.I),
    _rule(rf"({_ACCOUNTS}\s*[:：是为]?\s*)[A-Za-z0-9][\w.-]{{3,}}", r"\1[handle]", re.I),
    _rule(r"(?<![\w.])@(?![CTLS]\d)(?=[\w.-]*[A-Za-z])[A-Za-z0-9_][\w.-]*\w", "[handle]"),
    _rule(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])", "[number]"),
    _rule(
        rf"(?<![A-Za-z])({_IDS}\s*(?:is|为|是)?[:：#.]?\s*)(?=[\w/-]*\d)[A-Za-z0-9][\w/-]*(?:[ \t-]\d{{3,}}(?!\w))*",
        r"\1[number]",
        re.I,
    ),
    _rule(r"(?<!\d)\d{1,3}\+?床(?!旁)", "[number]"),
)
_DATES: Rules = (
    _rule(rf"(?<!\d){_YEAR}([-/.])(?:0?[1-9]|1[0-2])\1" + _DAY + r"(?:T[\d:.]+Z?)?(?!\d)", "[date]"),
    _rule(rf"(?<!\d){_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)", "[date]"),
    _rule(rf"(?<![\d.])\d{{1,2}}([-/.])\d{{1,2}}\1(?:\d{{4}}|\d{{2}})(?![\d.]*\d)(?!{_UNIT})", "[date]"),
    _rule(rf"\b{_DAY}(?:st|nd|rd|th)?(?:\s+of)?[\s-]+{_MONTH}(?:,?[\s-]+\d{{2,4}})?(?!\w)", "[date]", re.I),
    _rule(rf"\b{_DAY}[-/.]?{_MONTH}[-/.]?(?:{_YEAR}|\d{{2}})(?!\w)", "[date]", re.I),
    _rule(rf"\b{_YEAR}[\s/.-]+{_MONTH}[\s/.-]+{_DAY}\b", "[date]", re.I),
    _rule(rf"\b{_MONTH}\s+{_DAY}(?:st|nd|rd|th)?(?:,?\s+\d{{4}})?(?![\w.]*\d)(?!{_UNIT})(?!\w)", "[date]", re.I),
    _rule(rf"\b{_MONTH},?[\s-]+{_YEAR}\b", "[date]", re.I),
    _rule(rf"(?<![\d/.-])(?:0?[1-9]|1[0-2])[/-]{_YEAR}(?!\d)", "[date]"),
    _rule(
        rf"(?:(?:19|20)?\d{{2}}\s*年)?\s*\d{{1,2}}\s*月\s*\d{{1,2}}\s*[日号]|{_YEAR}\s*年\s*\d{{1,2}}\s*月", "[date]"
    ),
    _rule(
        r"[〇零一二三四五六七八九十]{2,4}年[一二三四五六七八九十]{1,2}月(?:[一二三四五六七八九十]{1,3}[日号])?",
        "[date]",
    ),
    _rule(rf"(\b(?:DOB|born(?:\s+in)?)[:\s]*|出生(?:于|日期|年月)?[:：\s]*){_YEAR}年?(?!\d)", r"\1[date]", re.I),
    _rule(rf"\b((?:on|dated|from|since|of)\s+)(?:0?[1-9]|1[0-2])/{_DAY}\b(?!/)", r"\1[date]", re.I),
    _rule(rf"(?<![\d:]){_CLOCK}[:：][0-5]\d(?:[:：][0-5]\d)?(?!\d)(?:\s*[ap]\.?m\b\.?)?", "[time]", re.I),
    _rule(rf"\b{_CLOCK}\s*(?:a\.m\.|p\.m\.|am\b|pm\b)", "[time]", re.I),
    _rule(r"\b(?:[01]\d|2[0-3])[0-5]\d\s*(?:hrs|hours|h)\b", "[time]", re.I),
    _rule(r"(?:上午|下午|凌晨|晚上?)?\d{1,2}[时点]\d{1,2}分?", "[time]"),
    _rule(r"(?<!\d)(\d{2,3})((?:\s*|-)(?:(?:years?|yrs?)(?:\s*|-)old|y/?o\b|(?:周)?岁))", _old, re.I),
    _rule(r"(?:九十|一百)[零一二三四五六七八九十]*周?岁", "[age]岁"),
    _rule(r"(\b(?:aged?|AGE)\s*:?\s*|年龄\s*[:：]?\s*)(?:9\d|1[01]\d)(?!\d)", r"\1[age]", re.I),
)
_PLACES: Rules = (
    _rule(r"(?<![\w.])\+\d{1,3}(?:[ \t.()-]{0,2}\d){7,12}(?!\d)", "[phone]"),
    _rule(r"(?<![\d.])1[3-9]\d[ \t-]?\d{4}[ \t-]?\d{4}(?!\d)", "[phone]"),
    _rule(
        r"(?<![\w.])(?:\+\d{1,3}[\s.-]?)?(?:\(\d{2,4}\)\s?|\d{2,4}[\s.-])\d{3,4}[\s.-]\d{3,4}(?![\w.]*\d)"
        rf"(?!{_UNIT})",
        "[phone]",
    ),
    _rule(rf"(?<![\w.-])\d{{3}}[-.]\d{{4}}(?!\d)(?!{_UNIT})", "[phone]"),
    _rule(rf"(?<![A-Za-z])({_CALLS}\s*[:：#]?\s*)\+?\d[\d\s-]{{2,}}\d(?!{_UNIT})(?!\s*x\b)", r"\1[phone]", re.I),
    _rule(rf"\b\d{{1,5}}[A-Za-z]?,?\s+(?:[A-Z][A-Za-z'’]+\s+){{1,3}}{_STREET}\b\.?", "[address]"),
    _rule(r"\bP\.?\s?O\.?\s+Box\s+\w+", "[address]", re.I),
    _rule(r"\b(?:Flat|Apt|Apartment|Suite)\.?\s+(?:No\.?\s*)?\d+[A-Za-z]?\b", "[address]", re.I),
    _rule(rf"\b{_POSTCODE}\b", "[postcode]"),
    _rule(
        r"((?:住址|地址|家住|现住址?|户籍(?:地址?)?|籍贯|工作单位)\s*[:：]?\s*)(?!\[)[^，。；,;：:\s\[\]]{2,}",
        r"\1[address]",
    ),
    _rule(
        rf"(?:{_HAN}{{2,8}}?[省市区县镇乡])*{_HAN}{{1,8}}(?:路|街|大道|巷|弄|胡同)\s*\d+(?:号楼|号院|号)?(?:{_ROOM})*\d*",
        "[address]",
    ),
    _rule(rf"{_HAN}{{2,8}}(?:小区|花园|新村|社区|公寓|大厦|家园|花苑|苑|村|镇|家属院)(?:{_ROOM}){{1,4}}", "[address]"),
    _rule(rf"(?:{_HAN}{{2,3}}省)?{_HAN}{{2,4}}市{_HAN}{{1,4}}[区县镇]", "[address]"),
    _rule(
        r"\b(?:[A-Z][\w'’.-]*\s+){1,4}(?i:Hospital|Clinic|Infirmary|Hospice|(?:Medical|Health|Cancer)\s+Cent(?:er|re)|"
        r"Nursing\s+Home|General\s+Practice)\b",
        "[place]",
    ),
    _rule(
        rf"(?:(?!上级|外地|当地|专科|其他|相关|我院|本院|外院){_HAN}){{2,10}}(?<!上级)(?:医院|诊所|卫生院|保健院|疗养院|养老院)",
        "[place]",
    ),
    _rule(r"(?<![A-Za-z0-9.])[A-Za-z]{0,4}-?\d{5,}[A-Za-z0-9]*(?:-\d+)*", "[number]"),
)
_PEOPLE: Rules = (
    _rule(rf"(?<![{_LETTER}])[{_LETTER}'’-]{{2,}}(?:\^[{_LETTER}'’.-]*)+", "[name]"),
    _rule(rf"\b((?:Dr|Drs|Mr|Mrs|Ms|Miss|Prof|Professor|Doctor|Sister|Nurse|Sir|Dame)\b\.?[ \t]+){_NAMES}", _signed),
    _rule(
        rf"\b((?:DRS?|MRS?|MS|MISS|PROF|PROFESSOR|DOCTOR|NURSE)\b\.?[ \t]+){_CAPITALS}(?:[ \t]+{_CAPITALS}){{0,3}}",
        _signed,
    ),
    _rule(rf"(?<![A-Za-z])((?:dr|mr|mrs|ms|prof)\.?[ \t]+){_NOBODY}[a-z]{{2,}}(?:-[a-z]+)?", _signed),
    _rule(
        rf"\b((?i:{_DOES}|{_ROLE}|{_SIGNED})\s*[:：]?[ \t]+{_TITLE}){_SOMEBODY}[ ,][ \t]*{_PARTICLES}{_SOMEBODY}"
        rf"(?:[ \t]+{_SOMEBODY}){{0,2}}",
        _signed,
    ),
    _rule(rf"\b((?i:{_ROLE}|{_SIGNED})\s*[:：][ \t]*){_NOBODY}{_NAMES}", _signed),
    _rule(
        rf"\b((?i:{_KIN}),?[ \t]+(?:called[ \t]+|named[ \t]+)?)(?-i:{_SOMEBODY})(?:[ \t]+{_SOMEBODY}){{0,2}}", _signed
    ),
    _rule(rf"\b{_NAMES}(?=,?[ \t]+(?:M\.?D\b|MBBS|FRCR|D\.?O\b|Ph\.?D\b|R\.?N\b))", "[name]"),
    _rule(
        rf"({_ZH_CALLED}\s*[:：]\s*){_HAN}{{2,4}}?(?=\s*(?:[^\u4e00-\u9fff]|$|性别|年龄|审|签|报告|男|女|于))", _signed
    ),
    _rule(rf"({_ZH_CALLED}\s*[:：]\s*)(?:{_ZH_NAME}|{_HAN}{{2,3}}(?!{_HAN}))", _signed),
    _rule(rf"({_ZH_CALLED}\s?){_ZH_NAME}(?=\s*[，,、（(]?\s*(?:男|女|\d{{1,3}}岁))", _signed),
    _rule(rf"{_ZH_SURE}(?={_ZH_TITLE})|[{CHINESE_SURNAMES}](?={_ZH_TITLE})", "[name]"),
    _rule(rf"({_ZH_CALLED}\s?){_ZH_SURE}{_ZH_AFTER}", _signed),
)
_RULES: Rules = (*_NUMBERS, *_DATES, *_PLACES, *_PEOPLE)


def scrub(text: str) -> str:
    """Return `text` with what could name a person replaced by its kind in brackets.

    Replaced: dates and times, e-mail, web and network addresses, handles, phone numbers, numbers of five digits or
    more, numbers after MRN and the like, UIDs, names after titles or labels (Dr., MR, Patient, 患者, 医生), postal
    addresses and codes, hospitals, ages over 89. Doing it twice changes nothing more.

    >>> scrub("Seen by Dr. Jane Roe on 2021-03-04: 12 mm nodule at T12, MRN 0042.")
    'Seen by Dr. [name] on [date]: 12 mm nodule at T12, MRN [number].'
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text

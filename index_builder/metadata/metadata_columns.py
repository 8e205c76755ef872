"""What a row of metadata says of a study: what its files cannot name, the usual attributes, and columns of one's own.

Identifiers and free text are no columns: an index names nobody. Values are scrubbed as every text of an index is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from radseek.index_builder.reports.report_columns import identifying_headings
from radseek.index_builder.tables.headings import by_plain_heading, first_heading, plain_heading, shown_headings
from radseek.index_builder.tables.table_rows import clean_cell, identifier
from radseek.retrieval.errors import RadseekError, UsageError
from radseek.retrieval.imaging.body_part import body_part
from radseek.retrieval.imaging.modality import named_modality
from radseek.retrieval.index.catalog.filter_values import meant_values
from radseek.retrieval.index.catalog.where import OWN, own_field
from radseek.retrieval.privacy.allowed_attributes import allow_list
from radseek.retrieval.privacy.scrub import scrub

__all__ = ["MetadataColumns", "StudyMetadata", "metadata_columns"]

_LONGEST: Final = 64  # characters of a value
_MOST: Final = 64  # columns of one's own
_USUAL: Final = {  # headings, as they are compared, of what every study may say of itself
    "modality": ("modality", "00080060", "检查类型", "设备类型", "模态"),
    "body_part": ("bodypart", "bodypartexamined", "00180015", "部位", "检查部位"),
    "sex": ("sex", "gender", "patientsex", "00100040", "性别"),
    "age": ("age", "patientage", "00101010", "年龄"),
    "year": ("year", "studyyear", "studydate", "00080020", "年份"),
    "manufacturer": ("manufacturer", "vendor", "00080070", "厂商"),
    "site": ("site", "hospital", "center", "centre", "institution", "中心", "医院"),
}
_NOBODY: Final = (  # of these a study has its own already, or nobody may have them
    "name", "patientname", "fullname", "patientfullname", "firstname", "lastname", "familyname", "surname", "givenname",
    "nom", "prenom", "nombre", "apellido", "vorname", "nachname", "00100010",
    "姓名", "患者姓名", "病人姓名", "患者名", "名字", "氏名", "이름",
    "birthdate", "dateofbirth", "birthday", "birth", "dob", "patientdob", "patientbirthdate", "00100030",
    "出生日期", "生日", "出生年月",
    "address", "phone", "telephone", "email", "ssn", "nhsnumber", "insurancenumber", "地址", "电话", "身份证号",
    "physician", "referringphysician", "radiologist", "operator", "医生", "报告医生",
)  # fmt: skip
_TEXTS: Final = ("report", "findings", "impression")  # kinds of columns that tables of reports have


@dataclass(frozen=True, slots=True)
class StudyMetadata:
    """What a table says of one study. "" for what it does not say; `attributes` as a catalogue keeps them."""

    patient: str
    modality: str
    body_part: str
    attributes: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class MetadataColumns:
    """The headings of a table: what names the study and the patient, the usual attributes, one's own, those left out.

    `usual`: attribute to heading. `own`: the name under which a column is kept, to its heading.
    """

    study: str
    patient: str
    usual: Mapping[str, str]
    own: Mapping[str, str]
    left_out: tuple[str, ...]

    def wanted(self) -> tuple[str, ...]:
        """Return the headings whose cells are used."""
        return tuple(filter(None, (self.study, self.patient, *self.usual.values(), *self.own.values())))

    def read(self, cells: Mapping[str, str]) -> StudyMetadata:
        """Return what a row says. Raises `UsageError` for a modality or a body part that is none."""
        said = {name: clean_cell(cells.get(heading, "")) for name, heading in self.usual.items()}
        modality = _modality(said.pop("modality", ""))
        part = said.pop("body_part", "")
        if "age" in said:
            said["age"] = said["age"].removesuffix(".0")  # pandas writes whole numbers so where one is missing
        if part and not body_part(part):
            raise UsageError(f"'{part}' is no body part that is known; write for example chest, head or abdomen")
        usual = allow_list(
            {**said, "sex": _sex(said.get("sex", "")), "modality": modality, "body_part": body_part(part)}
        )
        own = {OWN + name: scrub(clean_cell(cells.get(heading, "")))[:_LONGEST] for name, heading in self.own.items()}
        patient = identifier(cells.get(self.patient, "")) if self.patient else ""
        kept = usual | {name: value for name, value in own.items() if value}
        return StudyMetadata(patient, modality, body_part(part), kept)


def metadata_columns(headings: Sequence[str], study_column: str | None = None) -> MetadataColumns:
    """Return what a table's columns are. `study_column`: the heading that the user named.

    Raises `UsageError` where no column names the study, or there are too many columns of one's own.
    """
    by_plain = by_plain_heading(headings)
    plain = plain_heading(study_column or "")
    study = study_column if study_column in headings else by_plain.get(plain, "") if plain else ""
    study = study or ("" if study_column else first_heading(by_plain, identifying_headings("study")))
    if not study:
        named = f"has no column '{study_column}'" if study_column else "has no column 'study'"
        raise UsageError(f"{named}; {shown_headings(headings)}; say which names studies, with --study-column NAME")
    patient = first_heading(by_plain, identifying_headings("patient"))
    usual = {name: heading for name, names in _USUAL.items() if (heading := first_heading(by_plain, names))}
    usual = {name: heading for name, heading in usual.items() if heading not in (study, patient)}
    closed = {plain for kind in ("study", "patient", *_TEXTS) for plain in identifying_headings(kind)} | set(_NOBODY)
    # A second heading of a usual attribute would keep what the first is read for: ages over 89, names of hospitals.
    closed |= {plain for names in _USUAL.values() for plain in names}
    rest = [one for one in dict.fromkeys(headings) if one not in (study, patient, *usual.values()) and own_field(one)]
    own = {own_field(one): one for one in reversed(rest) if plain_heading(one) not in closed}
    if len(own) > _MOST:
        raise UsageError(
            f"has {len(own)} columns of its own, and {_MOST} are kept; leave out those nobody will ask for"
        )
    left_out = tuple(one for one in rest if plain_heading(one) in closed)
    return MetadataColumns(study, patient, usual, dict(sorted(own.items())), left_out)


def _modality(text: str) -> str:
    """Return a modality by any of its usual names; of several that a name may mean (X-ray), DICOM's first."""
    if not text:
        return ""
    try:
        return named_modality(text)
    except RadseekError:
        meant = meant_values("modality", text)
        return named_modality("DX" if "dx" in meant else meant[0])


def _sex(text: str) -> str:
    return meant_values("sex", text)[0].upper() if text else ""

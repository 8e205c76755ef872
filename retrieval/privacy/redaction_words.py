"""Words for the rules of redaction: Chinese surnames, and what follows a title or a label and names nobody."""

from __future__ import annotations

from typing import Final

__all__ = ["CAPITALS_THAT_NAME_NOBODY", "CHINESE_SURNAMES", "CHINESE_THAT_NAMES_NOBODY", "DOUBLE_SURNAMES"]

CHINESE_SURNAMES: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹"
    "孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施牛樊葛邢安齐庄聂章鲁伍庞殷阎翟俞文乔关管柳倪裴岳耿詹霍骆欧兰柯古"
    "張劉陳楊黃趙吳孫馬羅鄭謝許韓馮鄧蕭葉蘇呂盧鐘譚陸範賈韋鄒閆賀顧龔錢嚴湯溫莊聶魯龐閻蘭"
)
DOUBLE_SURNAMES: Final = (
    *("欧阳", "司马", "诸葛", "上官", "慕容", "皇甫", "东方", "尉迟", "司徒", "夏侯", "令狐", "公孙", "长孙", "宇文"),
    *("歐陽", "司馬", "諸葛", "東方", "尉遲", "夏侯", "長孫"),
)
# Behind "患者" and the like, beginning with a character that is also a surname.
CHINESE_THAT_NAMES_NOBODY: Final = (
    *(
        "于",
        "曾",
        "向",
        "高[血龄热烧脂度位处]",
        "黄疸",
        "白[血内天细]",
        "金属",
        "石[膏棉]",
        "严重",
        "任[何一]",
        "安[静装排]",
        "常规",
    ),
    *(
        "余[未处无者肺]",
        "方[便向法才]",
        "万一",
        "包[块括]",
        "毛[刺细]",
        "孔",
        "龙骨",
        "江",
        "叶",
        "段",
        "汤",
        "牛",
        "文[献化]",
        "关[节于]",
    ),
    *(
        "管[腔状]",
        "古",
        "兰尾",
        "马上",
        "何[时种]",
        "温[度和]",
        "康复",
        "施[行术]",
        "钟",
        "雷诺",
        "胡言",
        "章",
        "史",
        "武",
        "贺",
        "田",
    ),
)
# Behind MR, DR, MS, PATIENT and the like, in capitals or lower case: what is scanned and how, and what a sentence
# goes on with.
_NOBODY: Final = """
a about above abdomen abdominal absent acute additional after again all also an and angio angiogram angiography ankle
any ap appears are arm arthrogram arthrography artery as at aware back be because been before being bilateral body
bone both bowel brain breast brought but by calf came can cannot cardiac care case cervical cholangiogram chest
chronic clinical clinically coil compatible complains comparison conditional consent contrast coronal could ct dated
dated declined demonstrated demonstrates denies diffusion discharged disease dob does due during echo elbow
enterography even evaluation exam examination examined examinations extremity face facial facility fell femur fetal
film films finding findings finger flair foot for forearm from given gradient had hand has have having head heart held
heel her hip his history hospital humerus iac iam id identification if image images imaging impression in indication
info information initials intervention is it jaw joint knee lateral lead left leg lesion lesions limb limited lived
liver lower lumbar lung lungs male mammogram mandible may mediastinum might monitoring motion movement moved mra mrcp
mri mrn must name nasal neck needs new no not noted now number obtained of off old on or orbit orbits other our out
outpatient pa pancreas pelvic pelvis perfusion pet pituitary plaque plaques portable position positioned positioning
post presented presenting presents prior prone prostate protocol radiograph radiographs received recently rectal
rectum referred reports request respiratory respiration results returned right rotated rotation safe safety sacrum
sagittal scan scanned scanner scans scheduled sequence sequences serial series sex should shoulder show showed shows
since sinus sinuses skull small soft spectroscopy spine sponge stable states status studies study suffered supine
survey symptoms syndrome system t1 t2 technique temporal than that the their then there these thigh this thoracic
thorax thumb thyroid tibia to toe tolerated transferred transported two type under underwent unsafe upper upright
urography us use venogram venography view views volume was weight were when where which while who whole will with
without would wrist xr xray year years your xxxx effusion effusions pneumothorax nodule mass opacity edema normal
clear unremarkable
"""
CAPITALS_THAT_NAME_NOBODY: Final = tuple(_NOBODY.split())

"""How mail servers say in other languages than English that a mailbox is not there, or full."""

import re
from typing import NamedTuple


class Language(NamedTuple):
    """`names` is what they call a mailbox or its owner; then what they say of it. `between` stands between the two."""

    names: str
    gone: str
    full: str
    between: str = r" (?:\S{1,40} ){0,7}(?:[ld]['’])?"

    def says(self, what: str) -> str:
        """A pattern for a sentence that says so of a mailbox, in this or the reverse order."""
        return rf"\b(?:{self.names}){self.between}(?:{what})|\b(?:{what}){self.between}(?:{self.names})\b"


_CHINESE_OR_JAPANESE = r"[^。\n]{0,80}?"

LANGUAGES = (
    Language(  # German
        r"empf(?:ä|ae)nger(?:adresse)?|benutzer|adresse|e-?mail-?adresse|adressat|postfach|mailbox|konto|speicher\w*",
        r"unbekannt(?:e[rn]?)?|existiert nicht|nicht gefunden|nicht vorhanden|ung(?:ü|ue)ltig(?:e[rn]?)?",
        r"(?:über|ueber)?voll|überfüllt|erschöpft|überschritten|quota überschritten",
    ),
    Language(  # French
        r"utilisateur|destinataire|adresse|bo[iî]te|compte|quota",
        r"inconnue?|inexistante?|n['’ ]existe (?:pas|plus)|introuvable|invalide|non valide|n['’]a pas été trouvée?",
        r"pleine?|saturée?|dépassé|depasse|atteint",
    ),
    Language(  # Spanish
        r"usuario|destinatario|direcci[oó]n|cuenta|buz[oó]n|casilla|bandeja|cuota",
        r"desconocid[oa]|inexistente|no existe|no se (?:ha )?encontr\w+|no (?:es )?v[aá]lid[oa]|inv[aá]lid[oa]",
        r"llen[oa]|excedid[oa]|superad[oa]|sin espacio",
    ),
    Language(  # Portuguese
        r"usu[aá]rio|utilizador|destinat[aá]rio|endere[cç]o|conta|caixa|quota|cota",
        r"desconhecid[oa]|inexistente|n[aã]o existe|n[aã]o (?:foi )?encontrad[oa]|inv[aá]lid[oa]",
        r"chei[oa]|lotad[oa]|excedid[oa]|excedeu|sem espaço",
    ),
    Language(  # Italian
        r"utente|destinatario|indirizzo|casella|quota",
        r"sconosciut[oa]|inesistente|non (?:esiste|trovat[oa]|valid[oa]|è stat[oa] trovat[oa])|impossibile trovare",
        r"pien[oa]|esaurit[oa]|superat[oa]",
    ),
    Language(  # Dutch
        r"gebruiker|geadresseerde|ontvanger|adres|e-?mailadres|postvak|postbus|mailbox",
        r"onbekend|bestaat niet|niet gevonden|ongeldig",
        r"vol|overvol",
    ),
    Language(  # Polish
        r"użytkownik|uzytkownik|odbiorca|adres|konto|skrzynk\w+",
        r"nieznan[yae]|nie istnieje|nie (?:został[ao]? )?znalezion[oya]|nieprawidłow[ya]",
        r"pełn[ay]|pelna|przepełnion\w+|przekroczon[ya]",
    ),
    Language(  # Russian
        r"пользовател\w+|получател\w+|адрес\w*|ящик\w*",
        r"не (?:существует|найден\w*)|неизвест\w+|неверн\w+",
        r"переполнен\w*|заполнен\w*",
    ),
    Language(  # Japanese
        r"宛先|メールアドレス|アドレス|ユーザ|メールボックス|容量|保存",
        r"見つかりません|みつかりません|見つからない|存在しません|存在しない|不明です|間違って|誤り|ありません",
        r"一杯|いっぱい|満杯|超え|オーバー|超過",
        _CHINESE_OR_JAPANESE,
    ),
    Language(  # Chinese
        r"用户|用戶|收件人|收件者|邮箱|郵箱|信箱|地址|帐号|帳號|账号|容量|空间|空間",
        r"不存在|不正确|无效|無效|未找到|找不到|错误|錯誤",
        r"已满|已滿|超出|不足",
        r"[^。\n]{0,10}?",
    ),
)


def pattern_of(what: str) -> re.Pattern[str]:
    """A pattern for the sentences of all languages that say that of a mailbox: `gone` or `full`."""
    return re.compile("|".join(each.says(getattr(each, what)) for each in LANGUAGES), re.IGNORECASE)

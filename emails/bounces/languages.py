"""How mail servers say in other languages than English that a mailbox is not there, or full. All is in lower case."""

import re
from typing import NamedTuple

from emails.bounces.patterns import without_dotless


class Language(NamedTuple):
    """`names` is what they call a mailbox or its owner; then what they say of it. `between` stands between the two."""

    names: str
    gone: str
    full: str
    between: str = r" (?:\S{0,39}[^\s.!?] ){0,7}(?:[ld]['’])?"
    edge: str = r"\b"
    """What stands around words; nothing where they are not divided."""

    def says(self, what: str) -> str:
        """A pattern, from the edge of a word on, for a sentence that says so of a mailbox, in this or the reverse
        order."""
        return f"(?:{self.names}){self.between}(?:{what})|(?:{what}){self.between}(?:{self.names}){self.edge}"


_IN_BRACKETS = r"(?:[（(<\[][^（）()<>\n]{0,80}[）)>\]])?"

LANGUAGES = (
    Language(  # German
        r"empf(?:ä|ae)nger(?:adresse)?|benutzer|adresse|e-?mail-?adresse|adressat|postfach|mailbox|konto|speicher\w*",
        r"unbekannt(?:e[rn]?)?|existiert nicht|nicht (?:gefunden|vorhanden|bekannt)|ung(?:ü|ue)ltig(?:e[rn]?)?|"
        r"gibt kein(?:en|e)?",
        r"(?:über|ueber)?voll|überfüllt|erschöpft|überschritten|maximale größe",
    ),
    Language(  # French
        r"utilisateur|destinataire|adresse|bo[iî]te|compte|quota",
        r"inconnue?|inexistante?|n['’ ]existe (?:pas|plus)|introuvable|invalide|non valide|n['’]a pas été trouvée?|"
        r"(?:de|à|par) ce nom",
        r"pleine?|saturée?|dépassée?|depasse|atteint",
    ),
    Language(  # Spanish
        r"usuario|destinatario|direcci[oó]n|cuenta|buz[oó]n|casilla|bandeja|cuota",
        r"desconocid[oa]|inexistente|no existe|no se (?:ha )?encontr\w+|no (?:es )?v[aá]lid[oa]|inv[aá]lid[oa]",
        r"llen[oa]|excedid[oa]|superad[oa]|agotad[oa]|sin espacio|ha expirado|inactiv[oa]",
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
        r"onbekend|bestaat niet|niet (?:gevonden|bekend)|ongeldig",
        r"vol|overvol",
    ),
    Language(  # Polish
        r"użytkownika?|uzytkownika?|odbiorc[ay]|adresat\w?|adresu?|kont[oa]|skrzynk\w+",
        r"nieznan[yae]|nie istnieje|nie (?:został[ao]? )?znalezion[oya]|nieprawidłow[ya]|nie ma (?:takiego|takiej)",
        r"pełn[ay]|pelna|przepełnion\w+|przekroczon[ya]",
    ),
    Language(  # Russian
        r"пользовател\w+|получател\w+|адрес\w*|ящик\w*",
        r"не (?:существует|найден\w*)|неизвест\w+|неверн\w+|нет так(?:ого|ой)",
        r"переполнен\w*|заполнен\w*",
    ),
    Language(  # Japanese
        r"宛先|メールアドレス|アドレス|ユーザ|メールボックス|容量|保存",
        r"[見み]つかりません|見つから(?:ない|ず)|存在し(?:ません|ない)|存在せず|不明です|間違って|誤り|ありません",
        r"一杯|いっぱい|満杯|超え|オーバー|超過",
        rf"{_IN_BRACKETS}[^。\n]{{0,80}}?",
        "",
    ),
    Language(  # Chinese
        r"用户|用戶|收件人|收件者|邮箱|郵箱|信箱|地址|帐号|帳號|账号|容量|空间|空間",
        r"不存在|不正确|无效|無效|未找到|找不到|错误|錯誤",
        r"已满|已滿|超出|不足",
        rf"{_IN_BRACKETS}[^。\n]{{0,10}}?",
        "",
    ),
    Language(  # Korean
        r"사용자|수신자|받는 ?사람|메일 ?주소|메일함|편지함|계정",
        r"존재하지 ?않|찾을 ?수 ?없|알 ?수 ?없는|잘못된|잘못되었",
        r"초과|가득|부족",
        rf"{_IN_BRACKETS}[^.\n]{{0,20}}?",
        "",
    ),
    Language(  # Swedish
        r"mottagarens?|användaren|adressen|inkorg(?:en)?|brevlådan|kontot",
        r"okänd|finns inte|existerar inte|hittades inte|ogiltig",
        r"full|överskrid\w+",
    ),
    Language(  # Danish and Norwegian
        r"modtagerens?|mottakerens?|brugeren|brukeren|adressen|postkassen?|innboksen|indbakken|kontoen",
        r"uken[dt]t|ukjent|fin[dn]es ikke|eksisterer ikke|ikke (?:fundet|funnet)|ugyldig",
        r"fuld|full|overskredet",
    ),
    Language(  # Finnish
        r"vastaanottaja\w*|käyttäjä\w*|osoite\w*|postilaatik\w+",
        r"tuntematon|ei löydy|ei ole olemassa|virheellinen",
        r"täynnä",
    ),
    Language(  # Czech and Slovak
        r"uživatel\w*|používateľ\w*|příjemc\w+|príjemc\w+|adresa|schránka|účet",
        r"neexistuje|neznám[áýy]|nebyl[ao]? nalezen[ao]?|nenalezen[ao]?|neplatn[áý]",
        r"pln[áýa]|přeplněn[áý]|překročen[ao]?",
    ),
    Language(  # Hungarian
        r"címzett|felhasználó|cím|postafiók\w*|postaláda",
        r"nem létezik|ismeretlen|nem található|érvénytelen",
        r"megtelt|betelt",
    ),
    Language(  # Romanian
        r"utilizatorul|destinatarul|adresa|căsuța|contul",
        r"necunoscută?|nu există|nu a fost găsită?|invalidă?",
        r"plină?|depășită?",
    ),
    Language(  # Turkish
        r"kullanıcı|alıcı(?:nın)?|adresi?|posta kutusu|hesap",
        r"bulunamadı|mevcut değil|bilinmiyor|geçersiz",
        r"dolu|dolmuş|aşıldı",
    ),
    Language(  # Ukrainian
        r"користувача?|одержувача?|адрес\w*|скриньк\w+",
        r"не існує|не знайден\w+|невідом\w+",
        r"переповнен\w*|заповнен\w*",
    ),
)


_SENDERS = (
    r"absender|expéditeur|émetteur|emetteur|expediteur|remitente|remetente|mittente|afzender|nadawc|отправител|"
    r"відправник|avsändar|avsender|afsender|lähettäj|odesílatel|odosielateľ|feladó|expeditorul|gönderen|"
    r"送信者|差出人|送信元|发件人|發件人|寄件者|寄件人|发信人|발신자|보낸 ?사람"
)


def of_sender() -> re.Pattern[str]:
    """A pattern for the sentences of all languages that say of the sender's address that it is not there."""
    gone = "|".join(each.gone for each in LANGUAGES)
    near = r"[^.。\n]{0,40}?"
    return re.compile(without_dotless(rf"(?:{_SENDERS}){near}(?:{gone})|(?:{gone}){near}(?:{_SENDERS})"))


def pattern_of(what: str) -> re.Pattern[str]:
    """A pattern for the sentences of all languages that say that of a mailbox, `gone` or `full`, in folded text. The
    edge of a word is looked for once and not by each language, which halves the time."""
    of_edge = {edge: [each for each in LANGUAGES if each.edge == edge] for edge in (r"\b", "")}
    said = {edge: "|".join(each.says(getattr(each, what)) for each in those) for edge, those in of_edge.items()}
    return re.compile(without_dotless("|".join(f"{edge}(?:{sentences})" for edge, sentences in said.items())))

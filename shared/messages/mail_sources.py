"""The parts of a mail, and phrases that several mails share. Every text is there in English, Spanish and Portuguese.

A new mail is one entry of a `mail_sources_…` module. `$name` stands for a parameter, whose name also says
how it is written (shared/messages/wording.py): amounts, numbers and times follow the language. No subject holds a code
or a text that a member has typed: subjects are headers, and are shown on locked screens.
"""

from dataclasses import dataclass
from string import Template

from shared.messages.notices import NOTICES

Text = tuple[str, str, str]  # English, Spanish, Portuguese, as in LANGUAGES

NOTHING: Text = ("", "", "")
HELLO: Text = ("Hello $name,", "Hola, $name:", "Olá, $name,")
NOT_YOU: Text = (
    "If that was not you, ignore this mail: nothing changes without the code.",
    "Si no fuiste tú, ignora este correo: nada cambia sin el código.",
    "Se não foi você, ignore este e-mail: nada muda sem o código.",
)
TAKE_CARE: Text = (
    "If that was not you, change your password now and write to support@blakjaks.com.",
    "Si no fuiste tú, cambia tu contraseña ahora y escribe a support@blakjaks.com.",
    "Se não foi você, mude sua senha agora e escreva para support@blakjaks.com.",
)
CODE: Text = ("$code", "$code", "$code")
CODE_SUBJECT: Text = ("Your BlakJaks code", "Tu código de BlakJaks", "Seu código da BlakJaks")
MEMBER: Text = (
    "You get this mail because you have a BlakJaks account.",
    "Recibes este correo porque tienes una cuenta de BlakJaks.",
    "Você recebe este e-mail porque tem uma conta na BlakJaks.",
)
OPTIONAL: Text = (
    f"{MEMBER[0]} You can switch such mails off in your settings.",
    f"{MEMBER[1]} Puedes desactivar estos correos en tu configuración.",
    f"{MEMBER[2]} Você pode desativar estes e-mails nas suas configurações.",
)


@dataclass(frozen=True)
class Source:
    """The texts of one mail. `shown` is printed large in the middle: a code, an amount. `after` follows it; `why` is
    the reason for the mail.

    A secret mail contains a code, which no preview shows. Mails to staff are English only.
    """

    subject: Text
    before: tuple[Text, ...]
    shown: Text = NOTHING
    after: tuple[Text, ...] = ()
    why: Text = MEMBER
    is_secret: bool = False
    is_english_only: bool = False

    def parameters(self, place: int = 0) -> frozenset[str]:
        """The names of the parameters, in the language at this place of LANGUAGES."""
        texts = (self.subject, *self.before, self.shown, *self.after, self.why)
        return frozenset(name for text in texts for name in Template(text[place]).get_identifiers())


def title(code: str, end: str = "") -> Text:
    """The title of a notice, for the mail about the same event."""
    found = NOTICES[code]
    return (found.en[0] + end, found.es[0] + end, found.pt[0] + end)


def body(code: str) -> Text:
    """The body of a notice, for the mail about the same event."""
    found = NOTICES[code]
    return (found.en[1], found.es[1], found.pt[1])


def alike(text: str) -> Text:
    """A text that is the same in every language."""
    return (text, text, text)

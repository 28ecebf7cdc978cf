"""The notices about the chat: titles and bodies in English, Spanish and Portuguese (see `notices`)."""

from collections.abc import Mapping

Texts = tuple[str, str, str]

READ_IT = ("Open the chat to read it.", "Abre el chat para leerlo.", "Abra o chat para ler.")
CASE = (
    "Open it to see why, and how to appeal.",
    "Ábrelo para ver el motivo y cómo apelar.",
    "Abra para ver o motivo e como recorrer.",
)

# Of what others have written.
TALK: Mapping[str, tuple[Texts, Texts]] = {
    "chat_mentioned": (
        ("You were mentioned in $channel", "Te mencionaron en $channel", "Mencionaram você em $channel"),
        READ_IT,
    ),
    "chat_replied": (
        ("You got a reply in $channel", "Te respondieron en $channel", "Responderam a você em $channel"),
        READ_IT,
    ),
}
# Of what was done to the member.
CHAT: Mapping[str, tuple[Texts, Texts]] = {
    "message_removed": (
        ("A message of yours was removed", "Se eliminó un mensaje tuyo", "Uma mensagem sua foi removida"),
        (
            "It broke the rules of the chat. If you think that this is a mistake, tell our support.",
            "Incumplía las normas del chat. Si crees que es un error, díselo a nuestro equipo de soporte.",
            "Ela violava as regras do chat. Se acha que foi um engano, fale com o nosso suporte.",
        ),
    ),
    "chat_muted": (
        ("You are muted in the chat", "Estás silenciado en el chat", "Você está silenciado no chat"),
        CASE,
    ),
    "chat_timed_out": (
        (
            "You may not write in the chat for a while",
            "No puedes escribir en el chat por un tiempo",
            "Você não pode escrever no chat por um tempo",
        ),
        CASE,
    ),
    "chat_banned": (
        ("You are banned from the chat", "Tienes prohibido el acceso al chat", "Você foi banido do chat"),
        CASE,
    ),
    "chat_allowed": (
        ("You may write in the chat again", "Ya puedes volver a escribir en el chat", "Você já pode escrever no chat"),
        (
            "What kept you from it was lifted.",
            "Se levantó lo que te lo impedía.",
            "O que impedia você foi retirado.",
        ),
    ),
}

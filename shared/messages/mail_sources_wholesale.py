"""Mails about a wholesale account: each says what people have decided about it."""

from collections.abc import Mapping

from shared.messages.mail_sources import HELLO, Source, Text, alike, title

ASK: Text = (
    "If you have questions, write to support@blakjaks.com.",
    "Si tienes preguntas, escribe a support@blakjaks.com.",
    "Se você tiver dúvidas, escreva para support@blakjaks.com.",
)

WHOLESALE: Mapping[str, Source] = {
    "wholesale_approved": Source(
        title("wholesale_approved"),
        (
            HELLO,
            (
                "we have approved your application for a wholesale account. This is its number:",
                "aprobamos tu solicitud de cuenta mayorista. Este es su número:",
                "aprovamos o seu pedido de conta de atacado. Este é o número dela:",
            ),
        ),
        alike("$number"),
        (
            (
                "When you are signed in, you see the prices for your business.",
                "Cuando inicias sesión, ves los precios para tu empresa.",
                "Quando você entra na sua conta, vê os preços para a sua empresa.",
            ),
            ASK,
        ),
    ),
    "wholesale_rejected": Source(
        title("wholesale_rejected"),
        (
            HELLO,
            (
                "we have read your application for a wholesale account and could not accept it.",
                "leímos tu solicitud de cuenta mayorista y no pudimos aceptarla.",
                "lemos o seu pedido de conta de atacado e não pudemos aceitá-lo.",
            ),
        ),
        after=(
            (
                "You may apply again from $at.",
                "Puedes volver a solicitarla a partir del $at.",
                "Você pode pedir de novo a partir de $at.",
            ),
            ASK,
        ),
    ),
    "wholesale_suspended": Source(
        title("wholesale_suspended"),
        (
            HELLO,
            (
                "for now your wholesale account cannot order anything:",
                "por ahora tu cuenta mayorista no puede hacer pedidos:",
                "por enquanto a sua conta de atacado não pode fazer pedidos:",
            ),
        ),
        alike("$number"),
        (ASK,),
    ),
    "wholesale_activated": Source(
        title("wholesale_activated"),
        (
            HELLO,
            (
                "your wholesale account is open again:",
                "tu cuenta mayorista está abierta de nuevo:",
                "a sua conta de atacado está aberta de novo:",
            ),
        ),
        alike("$number"),
        (ASK,),
    ),
}

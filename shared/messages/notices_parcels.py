"""The notices about an order on its way: titles and bodies in English, Spanish and Portuguese (see `notices`)."""

from collections.abc import Mapping

Texts = tuple[str, str, str]

PARCELS: Mapping[str, tuple[Texts, Texts]] = {
    "order_shipped": (
        (
            "Your order $order_number is on its way",
            "Tu pedido $order_number va en camino",
            "Seu pedido $order_number está a caminho",
        ),
        (
            "The tracking number is $tracking_number ($carrier).",
            "El número de seguimiento es $tracking_number ($carrier).",
            "O número de rastreamento é $tracking_number ($carrier).",
        ),
    ),
    "order_delivered": (
        (
            "Your order $order_number was delivered",
            "Tu pedido $order_number fue entregado",
            "Seu pedido $order_number foi entregue",
        ),
        ("Enjoy it!", "¡Que lo disfrutes!", "Aproveite!"),
    ),
    "order_short": (
        (
            "A part of your order $order_number will not come",
            "Una parte de tu pedido $order_number no llegará",
            "Uma parte do seu pedido $order_number não virá",
        ),
        (
            "Our warehouse does not have it. We pay $amount back.",
            "Nuestro almacén no la tiene. Te devolvemos $amount.",
            "Nosso depósito não a tem. Vamos devolver $amount.",
        ),
    ),
    "order_not_cancelled": (
        (
            "Your order $order_number could not be cancelled",
            "Tu pedido $order_number no se pudo cancelar",
            "Seu pedido $order_number não pôde ser cancelado",
        ),
        (
            "It had left our warehouse already. Our support can tell you more.",
            "Ya había salido de nuestro almacén. Nuestro equipo de soporte puede decirte más.",
            "Ele já tinha saído do nosso depósito. Nosso suporte pode contar mais a você.",
        ),
    ),
}

"""Mails about what was won, paid, withdrawn and ordered, and mails to staff."""

from collections.abc import Mapping

from shared.messages.mail_sources import HELLO, OPTIONAL, TAKE_CARE, Source, Text, alike, body, title

POLYGON: Text = (
    "Look it up on Polygon: https://polygonscan.com/tx/$transaction_hash",
    "Consúltalo en Polygon: https://polygonscan.com/tx/$transaction_hash",
    "Veja na Polygon: https://polygonscan.com/tx/$transaction_hash",
)
STAFF = alike("You get this mail because you work for BlakJaks.")


def _withdrawal(code: str) -> Source:
    return Source(
        title(code),
        (HELLO, title(code, ".")),
        after=(
            body(code),
            (
                "It was to go to $to_address.",
                "Debía ir a $to_address.",
                "Ele deveria ir para $to_address.",
            ),
            ("Look it up on Polygon: $link", "Consúltalo en Polygon: $link", "Veja na Polygon: $link"),
            TAKE_CARE,
        ),
        why=OPTIONAL,
    )


PRIZES: Mapping[str, Source] = {
    "comp_awarded": Source(
        title("comp_won"),
        (
            HELLO,
            (
                "one of your scans has won a comp:",
                "uno de tus escaneos ganó un premio:",
                "uma das suas leituras ganhou um prêmio:",
            ),
        ),
        alike("$amount"),
        (
            (
                "It is on its way to your wallet. If you have not linked one yet, it waits until you do.",
                "Va en camino a tu billetera. Si todavía no vinculaste una, espera hasta que lo hagas.",
                "Está a caminho da sua carteira. Se você ainda não vinculou uma, ele espera até que você o faça.",
            ),
        ),
        OPTIONAL,
    ),
    "comp_paid": Source(
        title("comp_paid"),
        (
            HELLO,
            (
                "your comp has been paid, and the payment is final:",
                "tu premio fue pagado, y el pago es definitivo:",
                "seu prêmio foi pago, e o pagamento é definitivo:",
            ),
        ),
        alike("$amount USDT"),
        (POLYGON,),
        OPTIONAL,
    ),
    "affiliate_paid": Source(
        title("affiliate_paid"),
        (
            HELLO,
            (
                "what you earned by the members you referred has been paid, and the payment is final:",
                "lo que ganaste por los miembros que recomendaste fue pagado, y el pago es definitivo:",
                "o que você ganhou pelos membros que indicou foi pago, e o pagamento é definitivo:",
            ),
        ),
        alike("$amount USDT"),
        (POLYGON,),
        OPTIONAL,
    ),
    "withdrawal_confirmed": _withdrawal("withdrawal_confirmed"),
    "withdrawal_reverted": _withdrawal("withdrawal_reverted"),
    "withdrawal_replaced": _withdrawal("withdrawal_replaced"),
    "withdrawal_lapsed": _withdrawal("withdrawal_lapsed"),
    "order_receipt": Source(
        (
            "Receipt of your order $order_number",
            "Recibo de tu pedido $order_number",
            "Recibo do seu pedido $order_number",
        ),
        (
            HELLO,
            (
                "thank you! Your order is paid, and it will be packed next.",
                "¡gracias! Tu pedido está pagado y enseguida lo prepararemos.",
                "agradecemos! Seu pedido está pago e em seguida vamos prepará-lo.",
            ),
        ),
        alike("$total"),
        (
            (
                "Order $order_number: $items. Shipping $shipping, sales tax $tax.",
                "Pedido $order_number: $items. Envío $shipping, impuesto sobre las ventas $tax.",
                "Pedido $order_number: $items. Frete $shipping, imposto sobre vendas $tax.",
            ),
        ),
    ),
    "order_refund": Source(
        (
            "Refund of your order $order_number",
            "Reembolso de tu pedido $order_number",
            "Reembolso do seu pedido $order_number",
        ),
        (
            HELLO,
            (
                "we are paying you back, in the way in which you have paid:",
                "te devolvemos, por el mismo medio con el que pagaste:",
                "estamos devolvendo a você, pelo mesmo meio com que pagou:",
            ),
        ),
        alike("$total"),
        (
            (
                "Order $order_number: goods $goods, shipping $shipping, sales tax $tax.",
                "Pedido $order_number: productos $goods, envío $shipping, impuesto sobre las ventas $tax.",
                "Pedido $order_number: produtos $goods, frete $shipping, imposto sobre vendas $tax.",
            ),
        ),
    ),
    "order_shipped": Source(
        (
            "Your order $order_number is on its way",
            "Tu pedido $order_number va en camino",
            "Seu pedido $order_number está a caminho",
        ),
        (
            HELLO,
            (
                "your order has left our house. Its tracking number is:",
                "tu pedido salió de nuestro almacén. Su número de seguimiento es:",
                "seu pedido saiu do nosso depósito. O número de rastreamento é:",
            ),
        ),
        alike("$tracking_number"),
        (
            (
                "It goes with $carrier, and this is in it: $items.",
                "Viaja con $carrier y contiene: $items.",
                "Ele vai com $carrier e contém: $items.",
            ),
        ),
        why=OPTIONAL,
    ),
    "order_delivered": Source(
        (
            "Your order $order_number was delivered",
            "Tu pedido $order_number fue entregado",
            "Seu pedido $order_number foi entregue",
        ),
        (
            HELLO,
            (
                "your order has arrived. Enjoy it!",
                "tu pedido llegó. ¡Que lo disfrutes!",
                "seu pedido chegou. Aproveite!",
            ),
        ),
        why=OPTIONAL,
    ),
    "casino_won": Source(
        (
            "Your casino package is waiting",
            "Tu paquete de casino te espera",
            "Seu pacote de cassino está esperando por você",
        ),
        (
            HELLO,
            (
                "you have won a casino package worth",
                "ganaste un paquete de casino con un valor de",
                "você ganhou um pacote de cassino no valor de",
            ),
        ),
        ("about $value", "unos $value", "cerca de $value"),
        (
            ("What is in it: $package.", "Incluye: $package.", "Ele inclui: $package."),
            (
                "The free play is paid to your wallet by itself.",
                "El dinero para jugar se paga solo a tu billetera.",
                "O dinheiro para jogar é pago automaticamente na sua carteira.",
            ),
            (
                "To book the rest, answer this mail with two dates that suit you, and name this number: $comp_id.",
                (
                    "Para reservar lo demás, responde este correo con dos fechas que te convengan y menciona este"
                    " número: $comp_id."
                ),
                (
                    "Para reservar o restante, responda a este e-mail com duas datas que sirvam para você e informe"
                    " este número: $comp_id."
                ),
            ),
        ),
    ),
    "trip_chosen": Source(
        alike("A trip was chosen: $destination"),
        (alike("$name ($member_id) has won a trip and chosen:"),),
        alike("$destination"),
        (
            alike("It is worth $value."),
            alike("Mail: $email. Phone: $phone. Number: $comp_id."),
            alike("Please call within two days, and note it in the admin portal."),
        ),
        STAFF,
        is_english_only=True,
    ),
    "sunset_step": Source(
        alike("The volume has come nearer to the end of the affiliate program"),
        (alike("The volume is $volume tins a month, which is $percent % of what closes the affiliate program."),),
        after=(alike("What happens then is in docs/affiliates.md, under Sunset."),),
        why=STAFF,
        is_english_only=True,
    ),
    "program_closed": Source(
        alike("The affiliate program has closed"),
        (alike("The volume was reached on enough days in a row: the affiliate program closed at $closed_at."),),
        after=(alike("What this changes is in docs/affiliates.md, under Sunset."),),
        why=STAFF,
        is_english_only=True,
    ),
    "shop_notice": Source(
        alike("$subject"),
        (alike("$what"),),
        after=(alike("What to do: $remedy"), alike("How stock is kept is in docs/shop.md.")),
        why=STAFF,
        is_english_only=True,
    ),
    "treasury_notice": Source(
        alike("$subject"),
        (alike("$what"),),
        after=(alike("What to do: $remedy"), alike("The runbook is docs/treasury.md.")),
        why=STAFF,
        is_english_only=True,
    ),
}

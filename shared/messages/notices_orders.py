"""The notices about an order and its payment: titles and bodies in English, Spanish and Portuguese (see `notices`)."""

from collections.abc import Mapping

Texts = tuple[str, str, str]

ORDER_CANCELLED = (
    "Your order $order_number was cancelled",
    "Tu pedido $order_number fue cancelado",
    "Seu pedido $order_number foi cancelado",
)
ORDER_DECLINED = (
    "The payment of your order $order_number failed",
    "El pago de tu pedido $order_number falló",
    "O pagamento do seu pedido $order_number falhou",
)
PAY_AGAIN = (
    "Pay with another card, and your order goes on.",
    "Paga con otra tarjeta y tu pedido sigue su curso.",
    "Pague com outro cartão e seu pedido continua.",
)
USDT_RETURNED = (
    "We return USDT of your order $order_number",
    "Devolvemos USDT de tu pedido $order_number",
    "Devolvemos USDT do seu pedido $order_number",
)
TO_YOUR_WALLET = (
    "$amount USDT that came for it and were not needed go back to your wallet.",
    "$amount USDT que llegaron y no hacían falta vuelven a tu billetera.",
    "$amount USDT que chegaram e não eram necessários voltam para sua carteira.",
)
AGE_NOT_PROVED = (
    "We could not confirm that you are 21 or older.",
    "No pudimos confirmar que tengas 21 años o más.",
    "Não conseguimos confirmar que você tem 21 anos ou mais.",
)
NOT_CHARGED = ("You were not charged.", "No se te cobró nada.", "Nada foi cobrado de você.")
REFUNDED = ("We have paid your money back.", "Te devolvimos el dinero.", "Devolvemos o seu dinheiro.")

ORDERS: Mapping[str, tuple[Texts, Texts]] = {
    "order_confirmed": (
        (
            "Your order $order_number is confirmed",
            "Tu pedido $order_number está confirmado",
            "Seu pedido $order_number foi confirmado",
        ),
        ("You paid $total.", "Pagaste $total.", "Você pagou $total."),
    ),
    "order_declined": (ORDER_DECLINED, PAY_AGAIN),
    "order_expired": (
        ORDER_CANCELLED,
        ("It was not paid in time.", "No se pagó a tiempo.", "Ele não foi pago a tempo."),
    ),
    "order_age_denied": (ORDER_CANCELLED, AGE_NOT_PROVED),
    "order_cancelled": (ORDER_CANCELLED, NOT_CHARGED),
    "order_refunded": (ORDER_CANCELLED, REFUNDED),
    "order_usdt_returned": (USDT_RETURNED, TO_YOUR_WALLET),
}

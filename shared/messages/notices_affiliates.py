"""The notices about what affiliates earn: titles and bodies in English, Spanish and Portuguese (see `notices`)."""

from collections.abc import Mapping

Texts = tuple[str, str, str]

AFFILIATES: Mapping[str, tuple[Texts, Texts]] = {
    "week_shared": (
        (
            "Your share of the week: $amount",
            "Tu parte de la semana: $amount",
            "Sua parte da semana: $amount",
        ),
        (
            "You see in the app how it was worked out, and when it is paid.",
            "En la aplicación ves cómo se calculó y cuándo se paga.",
            "No aplicativo você vê como ela foi calculada e quando é paga.",
        ),
    ),
    "affiliate_awarded": (
        (
            "You were given $amount!",
            "¡Recibiste $amount!",
            "Você recebeu $amount!",
        ),
        (
            "It is paid with your next weekly payment.",
            "Se paga con tu próximo pago semanal.",
            "É pago com o seu próximo pagamento semanal.",
        ),
    ),
    "affiliate_paid": (
        (
            "$amount USDT for your referrals are in your wallet",
            "$amount USDT por tus recomendaciones ya están en tu billetera",
            "$amount USDT pelas suas indicações já estão na sua carteira",
        ),
        ("The payment is final.", "El pago es definitivo.", "O pagamento é definitivo."),
    ),
    "match_reversed": (
        (
            "A match of $amount is taken back",
            "Se descuenta una parte tuya de $amount",
            "Uma parte sua de $amount será descontada",
        ),
        (
            "The comp that it matched was cancelled. Your next payment is less by it.",
            "Se canceló el premio al que correspondía. Tu próximo pago será menor en ese monto.",
            "O prêmio a que ela correspondia foi cancelado. Seu próximo pagamento será menor nesse valor.",
        ),
    ),
    "vault_expiring": (
        (
            "Vaulted chips that expire soon: $chips",
            "Fichas guardadas que vencen pronto: $chips",
            "Fichas guardadas que vencem em breve: $chips",
        ),
        (
            "They are good until $at, or longer. What you withdraw before counts in its week.",
            "Valen hasta el $at, o más. Las que retires antes cuentan en esa semana.",
            "Elas valem até $at, ou mais. As que você retirar antes contam nessa semana.",
        ),
    ),
}

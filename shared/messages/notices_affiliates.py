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
    "award_cancelled": (
        (
            "An award of $amount was cancelled",
            "Se canceló lo que te habíamos dado: $amount",
            "Foi cancelado o que você tinha recebido: $amount",
        ),
        ("It will not be paid.", "No se pagará.", "Não será pago."),
    ),
    "award_reversed": (
        (
            "An award of $amount is taken back",
            "Se descuenta lo que recibiste: $amount",
            "Será descontado o que você recebeu: $amount",
        ),
        (
            "Your next payment is less by it.",
            "Tu próximo pago será menor en ese monto.",
            "Seu próximo pagamento será menor nesse valor.",
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
# For admins who watch the program's end.
PROGRAM: Mapping[str, tuple[Texts, Texts]] = {
    "sunset_step": (
        (
            "$percent % of the volume that closes the affiliate program",
            "$percent % del volumen que cierra el programa de afiliados",
            "$percent % do volume que encerra o programa de afiliados",
        ),
        (
            "$tins tins are sold a month.",
            "Se venden $tins latas al mes.",
            "São vendidas $tins latas por mês.",
        ),
    ),
    "program_closed": (
        (
            "The affiliate program has closed",
            "El programa de afiliados se cerró",
            "O programa de afiliados foi encerrado",
        ),
        (
            "Shares were locked at $at. Whoever signs up later is no affiliate.",
            "Las partes se fijaron el $at. Quien se registre después no es afiliado.",
            "As partes foram fixadas em $at. Quem se cadastrar depois não é afiliado.",
        ),
    ),
}

"""Sentences that members read beside something else: in the feed, on a receipt, on a prize. Each in every language.

A new line is one entry here. Parameters and codes are as in shared/messages/notices.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One sentence in each language."""

    en: str
    es: str
    pt: str


LINES: Mapping[str, Line] = {
    # Lines of the public feed.
    "someone_won": Line("Someone won $amount!", "¡Alguien ganó $amount!", "Alguém ganhou $amount!"),
    "someone_won_prize": Line("Someone won $prize!", "¡Alguien ganó $prize!", "Alguém ganhou $prize!"),
    "someone_was_paid": Line(
        "$amount USDT paid on Polygon", "$amount USDT pagados en Polygon", "$amount USDT pagos na Polygon"
    ),
    "affiliate_matched": Line(
        "An affiliate earned a match of $amount!",
        "¡Un afiliado ganó una parte de $amount!",
        "Um afiliado ganhou uma parte de $amount!",
    ),
    "affiliates_shared": Line(
        "Affiliates share $amount for their week",
        "Los afiliados se reparten $amount por su semana",
        "Os afiliados dividem $amount pela semana",
    ),
    "wholesale_awarded": Line(
        "A wholesale partner was awarded $amount!",
        "¡Un socio mayorista recibió un premio de $amount!",
        "Um parceiro de atacado recebeu um prêmio de $amount!",
    ),
    # The outcome of a prize, and the reason.
    "won": Line("won", "ganado", "ganho"),
    "higher_prize_won": Line("a higher prize was won", "se ganó un premio mayor", "um prêmio maior foi ganho"),
    "prize_locked": Line(
        "locked until $needed tins per month",
        "bloqueado hasta $needed latas por mes",
        "bloqueado até $needed latas por mês",
    ),
    "tier_needed": Line("needs tier $tier", "requiere el nivel $tier", "exige o nível $tier"),
    # The progress of a locked prize.
    "prize_progress": Line(
        "$tins / $needed tins/month average",
        "$tins / $needed latas al mes en promedio",
        "$tins / $needed latas por mês em média",
    ),
    "prize_unlocks_at": Line(
        "Unlock $comps comps at $needed tins/month",
        "Los premios $comps se desbloquean con $needed latas al mes",
        "Os prêmios $comps são liberados com $needed latas por mês",
    ),
    # The contents of the casino package.
    "casino_suite": Line("2-night Bellagio suite", "Suite en el Bellagio, 2 noches", "Suíte no Bellagio, 2 noites"),
    "casino_free_play": Line("$amount USDT free play", "$amount USDT para jugar", "$amount USDT para jogar"),
    "casino_dining": Line("$amount dining credit", "$amount para restaurantes", "$amount para restaurantes"),
    "casino_host": Line("VIP host services", "Anfitrión VIP", "Anfitrião VIP"),
    "casino_spa": Line("Spa access", "Acceso al spa", "Acesso ao spa"),
    "casino_airfare": Line(
        "Airfare reimbursement up to $amount", "Reembolso de vuelos hasta $amount", "Reembolso de voos até $amount"
    ),
    # The end of a campaign's mail, and the page behind its link.
    "campaign_why": Line(
        "You get this mail because you have a BlakJaks account.",
        "Recibes este correo porque tienes una cuenta de BlakJaks.",
        "Você recebe este e-mail porque tem uma conta na BlakJaks.",
    ),
    "campaign_unsubscribe": Line("Unsubscribe", "Cancelar la suscripción", "Cancelar a inscrição"),
    "unsubscribe_question": Line(
        "Do you want no more news by e-mail? Receipts and mails about your account still come.",
        "¿No quieres más novedades por correo? Los recibos y los correos sobre tu cuenta seguirán llegando.",
        "Não quer mais novidades por e-mail? Os recibos e os e-mails sobre a sua conta continuarão chegando.",
    ),
    "unsubscribed": Line(
        "You get no more news from us by e-mail. You can change that in your settings.",
        "Ya no recibirás novedades nuestras por correo. Puedes cambiarlo en tu configuración.",
        "Você não receberá mais novidades nossas por e-mail. Você pode mudar isso nas suas configurações.",
    ),
}

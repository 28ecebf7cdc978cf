"""The notices that members get in the app and on their devices: title and body, in every language.

A new notice is one entry here, and its code one word of openapi.yaml. `$name` stands for a parameter; its name
determines its kind (`wording`). Codes are stored: a code keeps its meaning and its parameters for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.messages.notices_affiliates import AFFILIATES, PROGRAM
from shared.messages.notices_chat import CHAT, TALK
from shared.messages.notices_orders import ORDERS
from shared.messages.notices_parcels import PARCELS
from shared.messages.notices_streams import STREAMS
from shared.messages.notices_wholesale import WHOLESALE

NoticeType = Literal["system", "social", "comp", "order"]


@dataclass(frozen=True)
class Notice:
    """Title and body in each language; `type` is what members can switch off and on."""

    type: NoticeType
    en: tuple[str, str]
    es: tuple[str, str]
    pt: tuple[str, str]


TO_WALLET = (
    "It is paid to your wallet as soon as one is linked.",
    "Se paga en tu billetera en cuanto haya una vinculada.",
    "É pago na sua carteira assim que houver uma vinculada.",
)
IN_APP = ("It waits for you in the app.", "Te espera en la aplicación.", "Está esperando por você no aplicativo.")
IN_REVIEW = ("It waits for review.", "Está pendiente de revisión.", "Está aguardando revisão.")
FINAL = ("The payment is final.", "El pago es definitivo.", "O pagamento é definitivo.")
ASK_SUPPORT = (
    "Our support can tell you more.",
    "Nuestro equipo de soporte puede decirte más.",
    "Nosso suporte pode contar mais a você.",
)
ONCE = (
    "They are given once per person.",
    "Se dan una sola vez por persona.",
    "Eles são dados uma única vez por pessoa.",
)


def _notice(kind: NoticeType, titles: tuple[str, str, str], bodies: tuple[str, str, str]) -> Notice:
    """A notice from its titles and bodies in English, Spanish and Portuguese."""
    en, es, pt = zip(titles, bodies, strict=True)
    return Notice(kind, en, es, pt)


NOTICES: Mapping[str, Notice] = {
    "comp_won": _notice("comp", ("You won $amount!", "¡Ganaste $amount!", "Você ganhou $amount!"), TO_WALLET),
    "comp_won_in_review": _notice("comp", ("You won $amount!", "¡Ganaste $amount!", "Você ganhou $amount!"), IN_REVIEW),
    "prize_won": _notice("comp", ("You won $prize!", "¡Ganaste $prize!", "Você ganhou $prize!"), IN_APP),
    "prize_won_in_review": _notice("comp", ("You won $prize!", "¡Ganaste $prize!", "Você ganhou $prize!"), IN_REVIEW),
    "comp_approved": _notice(
        "comp",
        ("Your $amount comp was approved", "Tu premio de $amount fue aprobado", "Seu prêmio de $amount foi aprovado"),
        TO_WALLET,
    ),
    "prize_approved": _notice(
        "comp",
        ("Your comp was approved: $prize", "Tu premio fue aprobado: $prize", "Seu prêmio foi aprovado: $prize"),
        IN_APP,
    ),
    "comp_cancelled": _notice(
        "comp",
        (
            "Your $amount comp was cancelled",
            "Tu premio de $amount fue cancelado",
            "Seu prêmio de $amount foi cancelado",
        ),
        ASK_SUPPORT,
    ),
    "prize_cancelled": _notice(
        "comp",
        ("Your comp was cancelled: $prize", "Tu premio fue cancelado: $prize", "Seu prêmio foi cancelado: $prize"),
        ASK_SUPPORT,
    ),
    "comp_paid": _notice(
        "comp",
        (
            "$amount USDT is in your wallet",
            "$amount USDT ya están en tu billetera",
            "$amount USDT já estão na sua carteira",
        ),
        FINAL,
    ),
    "match_earned": _notice(
        "comp",
        ("You earned $amount!", "¡Ganaste $amount!", "Você ganhou $amount!"),
        (
            "A member you referred has won; this is your match.",
            "Un miembro que recomendaste ganó; esta es tu parte.",
            "Um membro que você indicou ganhou; esta é a sua parte.",
        ),
    ),
    "match_cancelled": _notice(
        "comp",
        (
            "A match of $amount was cancelled",
            "Se canceló una parte tuya de $amount",
            "Uma parte sua de $amount foi cancelada",
        ),
        (
            "The comp that it matched was cancelled.",
            "Se canceló el premio al que correspondía.",
            "O prêmio a que ela correspondia foi cancelado.",
        ),
    ),
    "tier_earned": _notice(
        "system",
        ("You are $tier now", "Ahora eres $tier", "Agora você é $tier"),
        (
            "Enjoy it until the quarter ends.",
            "Disfrútalo hasta que termine el trimestre.",
            "Aproveite até o fim do trimestre.",
        ),
    ),
    "tier_earned_for_good": _notice(
        "system",
        ("You are $tier for good", "Eres $tier para siempre", "Você é $tier para sempre"),
        (
            "Your downline has bought $tins tins.",
            "Los miembros que recomendaste han comprado $tins latas.",
            "Os membros que você indicou compraram $tins latas.",
        ),
    ),
    "tier_ended": _notice(
        "system",
        (
            "Your $tier ended with $quarter",
            "Tu nivel $tier terminó con $quarter",
            "Seu nível $tier terminou com $quarter",
        ),
        (
            "$scans scans in a quarter bring it back.",
            "Con $scans escaneos en un trimestre lo recuperas.",
            "Com $scans leituras em um trimestre você o recupera.",
        ),
    ),
    "tier_ended_another_left": _notice(
        "system",
        (
            "Your $tier ended with $quarter",
            "Tu nivel $tier terminó con $quarter",
            "Seu nível $tier terminou com $quarter",
        ),
        (
            "You are $left for good. $scans scans in a quarter bring it back.",
            "Eres $left para siempre. Con $scans escaneos en un trimestre recuperas el otro.",
            "Você é $left para sempre. Com $scans leituras em um trimestre você recupera o outro.",
        ),
    ),
    "tier_set": _notice(
        "system",
        ("Your tier was set to $tier", "Tu nivel ahora es $tier", "Seu nível agora é $tier"),
        (
            "It lasts until the quarter ends.",
            "Dura hasta que termine el trimestre.",
            "Vale até o fim do trimestre.",
        ),
    ),
    "tier_set_for_good": _notice(
        "system",
        ("Your tier was set to $tier", "Tu nivel ahora es $tier", "Seu nível agora é $tier"),
        ("It is yours for good.", "Es tuyo para siempre.", "Ele é seu para sempre."),
    ),
    "tier_set_ended": _notice(
        "system",
        (
            "A tier that was set for you has ended",
            "Terminó un nivel que te habíamos dado",
            "Terminou um nível que tínhamos dado a você",
        ),
        ("You are $tier now.", "Ahora eres $tier.", "Agora você é $tier."),
    ),
    "guarantee_in_review": _notice(
        "comp",
        (
            "Your welcome comps are being checked",
            "Estamos revisando tus premios de bienvenida",
            "Estamos verificando seus prêmios de boas-vindas",
        ),
        (
            "They are given once per person. You hear from us.",
            "Se dan una sola vez por persona. Te avisaremos.",
            "Eles são dados uma única vez por pessoa. Avisaremos você.",
        ),
    ),
    "guarantee_granted": _notice(
        "comp",
        (
            "Your welcome comps have been released",
            "Tus premios de bienvenida fueron liberados",
            "Seus prêmios de boas-vindas foram liberados",
        ),
        ("Thank you for your patience.", "Gracias por tu paciencia.", "Agradecemos a sua paciência."),
    ),
    "guarantee_refused": _notice(
        "comp",
        (
            "There are no welcome comps for this account",
            "No hay premios de bienvenida para esta cuenta",
            "Não há prêmios de boas-vindas para esta conta",
        ),
        ONCE,
    ),
    "withdrawal_confirmed": _notice(
        "comp",
        (
            "Your withdrawal of $amount USDT is complete",
            "Tu retiro de $amount USDT está completo",
            "Seu saque de $amount USDT foi concluído",
        ),
        FINAL,
    ),
    "withdrawal_reverted": _notice(
        "comp",
        (
            "Your withdrawal of $amount USDT did not go through",
            "Tu retiro de $amount USDT no se realizó",
            "Seu saque de $amount USDT não foi realizado",
        ),
        (
            "USDT refused the transfer; the money is still in your wallet.",
            "USDT rechazó la transferencia; el dinero sigue en tu billetera.",
            "O USDT recusou a transferência; o dinheiro continua na sua carteira.",
        ),
    ),
    "withdrawal_replaced": _notice(
        "comp",
        (
            "Your withdrawal of $amount USDT was replaced",
            "Tu retiro de $amount USDT fue reemplazado",
            "Seu saque de $amount USDT foi substituído",
        ),
        (
            "Your wallet's transaction ran, but it does not pay this withdrawal.",
            "La transacción de tu billetera se ejecutó, pero no paga este retiro.",
            "A transação da sua carteira foi executada, mas não paga este saque.",
        ),
    ),
    "withdrawal_lapsed": _notice(
        "comp",
        (
            "Your withdrawal of $amount USDT has not gone through yet",
            "Tu retiro de $amount USDT todavía no se ha realizado",
            "Seu saque de $amount USDT ainda não foi realizado",
        ),
        (
            "We do not send it any more. You can prepare another one, which takes its place.",
            "Ya no lo enviamos. Puedes preparar otro, que ocupa su lugar.",
            "Não o enviamos mais. Você pode preparar outro, que toma o lugar dele.",
        ),
    ),
    "external_deposit": _notice(
        "comp",
        (
            "$amount USDT came into your wallet",
            "Llegaron $amount USDT a tu billetera",
            "Chegaram $amount USDT à sua carteira",
        ),
        (
            "It was not sent by BlakJaks.",
            "No los envió BlakJaks.",
            "Não foram enviados pela BlakJaks.",
        ),
    ),
    "wallet_linked": _notice(
        "system",
        (
            "A wallet was linked to your account",
            "Se vinculó una billetera a tu cuenta",
            "Uma carteira foi vinculada à sua conta",
        ),
        (
            "Comps go to $wallet_address now.",
            "Ahora los premios van a $wallet_address.",
            "Agora os prêmios vão para $wallet_address.",
        ),
    ),
    "wallet_replaced": _notice(
        "system",
        (
            "Another wallet was linked to your account",
            "Se vinculó otra billetera a tu cuenta",
            "Outra carteira foi vinculada à sua conta",
        ),
        (
            "In 24 hours comps begin to go to $wallet_address.",
            "En 24 horas los premios empezarán a ir a $wallet_address.",
            "Em 24 horas os prêmios começarão a ir para $wallet_address.",
        ),
    ),
    "password_changed": _notice(
        "system",
        ("Your password was changed", "Se cambió tu contraseña", "Sua senha foi alterada"),
        (
            "You were signed out everywhere.",
            "Se cerraron todas tus sesiones.",
            "Todas as suas sessões foram encerradas.",
        ),
    ),
    "email_change_asked": _notice(
        "system",
        (
            "Your e-mail address is about to change",
            "Tu dirección de correo está por cambiar",
            "Seu endereço de e-mail está prestes a mudar",
        ),
        (
            "It becomes $email when the code that we mailed there comes back.",
            "Será $email cuando se introduzca el código que enviamos allí.",
            "Ele passa a ser $email quando o código que enviamos para lá for informado.",
        ),
    ),
    "email_changed": _notice(
        "system",
        ("Your e-mail address was changed", "Se cambió tu dirección de correo", "Seu endereço de e-mail foi alterado"),
        (
            "From now on we write to $email.",
            "A partir de ahora escribimos a $email.",
            "A partir de agora escrevemos para $email.",
        ),
    ),
    "second_factor_enabled": _notice(
        "system",
        (
            "Two-factor authentication is on",
            "La verificación en dos pasos está activada",
            "A verificação em duas etapas está ativada",
        ),
        (
            "From now on a sign-in takes a code of your authenticator app.",
            "A partir de ahora, para iniciar sesión hace falta un código de tu aplicación de autenticación.",
            "A partir de agora, para entrar é preciso um código do seu aplicativo autenticador.",
        ),
    ),
    "second_factor_disabled": _notice(
        "system",
        (
            "Two-factor authentication is off",
            "La verificación en dos pasos está desactivada",
            "A verificação em duas etapas está desativada",
        ),
        (
            "From now on your password alone signs in to your account.",
            "A partir de ahora basta tu contraseña para iniciar sesión en tu cuenta.",
            "A partir de agora basta a sua senha para entrar na sua conta.",
        ),
    ),
    "backup_codes_renewed": _notice(
        "system",
        (
            "New backup codes were made",
            "Se crearon códigos de respaldo nuevos",
            "Novos códigos de backup foram criados",
        ),
        (
            "The earlier ones work no longer.",
            "Los anteriores ya no sirven.",
            "Os anteriores não funcionam mais.",
        ),
    ),
    "new_device": _notice(
        "system",
        (
            "Somebody signed in on a new device",
            "Alguien inició sesión en un dispositivo nuevo",
            "Alguém entrou em um dispositivo novo",
        ),
        (
            "$device, from $network, $at.",
            "$device, desde $network, $at.",
            "$device, a partir de $network, $at.",
        ),
    ),
    "picture_refused": _notice(
        "system",
        ("Your picture was refused", "Tu foto fue rechazada", "Sua foto foi recusada"),
        (
            "It shows something that not everybody should see. The picture you had before stays.",
            "Muestra algo que no todo el mundo debería ver. Se queda la foto que tenías antes.",
            "Ela mostra algo que nem todos deveriam ver. A foto que você tinha antes continua.",
        ),
    ),
    "proposal_accepted": _notice(
        "social",
        ("Your proposal was accepted", "Tu propuesta fue aceptada", "Sua proposta foi aceita"),
        (
            "It is being prepared as a vote. You find it under your proposals.",
            "Se está preparando como votación. La encuentras entre tus propuestas.",
            "Ela está sendo preparada como votação. Você a encontra nas suas propostas.",
        ),
    ),
    "proposal_declined": _notice(
        "social",
        ("Your proposal was declined", "Tu propuesta fue rechazada", "Sua proposta foi recusada"),
        (
            "You find the reason under your proposals.",
            "Encuentras el motivo entre tus propuestas.",
            "Você encontra o motivo nas suas propostas.",
        ),
    ),
    "export_ready": _notice(
        "system",
        ("Your data is ready", "Tus datos están listos", "Seus dados estão prontos"),
        (
            "You find it in your profile for seven days.",
            "Los encuentras en tu perfil durante siete días.",
            "Você os encontra no seu perfil durante sete dias.",
        ),
    ),
    "trip_destination_chosen": _notice(
        "comp",
        ("$destination it is!", "¡Elegiste $destination!", "Você escolheu $destination!"),
        (
            "Our concierge will call you to settle the details.",
            "Nuestro conserje te llamará para acordar los detalles.",
            "Nosso concierge ligará para você para combinar os detalhes.",
        ),
    ),
    "trip_chip_mailed": _notice(
        "comp",
        ("Your gold chip is on its way", "Tu ficha de oro va en camino", "Sua ficha de ouro está a caminho"),
        (
            "Its tracking number is $tracking_number.",
            "Su número de seguimiento es $tracking_number.",
            "O número de rastreamento é $tracking_number.",
        ),
    ),
    **{code: _notice("order", titles, bodies) for code, (titles, bodies) in ORDERS.items()},
    **{code: _notice("order", titles, bodies) for code, (titles, bodies) in PARCELS.items()},
    **{code: _notice("social", titles, bodies) for code, (titles, bodies) in STREAMS.items()},
    **{code: _notice("comp", titles, bodies) for code, (titles, bodies) in AFFILIATES.items()},
    **{code: _notice("system", titles, bodies) for code, (titles, bodies) in PROGRAM.items()},
    **{code: _notice("social", titles, bodies) for code, (titles, bodies) in TALK.items()},
    **{code: _notice("system", titles, bodies) for code, (titles, bodies) in CHAT.items()},
    **{code: _notice("system", titles, bodies) for code, (titles, bodies) in WHOLESALE.items()},
}

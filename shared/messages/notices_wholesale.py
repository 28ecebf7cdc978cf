"""The notices about a wholesale account: titles and bodies in English, Spanish and Portuguese (see `notices`)."""

from collections.abc import Mapping

Texts = tuple[str, str, str]

WHOLESALE: Mapping[str, tuple[Texts, Texts]] = {
    "wholesale_approved": (
        (
            "Your wholesale account was approved",
            "Tu cuenta mayorista fue aprobada",
            "Sua conta de atacado foi aprovada",
        ),
        (
            "Your account $number sees its prices now.",
            "Tu cuenta $number ya ve sus precios.",
            "Sua conta $number já vê os preços dela.",
        ),
    ),
    "wholesale_rejected": (
        (
            "Your wholesale application was not accepted",
            "Tu solicitud de cuenta mayorista no fue aceptada",
            "Seu pedido de conta de atacado não foi aceito",
        ),
        (
            "You may apply again from $at.",
            "Puedes volver a solicitarla a partir del $at.",
            "Você pode pedir de novo a partir de $at.",
        ),
    ),
    "wholesale_suspended": (
        (
            "Your wholesale account was suspended",
            "Tu cuenta mayorista fue suspendida",
            "Sua conta de atacado foi suspensa",
        ),
        (
            "Your account $number cannot order for now. Our support can tell you more.",
            "Tu cuenta $number no puede hacer pedidos por ahora. Nuestro equipo de soporte puede decirte más.",
            "Sua conta $number não pode fazer pedidos por enquanto. Nosso suporte pode contar mais a você.",
        ),
    ),
    "wholesale_activated": (
        (
            "Your wholesale account is open again",
            "Tu cuenta mayorista está abierta de nuevo",
            "Sua conta de atacado está aberta de novo",
        ),
        (
            "Your account $number sees its prices again.",
            "Tu cuenta $number vuelve a ver sus precios.",
            "Sua conta $number voltou a ver os preços dela.",
        ),
    ),
    "wholesale_comp_awarded": (
        (
            "Your wholesale account was awarded $amount",
            "Tu cuenta mayorista recibió un premio de $amount",
            "Sua conta de atacado recebeu um prêmio de $amount",
        ),
        (
            "It is paid to your wallet once a second person has approved it.",
            "Se paga en tu billetera cuando una segunda persona lo apruebe.",
            "Ele é pago na sua carteira quando uma segunda pessoa o aprovar.",
        ),
    ),
    "wholesale_webhook_disabled": (
        (
            "Your webhooks are switched off",
            "Tus webhooks están desactivados",
            "Seus webhooks foram desativados",
        ),
        (
            "$host takes no messages about your orders any more. Once it does again, switch them on in your account.",
            "$host ya no recibe mensajes sobre tus pedidos. Cuando vuelva a recibirlos, actívalos en tu cuenta.",
            "$host não recebe mais mensagens sobre seus pedidos. Quando voltar a receber, ative-os na sua conta.",
        ),
    ),
}

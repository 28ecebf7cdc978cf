"""Mails about an account: codes, passwords, addresses, wallets, data, and the account's deletion."""

from collections.abc import Mapping

from shared.messages.mail_sources import CODE, CODE_SUBJECT, HELLO, NOT_YOU, TAKE_CARE, Source, alike, title

ACCOUNT: Mapping[str, Source] = {
    "verify_email": Source(
        CODE_SUBJECT,
        (
            HELLO,
            (
                "welcome! This code proves that the address is yours. It is good for fifteen minutes.",
                (
                    "¡te damos la bienvenida! Este código demuestra que la dirección es tuya. Es válido durante quince"
                    " minutos."
                ),
                "boas-vindas! Este código comprova que o endereço é seu. Ele vale por quinze minutos.",
            ),
        ),
        CODE,
        (NOT_YOU,),
        is_secret=True,
    ),
    "reset_password": Source(
        CODE_SUBJECT,
        (
            HELLO,
            (
                "with this code you choose a new password. It is good for fifteen minutes.",
                "con este código eliges una contraseña nueva. Es válido durante quince minutos.",
                "com este código você escolhe uma nova senha. Ele vale por quinze minutos.",
            ),
        ),
        CODE,
        (NOT_YOU,),
        is_secret=True,
    ),
    "password_changed": Source(
        ("Your password was changed", "Se cambió tu contraseña", "Sua senha foi alterada"),
        (
            HELLO,
            (
                "the password of your account was changed, and you were signed out everywhere.",
                "se cambió la contraseña de tu cuenta y se cerraron todas tus sesiones.",
                "a senha da sua conta foi alterada, e todas as suas sessões foram encerradas.",
            ),
            TAKE_CARE,
        ),
    ),
    "verify_new_email": Source(
        CODE_SUBJECT,
        (
            HELLO,
            (
                "with this code the address becomes that of your account. It is good for fifteen minutes.",
                "con este código la dirección pasa a ser la de tu cuenta. Es válido durante quince minutos.",
                "com este código o endereço passa a ser o da sua conta. Ele vale por quinze minutos.",
            ),
        ),
        CODE,
        (NOT_YOU,),
        (
            "You get this mail because somebody entered this address in their BlakJaks profile.",
            "Recibes este correo porque alguien escribió esta dirección en su perfil de BlakJaks.",
            "Você recebe este e-mail porque alguém informou este endereço no próprio perfil da BlakJaks.",
        ),
        is_secret=True,
    ),
    "email_change_asked": Source(
        (
            "Your e-mail address is about to change",
            "Tu dirección de correo está por cambiar",
            "Seu endereço de e-mail está prestes a mudar",
        ),
        (
            HELLO,
            (
                "somebody who is signed in to your account asked for another e-mail address:",
                "alguien que inició sesión en tu cuenta pidió otra dirección de correo:",
                "alguém com acesso à sua conta pediu outro endereço de e-mail:",
            ),
        ),
        alike("$email"),
        (
            (
                "It changes when the code that we mailed there comes back. Until then this one holds.",
                "Cambia cuando se introduzca el código que enviamos allí. Hasta entonces sigue valiendo esta.",
                "Ele muda quando o código que enviamos para lá for informado. Até então, vale este.",
            ),
            TAKE_CARE,
        ),
    ),
    "email_changed": Source(
        (
            "Your e-mail address was changed",
            "Se cambió tu dirección de correo",
            "Seu endereço de e-mail foi alterado",
        ),
        (
            HELLO,
            (
                "from now on we write to another address:",
                "a partir de ahora escribimos a otra dirección:",
                "a partir de agora escrevemos para outro endereço:",
            ),
        ),
        alike("$email"),
        (TAKE_CARE,),
    ),
    "second_factor_enabled": Source(
        title("second_factor_enabled"),
        (
            HELLO,
            (
                "from now on a sign-in to your account takes a code of your authenticator app.",
                (
                    "a partir de ahora, para iniciar sesión en tu cuenta hace falta un código de tu aplicación de"
                    " autenticación."
                ),
                "a partir de agora, para entrar na sua conta é preciso um código do seu aplicativo autenticador.",
            ),
            TAKE_CARE,
        ),
    ),
    "second_factor_disabled": Source(
        title("second_factor_disabled"),
        (
            HELLO,
            (
                "from now on your password alone signs in to your account.",
                "a partir de ahora basta tu contraseña para iniciar sesión en tu cuenta.",
                "a partir de agora basta a sua senha para entrar na sua conta.",
            ),
            TAKE_CARE,
        ),
    ),
    "backup_codes_renewed": Source(
        title("backup_codes_renewed"),
        (
            HELLO,
            (
                "new backup codes were made for your account; the earlier ones work no longer.",
                "se crearon códigos de respaldo nuevos para tu cuenta; los anteriores ya no sirven.",
                "foram criados novos códigos de backup para a sua conta; os anteriores não funcionam mais.",
            ),
            TAKE_CARE,
        ),
    ),
    "new_device": Source(
        title("new_device"),
        (
            HELLO,
            (
                "somebody signed in to your account on a device that had not signed in before:",
                "alguien inició sesión en tu cuenta en un dispositivo que no lo había hecho antes:",
                "alguém entrou na sua conta em um dispositivo que não tinha entrado antes:",
            ),
        ),
        alike("$device"),
        (
            (
                "It was on $at, from the network $network. You see all your sessions in your profile.",
                "Fue el $at, desde la red $network. Ves todas tus sesiones en tu perfil.",
                "Foi em $at, a partir da rede $network. Você vê todas as suas sessões no seu perfil.",
            ),
            TAKE_CARE,
        ),
    ),
    "wallet_linked": Source(
        title("wallet_linked"),
        (
            HELLO,
            (
                "this wallet was linked to your account on $at; your comps will be paid to it:",
                "esta billetera se vinculó a tu cuenta el $at; tus premios se pagarán a ella:",
                "esta carteira foi vinculada à sua conta em $at; seus prêmios serão pagos nela:",
            ),
        ),
        alike("$wallet_address"),
        (TAKE_CARE,),
    ),
    "wallet_replaced": Source(
        title("wallet_replaced"),
        (
            HELLO,
            (
                "this wallet was linked to your account on $at; your comps will be paid to it:",
                "esta billetera se vinculó a tu cuenta el $at; tus premios se pagarán a ella:",
                "esta carteira foi vinculada à sua conta em $at; seus prêmios serão pagos nela:",
            ),
        ),
        alike("$wallet_address"),
        (
            (
                "It takes the place of another one: the first comps go to it in 24 hours.",
                "Ocupa el lugar de otra: los primeros premios irán a ella en 24 horas.",
                "Ela toma o lugar de outra: os primeiros prêmios irão para ela em 24 horas.",
            ),
            TAKE_CARE,
        ),
    ),
    "export_ready": Source(
        title("export_ready"),
        (
            HELLO,
            (
                "the file with everything we know about you is ready. You find it in your profile for seven days.",
                "el archivo con todo lo que sabemos de ti está listo. Lo encuentras en tu perfil durante siete días.",
                (
                    "o arquivo com tudo o que sabemos sobre você está pronto. Você o encontra no seu perfil durante"
                    " sete dias."
                ),
            ),
        ),
    ),
    "account_deleted": Source(
        ("Your account was deleted", "Tu cuenta fue eliminada", "Sua conta foi excluída"),
        (
            HELLO,
            (
                "your account is closed, and what it knew about you is being removed.",
                "tu cuenta está cerrada, y lo que contenía sobre ti se está eliminando.",
                "sua conta está encerrada, e o que ela continha sobre você está sendo removido.",
            ),
            (
                "What we have to keep (payments, and how many codes were scanned) does not name you.",
                "Lo que debemos conservar (los pagos y cuántos códigos se escanearon) no lleva tu nombre.",
                "O que temos de guardar (os pagamentos e quantos códigos foram lidos) não traz o seu nome.",
            ),
            (
                "This is the last mail that you get from us. Thank you for having been with us.",
                "Este es el último correo que recibes de nosotros. Gracias por habernos acompañado.",
                "Este é o último e-mail que você recebe de nós. Agradecemos por ter estado conosco.",
            ),
        ),
        why=(
            "You get this mail because you had a BlakJaks account.",
            "Recibes este correo porque tenías una cuenta de BlakJaks.",
            "Você recebe este e-mail porque tinha uma conta na BlakJaks.",
        ),
    ),
}

"""The list finds its words however they are written, and innocent ones hold none: English, Spanish, Portuguese."""

import re

import pytest

from shared.social import text, words

REFUSED = {
    "English": ["fuck you", "what the FUCK", "motherfucker", "you cunt", "bullshit!", "such an asshole", "whores"],
    "Spanish": ["hijo de puta", "¡Puta!", "eres un cabrón", "vete a la mierda", "maricón", "pendejos", "gilipollas"],
    "Portuguese": ["vai tomar, caralho", "que merda", "foda-se", "filha da puta", "punheteiro", "viado"],
    "leetspeak": ["sh1t", "$hit", "f4gg0t", "m1erda", "c4r4lh0", "put4", "a$$hole", "b!tch"],
    "look-alikes": ["fυсk", "рutа", "ＭＩＥＲＤＡ", "🅵🆄🅲🅺", "🇫🇺🇨🇰", "ꜱʜɪᴛ", "ćüñt"],
    "one letter for another": ["shlt", "fvck", "sIut"],
    "drawn out": ["fuuuuck", "shiiiiit", "puuuuta", "niggggger", "caraaaalho", "FFFFUUUUCCCCKKKK"],
    "spelled out": ["s h i t", "f.u.c.k", "p-u-t-a", "c_u_n_t", "fu ck", "me rd a", "f 🎉 u 🎉 c 🎉 k", "f\nu\nc\nk"],
    "invisible characters": ["f\u200bu\u200bc\u200bk", "sh\u00adit", "pu\u2060ta", "f\u0336u\u0336c\u0336k\u0336"],
    "beside signs": ["(shit)", "shit,cunt", "oh-shit", "*puta*", "shit\n"],
}
INNOCENT = {
    "English": [
        "Scunthorpe",
        "push it to the limit",
        "who're they, who\u2019re you, and they're here",
        "this hits hard, it's hit or miss",
        "mishit and snigger",
        "Nigeria plays Niger",
        "a shiitake dish with cockles",
        "classic assassin, pass the assessment",
        "an analysis of therapists in Essex and Penistone",
        "put a coin in, put as many as you like",
        "Dick Van Dyke and Kike Hernández",
        "reputation, computation, disputable",
        "flame retardant",
        "F A G are three chords",
        "matsushita, Hitachi, Fukuoka, Fukushima",
        "a twattle and swank matter",
        "scatter the buttercups, cucumber cocktails",
        "he has hit it, as hole in one",
        "prescient niggle, raccoon, tycoon",
        "fad fog fagin flag gauge",
        "I do so if it is up to us or no",
    ],
    "Spanish": [
        "feliz año nuevo, diez años",
        "un cono de helado",
        "la computadora y la reputación de la diputada",
        "disputa, imputar, amputado",
        "un pedo es un pez? no, un peto",
        "la peña y la pena de papá",
        "me gusta el pan de ajo y el culantro",
        "Kike y Paqui van a la porra",
        "el negro gato, la negra noche",
        "cabras, cabritos y un carajillo",
        "a mi me da lo de la tía",
        "maricarmen y el mar rico",
        "el foco, la foca y el focolar",
        "se lo di a tu papa y a mi no",
    ],
    "Portuguese": [
        "o computador e a reputação do deputado",
        "disputar a taça, imputar, amputação",
        "a rapariga comprou um cacete na fila, a bicha é longa",
        "o veado no mato, um viaduto, variado, enviado",
        "caralinda e o carrilhão",
        "o pinto, a cona não, a corna",
        "merendar e emendar",
        "eu fui de metro ao fodelense? não",
        "porra nenhuma",
        "o cu do mundo",
        "fomos à puna, pulga, pata e pita",
        "tu e eu no mar, se te der na cabeça",
    ],
}


def cases(given: dict[str, list[str]]) -> list[str]:
    return [each for kind in given.values() for each in kind]


@pytest.mark.parametrize("given", cases(REFUSED))
def test_a_word_of_the_list_is_found(given: str) -> None:
    assert not text.is_allowed(text.skeleton(given))
    assert not text.is_allowed(text.skeleton(f"so they said {given} and left"))


@pytest.mark.parametrize("given", cases(INNOCENT))
def test_an_innocent_text_holds_none(given: str) -> None:
    assert text.is_allowed(text.skeleton(given))


def test_every_entry_is_letters_once_and_is_found() -> None:
    written = [
        word
        for line in words.LIST.read_text(encoding="ascii").splitlines()
        if not line.startswith("#")
        for word in line.split()
    ]
    assert len(written) == len(set(written)) == len(words.entries()) > 150
    for word in written:
        assert re.fullmatch(r"\*?[a-z]{3,}\*?", word), word
        assert words.are_in(word.strip("*")), word
        assert words.are_in(f"a {word.strip('*').replace('*', '')} z"), word
        assert text.skeleton(word.strip("*")) == word.strip("*")


@pytest.mark.parametrize("given", ["eu vi a do meu pai", "vi a do", "I do a mi"])
def test_short_words_that_follow_each_other_spell_none(given: str) -> None:
    assert text.is_allowed(text.skeleton(given))
    assert not text.is_allowed(text.skeleton("v i a d o"))


def test_repeated_first_letters_take_no_longer() -> None:
    """The pattern of a word begins at the first letter of a run only, and takes nothing back."""
    for entry in words.entries():
        assert entry.pattern.pattern.startswith("(?<!"), entry
        assert "++" not in entry.pattern.pattern
        assert not re.search(r"[^}]\+", entry.pattern.pattern), entry

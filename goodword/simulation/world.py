"""People that nobody is: names, addresses, devices and places, all of them following from a seed.

Addresses are from the ranges set aside for documentation (RFC 5737, RFC 3849), mail domains from reserved names (RFC 2606).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from random import Random

FIRST_NAMES = (
    "Ada Alma Amir Anja Anton Asha Bela Bruno Carla Chidi Clara Dario Dina Edda Elif Emil Enzo Esra Fadi Femi Fiona Greta Hana Hugo Ida "
    "Ines Ivo Jana Jonas Juno Kaito Kemal Lara Leif Lena Levin Lina Luca Mads Maja Malik Marta Mei Mila Milan Nadia Nils Nina Noor Olga "
    "Omar Otto Paula Petra Pia Rafa Rosa Ruben Sami Sara Selma Soren Tarek Theo Tilda Timo Uma Vera Viktor Wanda Yara Yuki Zoe"
).split()
LAST_NAMES = (
    "Abara Adler Almeida Amsel Arslan Bakker Barros Berger Bianchi Blom Bos Brandt Carvalho Castro Cerny Costa Dahl Demir Diallo Dietz "
    "Duarte Ekberg Engel Eriksen Esposito Farkas Ferro Fischer Fonseca Galli Garcia Grau Haas Hansen Haruna Holm Horvat Ito Jansen Jensen "
    "Kaya Keller Kimura Klein Koch Kowal Krause Kuhn Lang Larsen Leclerc Lopez Lund Maas Mancini Marek Mendes Mori Moreau Nagy Nakano "
    "Nielsen Novak Okafor Olsen Ortega Park Pereira Petit Pinto Quist Ramos Reyes Ricci Rojas Romano Roth Ruiz Sato Schmid Silva Sorel "
    "Stein Suzuki Tanaka Torres Vidal Visser Vogel Wagner Weber Wolf Yilmaz Zeman Zhou"
).split()
MAIL_DOMAINS = ("example.com", "example.org", "example.net", "post.example", "letters.example", "inbox.example.net", "mail.example.org")
COMPANIES = ("halden-tools.example", "nordlicht-print.example", "kite-and-co.example", "brook-engineering.example", "ofen-ost.example")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{a}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{a}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{a}.0.0.0 Safari/537.36 Edg/{a}.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{a}.0) Gecko/20100101 Firefox/{a}.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{a}.0) Gecko/20100101 Firefox/{a}.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{b} Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_{b} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.{b} Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{a}.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPad; CPU OS 18_{b} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{b} Mobile/15E148 Safari/604.1",
)
PHONE, TABLET = AGENTS[6], AGENTS[8]
V4_NETS = ("192.0.2", "198.51.100", "203.0.113")
V4_ADDRESSES = 3 * 254
CAST_MAX = 64
"""People of one play; keeps the numbers of plays apart."""


@dataclass
class Device:
    """A browser: what it calls itself, the id analytics.js keeps in it, and the address it is seen at."""

    anonymous_id: str
    agent: str
    ip: str
    clock_off: int = 0
    """Milliseconds that its clock is ahead."""


@dataclass
class Person:
    """Someone, as the shop would know them."""

    number: int
    user_id: str
    email: str
    first_name: str
    last_name: str
    device: Device
    person_id: str = ""
    """The server's number for them, once it was asked for."""


@dataclass
class World:
    """Everybody there is. The same seed makes the same people, play by play, in whatever order the plays run."""

    seed: int
    _names: tuple[int, list[tuple[str, str]]] = field(default=(-1, []))

    def dice(self, *place: object) -> Random:
        """Chance of its own for a place, so that what happens elsewhere changes nothing here."""
        return Random(f"{self.seed} {place}")  # noqa: S311 (a game, not a secret)

    def person(self, play: int, place: int) -> Person:
        """The n-th person of a play. Nobody of one play shares a name or a household with another, unless a story says so."""
        first, last = self._name(play, place)
        dice = self.dice("person", play, place)
        number = play * CAST_MAX + place
        local = dice.choice((f"{first}.{last}", f"{first[0]}.{last}", f"{last}.{first}", f"{first}{last}", f"{first}_{last}")).lower()
        email = f"{local}{_letters(number)}@{dice.choice(MAIL_DOMAINS)}"
        return Person(number, f"c-{self.seed}-{number}", email, first, last, self.device(play, place, 0))

    def device(self, play: int, place: int, which: int) -> Device:
        """The n-th browser of someone, at home."""
        dice = self.dice("device", play, place, which)
        agent = dice.choice(AGENTS).format(a=dice.randint(124, 141), b=dice.randint(0, 6))
        return Device(anonymous_id=self.token("browser", play, place, which), agent=agent, ip=self.address(play, place))

    def address(self, play: int, household: int) -> str:
        """The address of a household: of the old kind for some, and of its own /48 (up to 65,536 households) for the others."""
        if play < V4_ADDRESSES and household == play % 4:
            return f"{V4_NETS[play % 3]}.{play // 3 + 1}"
        number = play * CAST_MAX + household
        return f"2001:db8:{(number * 40503) & 0xFFFF:x}:{number >> 16:x}::{1 + number % 7:x}"

    def token(self, *place: object) -> str:
        """An id as a browser makes them: 36 characters, of hexadecimal digits."""
        raw = hashlib.sha256(repr((self.seed, place)).encode()).hexdigest()
        return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-8{raw[17:20]}-{raw[20:32]}"

    def _name(self, play: int, place: int) -> tuple[str, str]:
        if self._names[0] != play:
            dice = self.dice("names", play)
            cast = zip(dice.sample(FIRST_NAMES, CAST_MAX), dice.sample(LAST_NAMES, CAST_MAX), strict=True)
            self._names = (play, list(cast))
        return self._names[1][place % CAST_MAX]


def _letters(number: int) -> str:
    """A number in letters: so that addresses differ, and not by digits alone."""
    text = ""
    while number:
        number, digit = divmod(number, 20)
        text = "bcdfghjklmnpqrstvwxz"[digit] + text
    return f".{text}" if text else ""

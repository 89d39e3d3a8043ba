"""The people and the figures of Veldkamp & Zonen, a small wholesaler of bicycle parts: rows, before they are stored.

Everything is drawn from one seed through `random()` alone, whose sequence Python promises to keep, so that the same
rows (and the same stored notebooks) come out of every version. The data is as untidy as a real company's: names that
differ only in case, accents or a trailing blank, article numbers with leading zeros, missing e-mail addresses,
customers who never buy.
"""

from __future__ import annotations

import bisect
import datetime
import itertools
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeVar

T = TypeVar("T")

YEAR = 2025
CUSTOMERS, PRODUCTS, INVOICES, TICKETS, EVENTS = 1_200, 400, 8_000, 1_500, 100_000

#: country → share of the customers, currency, what a shop is called there, family names, cities
_COUNTRIES: dict[str, tuple[int, str, Sequence[str], Sequence[str], Sequence[str]]] = {
    "NL": (30, "EUR", ("Fietsen {}", "{} Tweewielers", "De Fietsenmaker {}"),
           ("Jansen", "de Vries", "van den Berg", "Bakker", "Visser", "Smit", "Hoekstra", "Daniëls", "Brouwer"),
           ("Amsterdam", "Utrecht", "Groningen", "Nijmegen", "'s-Hertogenbosch", "Zwolle")),
    "DE": (24, "EUR", ("Radhaus {}", "Zweirad {}", "{} Fahrräder"),
           ("Müller", "Schäfer", "Köhler", "Weiß", "Jäger", "Schröder", "Krüger", "Hoffmann", "Vogel", "Lindström"),
           ("Köln", "Münster", "Freiburg", "Leipzig", "Düsseldorf", "Göttingen")),
    "BE": (12, "EUR", ("Cycles {}", "Fietsatelier {}"),
           ("Peeters", "Maes", "Dubois", "Lambert", "Claes", "Wouters", "Goossens", "Noël"),
           ("Gent", "Liège", "Antwerpen", "Leuven")),
    "FR": (12, "EUR", ("Cycles {}", "Vélos {}", "L'Atelier {}"),
           ("Lefèvre", "Garçon", "Bénard", "Moreau", "Gauthier", "Hervé", "Delaunay", "Françoise"),
           ("Lille", "Nantes", "Besançon", "Orléans", "Grenoble")),
    "DK": (8, "DKK", ("Cykler {}", "{} Cykelværksted"),
           ("Sørensen", "Nørgaard", "Møller", "Ågård", "Holm", "Kjær"), ("København", "Århus", "Ålborg")),
    "ES": (6, "EUR", ("Bicicletas {}", "Ciclos {}"),
           ("Muñoz", "Ibáñez", "García", "Núñez", "Gómez"), ("València", "Gijón", "A Coruña")),
    "PL": (4, "PLN", ("Rowery {}",),
           ("Łukasik", "Wiśniewska", "Żak", "Dąbrowski", "Kowal"), ("Łódź", "Kraków", "Gdańsk")),
    "GB": (4, "GBP", ("{} Bikes", "{} & Sons"),
           ("O'Neill", "Smith", "Wright", "Brontë", "Carter"), ("Leeds", "York", "Bristol")),
}  # fmt: skip

#: category → articles, lowest and highest list price in cents
_RANGE: dict[str, tuple[Sequence[str], int, int]] = {
    "tyres": (("Tyre {}, puncture-proof", "Tyre {}, folding", "Inner tube {}", "Rim tape {}"), 450, 5900),
    "drivetrain": (("Chain {}-speed", "Cassette {}-speed", "Crankset {}-speed", "Derailleur {}-speed"), 1295, 18900),
    "brakes": (("Brake pads {}", "Disc {}", "Brake lever {}", "Cable set {}"), 395, 7450),
    "lights": (("Headlight {}", "Rear light {}", "Hub dynamo {}"), 990, 12900),
    "wheels": (("Wheel {}, double-wall", "Spokes {}", "Hub {}"), 695, 24900),
    "cockpit": (("Handlebar {}", "Saddle {}", "Grips {}", "Bell {}"), 495, 9900),
}
_SIZES: dict[str, Sequence[str]] = {
    "tyres": ('28"', '26"', '20"', "700x25", "700x32", "29x2.2"),
    "drivetrain": ("7", "8", "9", "10", "11", "12"),
    "brakes": ("hydraulic", "V-type", "road", "140 mm", "160 mm", "cargo"),
    "lights": ("20 lux", "40 lux", "70 lux", "USB-C", "dynamo"),
    "wheels": ('28"', '26"', "700c", "29er"),
    "cockpit": ("city", "trekking", "race", "child", "café"),
}
_RATES = {"DKK": 134_000, "PLN": 236_500, "GBP": 1_170_000}  # euros for one, in millionths
_SUBJECTS = (
    "Delivery incomplete",
    "Wrong article",
    "Invoice question",
    "Warranty: noisy hub",
    "Cannot log in",
    "Réclamation",
)
_LETTERS = str.maketrans({"ø": "oe", "æ": "ae", "å": "aa", "ß": "ss", "ł": "l"})  # what Unicode does not take apart
_ACTIONS = (("view", 70), ("search", 14), ("basket", 10), ("order", 6))
_DEVICES = (("desktop", 62), ("phone", 31), ("tablet", 7))
_SEASON = (50, 55, 90, 120, 130, 125, 105, 95, 90, 65, 45, 60)  # by month: bicycles sell in spring


class Customer(NamedTuple):
    """One row of `customers`."""

    id: int
    name: str
    city: str | None
    country: str
    segment: str
    email: str | None
    customer_since: datetime.date
    credit_limit: Decimal | None
    newsletter: bool


class Ticket(NamedTuple):
    """One row of `support_tickets`."""

    id: int
    customer_id: int
    subject: str
    opened_at: datetime.datetime
    closed_at: datetime.datetime | None


class Product(NamedTuple):
    """One row of `products`."""

    sku: str
    name: str
    category: str
    list_price: Decimal
    weight_g: int
    discontinued: datetime.date | None


class Invoice(NamedTuple):
    """One row of `invoices`."""

    id: int
    customer_id: int
    invoice_date: datetime.date
    currency: str
    shipping: Decimal
    paid_on: datetime.date | None


class Line(NamedTuple):
    """One row of `invoice_lines`; the price is in the invoice's currency."""

    invoice_id: int
    line: int
    sku: str
    quantity: int
    unit_price: Decimal


class Rate(NamedTuple):
    """One row of `exchange_rates`."""

    day: datetime.date
    currency: str
    euros: Decimal


class Event(NamedTuple):
    """One row of `events`; `sku` is of the article looked at, `customer_id` of the customer who is logged in."""

    id: int
    happened_at: datetime.datetime
    visitor: str
    customer_id: int | None
    action: str
    sku: str | None
    device: str


@dataclass(frozen=True, slots=True)
class Company:
    """Every row of Veldkamp & Zonen."""

    customers: Sequence[Customer]
    tickets: Sequence[Ticket]
    products: Sequence[Product]
    invoices: Sequence[Invoice]
    lines: Sequence[Line]
    rates: Sequence[Rate]
    events: Sequence[Event]


class _Dice:
    """Draws that depend on the seed and on nothing else, not on the version of Python."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed).random

    def below(self, count: int) -> int:
        """A whole number from 0 up to and without `count`."""
        return int(self.random() * count)

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def pick(self, things: Sequence[T]) -> T:
        """One of the things, all equally likely."""
        return things[self.below(len(things))]

    def one_in(self, count: int) -> bool:
        """True once in `count` times."""
        return self.below(count) == 0


class _Urn(Sequence[T]):
    """Things of different likelihood, made once and drawn from often."""

    def __init__(self, things: Sequence[T], weights: Sequence[int]) -> None:
        self.things, self.bounds = things, list(itertools.accumulate(weights))

    def __len__(self) -> int:
        return self.bounds[-1]

    def __getitem__(self, index: int) -> T:  # type: ignore[override]
        return self.things[bisect.bisect_right(self.bounds, index)]


def found(seed: int = 2008) -> Company:
    """The company, the same for the same seed."""
    dice = _Dice(seed)
    customers = list(_customers(dice))
    products = list(_products(dice))
    favourites = {customer.id: dice.pick(tuple(_RANGE)) for customer in customers}
    shelf = _Shelf.of(products)
    buyers = [customer for customer in customers if not dice.one_in(9)]
    invoices = list(_invoices(dice, buyers))
    lines = list(_lines(dice, invoices, shelf, favourites))
    tickets = list(_tickets(dice, customers))
    events = list(_events(dice, customers, shelf, favourites))
    return Company(customers, tickets, products, invoices, lines, list(_rates(dice)), events)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The products as they are drawn: a favourite category is looked at and bought more often."""

    everything: Sequence[Product]
    by_category: dict[str, list[Product]]

    @classmethod
    def of(cls, products: Sequence[Product]) -> _Shelf:
        """The products, sorted by their categories."""
        return cls(products, {name: [product for product in products if product.category == name] for name in _RANGE})

    def draw(self, dice: _Dice, favourite: str | None) -> Product:
        """One of them; every second time, one of the favourite category."""
        if favourite is None or dice.one_in(2):
            return dice.pick(self.everything)
        return dice.pick(self.by_category[favourite])


def _customers(dice: _Dice) -> Iterator[Customer]:
    countries = _Urn(list(_COUNTRIES), [share for share, *_ in _COUNTRIES.values()])
    segments = _Urn(("shop", "chain", "workshop", "online"), (55, 12, 25, 8))
    entered: list[tuple[str, str, str]] = []
    for number in range(1, CUSTOMERS + 1):
        country = dice.pick(countries)
        _, _, patterns, families, cities = _COUNTRIES[country]
        city = dice.pick(cities)
        name = _free(dice.pick(patterns).format(dice.pick(families)), city, {name for name, *_ in entered})
        if entered and dice.one_in(25):  # entered a second time, by somebody else
            name, city, country = dice.pick(entered)
            name = dice.pick((name.upper(), name + " ", name.lower(), unicodedata.normalize("NFD", name)))
        entered.append((name, city, country))
        since = datetime.date(2009, 1, 1) + datetime.timedelta(days=dice.below(5_800))
        limit = None if dice.one_in(8) else Decimal(dice.between(4, 80)) * 250
        yield Customer(
            number, name, None if dice.one_in(30) else city, country, dice.pick(segments),
            None if dice.one_in(16) else f"{_ascii(name)}@{number}.example.com", since, limit, dice.one_in(3),
        )  # fmt: skip


def _free(name: str, city: str, used: set[str]) -> str:
    """The name, made longer until nobody else has it."""
    numbers = (f"{name} {city} {number}" for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain((name, f"{name} {city}"), numbers) if candidate not in used)


def _ascii(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    return "".join(letter for letter in letters if letter.isascii() and letter.isalpha())


def _products(dice: _Dice) -> Iterator[Product]:
    used: set[str] = set()
    for _ in range(PRODUCTS):
        category = dice.pick(tuple(_RANGE))
        patterns, low, high = _RANGE[category]
        sku = f"{dice.between(1, 99_999):06d}" if dice.one_in(3) else f"{dice.between(100_000, 999_999)}"
        while sku in used:
            sku = f"{int(sku) + 1:06d}"
        used.add(sku)
        gone = datetime.date(YEAR, dice.between(1, 12), 1) if dice.one_in(20) else None
        price = Decimal(dice.between(low // 5, high // 5) * 5) / 100
        name = dice.pick(patterns).format(dice.pick(_SIZES[category]))
        yield Product(sku, name, category, price.quantize(Decimal("0.01")), dice.between(2, 240) * 10, gone)


def _days() -> _Urn[datetime.date]:
    first = datetime.date(YEAR, 1, 1)
    days = [first + datetime.timedelta(days=number) for number in range(365)]
    return _Urn(days, [_SEASON[day.month - 1] * (1 if day.weekday() == 6 else 4) for day in days])


def _invoices(dice: _Dice, buyers: Sequence[Customer]) -> Iterator[Invoice]:
    loyal = _Urn(buyers, [dice.between(1, 12) for _ in buyers])
    calendar = _days()
    for number, day in enumerate(sorted(dice.pick(calendar) for _ in range(INVOICES)), 25_0001):
        customer = dice.pick(loyal)
        paid = day + datetime.timedelta(days=dice.between(2, 60))
        is_open = dice.one_in(18) or paid.year > YEAR
        shipping = dice.pick((Decimal("0.00"), Decimal("6.95"), Decimal("14.50")))
        yield Invoice(number, customer.id, day, _COUNTRIES[customer.country][1], shipping, None if is_open else paid)


def _lines(dice: _Dice, invoices: Sequence[Invoice], shelf: _Shelf, favourites: dict[int, str]) -> Iterator[Line]:
    rates = {**_RATES, "EUR": 1_000_000}
    for invoice in invoices:
        for number in range(1, dice.between(1, 5) + 1):
            product = shelf.draw(dice, favourites[invoice.customer_id])
            discount = dice.pick((0, 0, 0, 5, 10, 15))
            price = product.list_price * (100 - discount) / 100 * 1_000_000 / rates[invoice.currency]
            yield Line(invoice.id, number, product.sku, dice.between(1, 24), price.quantize(Decimal("0.01")))


def _tickets(dice: _Dice, customers: Sequence[Customer]) -> Iterator[Ticket]:
    moments = sorted(_moment(dice, dice.pick(_days())) for _ in range(TICKETS))
    for number, opened in enumerate(moments, 1):
        closed = None if dice.one_in(6) else opened + datetime.timedelta(minutes=dice.between(20, 20_000))
        yield Ticket(number, dice.pick(customers).id, dice.pick(_SUBJECTS), opened, closed)


def _moment(dice: _Dice, day: datetime.date) -> datetime.datetime:
    at = datetime.time(dice.between(6, 21), dice.below(60), dice.below(60))
    return datetime.datetime.combine(day, at)


def _rates(dice: _Dice) -> Iterator[Rate]:
    drift = dict.fromkeys(_RATES, 0)
    for day in range(365):
        for currency, base in _RATES.items():
            drift[currency] += dice.between(-30, 30)
            euros = Decimal(base + base * drift[currency] // 20_000).scaleb(-6)
            yield Rate(datetime.date(YEAR, 1, 1) + datetime.timedelta(days=day), currency, euros)


def _events(dice: _Dice, customers: Sequence[Customer], shelf: _Shelf, favourites: dict[int, str]) -> Iterator[Event]:
    keen = _Urn(customers, [dice.between(1, 30) for _ in customers])
    actions, devices = (_Urn(*zip(*urn, strict=True)) for urn in (_ACTIONS, _DEVICES))
    calendar = _days()
    moments = sorted(_moment(dice, dice.pick(calendar)) for _ in range(EVENTS))
    for number, moment in enumerate(moments, 1):
        customer = dice.pick(keen).id if not dice.one_in(3) else None
        action = dice.pick(actions)
        sku = None if action == "search" else shelf.draw(dice, favourites.get(customer or 0)).sku
        visitor = f"{dice.below(1 << 32):08x}" if customer is None else f"{customer * 2_654_435_761 % (1 << 32):08x}"
        yield Event(number, moment, visitor, customer, action, sku, dice.pick(devices))

"""Contacts with duplicates, made up: to judge duplicate detection on what nobody fitted it to.

`python -m tests.benchmarks.people OUT.csv --rows 100000 --mix world --seed 1` writes id, full_name, company, email,
phone, country, true_entity. The mixes differ in language, in what is missing, in the errors, and in how many duplicates
there are. Besides one person's rows there are households that share a phone or a mailbox, companies with a switchboard
and an info@, and as many namesakes as frequent names make.
"""

import argparse
import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

HEADER = ("id", "full_name", "company", "email", "phone", "country", "true_entity")


@dataclass(frozen=True, slots=True)
class Culture:
    """Where people have names of one kind. Names stand in the order of their frequency."""

    countries: tuple[str, ...]
    given: tuple[str, ...]
    family: tuple[str, ...]
    # Syllables of the many rare family names.
    starts: tuple[str, ...]
    ends: tuple[str, ...]
    forms: tuple[str, ...]
    trades: tuple[str, ...]
    free_mail: tuple[str, ...]
    short: dict[str, str] = field(default_factory=dict)
    has_two_families: bool = False


@dataclass(frozen=True, slots=True)
class Mix:
    """`duplicates`: the part of rows that repeat another; `missing` and `errors`: chances for each value of a row."""

    cultures: tuple[str, ...]
    duplicates: float = 0.35
    missing: float = 0.18
    errors: float = 0.06


def split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CODES = {
    "MX": ("52", "", 10), "AR": ("54", "0", 10), "CO": ("57", "", 10), "CL": ("56", "", 9), "PE": ("51", "0", 9),
    "NL": ("31", "0", 9), "BE": ("32", "0", 9), "DE": ("49", "0", 11), "AT": ("43", "0", 10), "CH": ("41", "0", 9),
    "IN": ("91", "0", 10), "US": ("1", "1", 10), "CA": ("1", "1", 10), "AU": ("61", "0", 9), "IE": ("353", "0", 9),
    "DK": ("45", "", 8), "NO": ("47", "", 8), "FI": ("358", "0", 9), "CZ": ("420", "", 9), "UA": ("380", "0", 9),
    "BG": ("359", "0", 9), "PT": ("351", "", 9),
}  # fmt: skip
CULTURES = {
    "latin": Culture(
        ("MX", "AR", "CO", "CL", "PE"),
        split(
            "José María Juan Luis Guadalupe Carlos Ana Jorge Francisco Rosa Miguel Martha Alejandro Verónica Ricardo "
            "Patricia Fernando Gabriela Eduardo Claudia Roberto Leticia Sergio Mónica Javier Silvia Raúl "
            "Adriana Diego "
            "Andrea Camila Santiago Valentina Mateo Ximena Rodrigo Daniela Emiliano Paola Héctor Beatriz "
            "Gustavo Lorena "
            "Ramiro Yolanda Ignacio Consuelo Arturo Mariana Óscar Cecilia Iván Renata Facundo Milagros Nahuel Rocío"
        ),
        split(
            "Hernández García Martínez López González Rodríguez Pérez Sánchez Ramírez Flores Gómez Torres "
            "Díaz Reyes Cruz "
            "Morales Gutiérrez Ortiz Ruiz Jiménez Mendoza Vargas Castillo Rojas Quispe Mamani Muñoz Contreras Silva "
            "Sepúlveda Fernández Acosta Benítez Medina Herrera Aguirre Cabrera Domínguez Zapata Restrepo "
            "Ospina Cárdenas "
            "Ibarra Salazar Figueroa Villalobos Paredes Huamán Espinoza Ríos"
        ),
        split("Al Ber Cas Del Es Fer Gal Her In Lar Mon Nav Or Par Quin Riv Sal Tor Ur Vil Zam"),
        split("arte edo iego ilva inda ín ona orado osa uela uz ales ández anco aza ero ilo iz oya ucho"),
        split("S.A. Ltda. S.R.L. SAS S.A.S. EIRL"),
        split("Transportes Seguros Textiles Minera Agro Editorial Constructora Servicios Turismo Alimentos"),
        split("gmail.com hotmail.com yahoo.com.mx outlook.es yahoo.com.ar live.com.mx"),
        {
            "Francisco": "Pancho", "Guadalupe": "Lupita", "José": "Pepe", "Alejandro": "Alex", "Ignacio": "Nacho",
            "Eduardo": "Lalo", "Gabriela": "Gaby", "Roberto": "Beto", "Consuelo": "Chelo", "Daniela": "Dani",
        },
        has_two_families=True,
    ),
    "dutch": Culture(
        ("NL", "BE"),
        split(
            "Johannes Maria Jan Anna Cornelis Hendrik Elisabeth Pieter Willem Johanna Daan Emma Sem Sophie "
            "Bram Lotte "
            "Thijs Sanne Lars Femke Ruben Anouk Jeroen Marieke Bas Ingrid Sander Esther Maarten Linda "
            "Wouter Petra Joost "
            "Monique Gijs Wilma Koen Hanneke Arjan Saskia Stijn Tess Floris Maud Teun Roos Niels Iris "
            "Matthijs Mohamed"
        ),
        (
            *split(
                "Jansen Bakker Visser Smit Meijer Mulder Bos Vos Peters Hendriks Dekker Brouwer Dijkstra "
                "Smits Koster "
                "Kuipers Veenstra Kramer Postma Prins Schouten Willems Hoekstra Koopmans Timmermans Huisman Claes "
                "Wouters Maes Janssens Mertens Peeters Hermans Goossens Aerts"
            ),
            "de Jong", "de Vries", "van den Berg", "van Dijk", "de Boer", "van der Meer", "van Leeuwen", "de Wit",
            "van der Linden", "van de Ven", "ter Horst", "van 't Hof", "Verhoeven-Maas",
        ),
        split("Aal Brink Cool Doorn Eij Groen Haver Kolk Lange Molen Noord Ooster Poel Riet Schaap Tol Veld Wester"),
        split("berg burg dam dijk horst hout kamp land man mans ma stra veen veld waard zoon sma huis"),
        split("B.V. BV N.V. VOF"),
        split("Logistiek Bouw Zorg Techniek Advies Tuinen Metaal Media Transport Installaties"),
        split("gmail.com hotmail.nl ziggo.nl outlook.com kpnmail.nl telenet.be"),
        {
            "Johannes": "Jan", "Cornelis": "Kees", "Hendrik": "Henk", "Pieter": "Piet", "Elisabeth": "Liesbeth",
            "Willem": "Wim", "Maarten": "Mart", "Matthijs": "Thijs",
        },
    ),
    "german": Culture(
        ("DE", "AT", "CH"),
        split(
            "Peter Michael Sabine Thomas Andreas Monika Wolfgang Claudia Klaus Susanne Jürgen Günther Petra "
            "Stefan Birgit "
            "Andrea Christian Ursula Uwe Karin Werner Heike Horst Renate Frank Gabriele Dieter Martina "
            "Bernd Jörg Ute "
            "Matthias Anke Alexander Katharina Lukas Leonie Jonas Hannah Finn Lena Felix Johanna Tobias "
            "Maximilian Björn "
            "Käthe Sönke Götz Mehmet Ayşe Hans-Peter Anna-Lena Karl-Heinz"
        ),
        split(
            "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer "
            "Richter Klein "
            "Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner "
            "Krause Meier "
            "Lehmann Schmid Schulze Maier Köhler Herrmann König Walter Mayer Huber Kaiser Fuchs Peters Lang "
            "Scholz Möller "
            "Weiß Jung Hahn Vogel Yılmaz Gruber Pichler Steiner Bösch"
        ),
        split("Alt Burg Dorn Eich Feld Grün Hell Inn Kalt Lind Mühl Neu Ober Pfeil Rott Stein Thal Unter Wald Zell"),
        split("acher auer bach bauer berger brandt egger hammer hofer horst inger kamp ler linger meier "
        "mann ner stedt"),
        ("GmbH", "AG", "KG", "GmbH & Co. KG", "e.K.", "UG"),
        split("Maschinenbau Elektrotechnik Verlag Steuerberatung Gartenbau Optik Spedition Druck Software Pharma"),
        split("gmx.de web.de t-online.de gmail.com posteo.de gmx.at bluewin.ch"),
        {
            "Katharina": "Kathi", "Maximilian": "Max", "Alexander": "Alex", "Michael": "Micha", "Andreas": "Andi",
            "Susanne": "Susi", "Johanna": "Hanna", "Wolfgang": "Wolf",
        },
    ),
    "indian": Culture(
        ("IN",),
        split(
            "Rahul Priya Amit Pooja Sanjay Neha Rajesh Anjali Vijay Kavita Suresh Sunita Ramesh Deepa Arun "
            "Lakshmi Manoj "
            "Meena Venkatesh Divya Karthik Swati Anil Rekha Prakash Shreya Nikhil Ananya Rohit Ishita Arjun Nandini "
            "Siddharth Aishwarya Harish Padma Ganesh Usha Imran Fatima Mohammed Ayesha Gurpreet Harpreet"
        ),
        split(
            "Kumar Singh Sharma Patel Gupta Khan Reddy Das Rao Nair Iyer Verma Joshi Mehta Shah Yadav "
            "Mishra Pillai Menon "
            "Bose Ghosh Banerjee Mukherjee Chatterjee Desai Kulkarni Deshpande Naidu Chowdhury Agarwal Jain "
            "Kaur Gill "
            "Subramanian Krishnan Hegde Shetty Kamat Thomas Mathew"
        ),
        split("Ananth Bala Chandra Dhar Gopal Hari Jaga Kesh Madha Nara Para Raja Siva Thiru Uda Vasu"),
        split("das dev endra esh karan kar krishna kumar murthy nath pal prasad raj ram swamy van vel wal"),
        ("Pvt. Ltd.", "Private Limited", "LLP", "Ltd"),
        split("Infotech Exports Textiles Pharma Motors Foods Consultancy Agencies Enterprises Solutions"),
        split("gmail.com yahoo.co.in rediffmail.com outlook.com hotmail.com"),
        {"Venkatesh": "Venkat", "Siddharth": "Sid", "Aishwarya": "Aish", "Rajesh": "Raj", "Mohammed": "Mohd"},
    ),
    "anglo": Culture(
        ("US", "CA", "AU", "IE"),
        split(
            "James Mary Robert Patricia John Jennifer Michael Linda William Elizabeth David Barbara Richard "
            "Susan Joseph "
            "Jessica Thomas Sarah Charles Karen Christopher Daniel Lisa Matthew Nancy Anthony Betty Mark "
            "Margaret Donald "
            "Sandra Steven Ashley Andrew Kimberly Kenneth Emily Joshua Donna Kevin Michelle Brian Carol "
            "Timothy Amanda "
            "Edward Deborah Jason Stephanie Jeffrey Rebecca Ryan Sharon Jacob Laura Gary Cynthia Nicholas "
            "Kathleen Eric "
            "Siobhán Niamh Ciarán Declan Tyrone Latoya DeShawn"
        ),
        split(
            "Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Taylor Thomas Moore Jackson "
            "Martin Lee Thompson "
            "White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Hill Green Adams Nelson "
            "Baker Hall "
            "Campbell Mitchell Carter Roberts O'Brien O'Connor Murphy Kelly Sullivan McCarthy McDonald Ryan "
            "Byrne Nguyen "
            "Tran Chen Wang Kim Tremblay Gagnon Roy Lavoie Fitzgerald"
        ),
        split("Ash Black Brad Carl Dun East Fair Gold Hart Kings Lang Mar North Oak Pem Red Stan Thorn Win Wood"),
        split("beck bridge brook bury by croft dale field ford ham hurst ley low more ridge shaw stone ton well worth"),
        ("Inc.", "LLC", "Corp.", "Ltd", "Co.", "Pty Ltd"),
        split("Plumbing Robotics Insurance Farms Outfitters Bakery Aviation Roofing Genomics Freight "
        "Interiors Holdings"),
        split("gmail.com yahoo.com hotmail.com icloud.com outlook.com comcast.net bigpond.com"),
        {
            "William": "Bill", "Robert": "Bob", "Elizabeth": "Liz", "Richard": "Rick", "Margaret": "Peggy",
            "Christopher": "Chris", "Michael": "Mike", "Deborah": "Debbie", "Timothy": "Tim", "Nicholas": "Nick",
        },
    ),
    "nordic": Culture(
        ("DK", "NO", "FI"),
        split(
            "Lars Anne Jens Kirsten Søren Mette Ole Hanne Bjørn Inger Kjell Ingrid Jørgen Liv Åse Øyvind "
            "Håkon Solveig "
            "Matti Päivi Juha Tuula Mikko Anneli Jukka Ritva Ville Aino Eero Sigrid Knud Bodil Frode Tone "
            "Rasmus Freja"
        ),
        split(
            "Jensen Nielsen Hansen Pedersen Andersen Christensen Larsen Sørensen Rasmussen Jørgensen "
            "Johansen Olsen Kristiansen "
            "Berg Haugen Bakken Korhonen Virtanen Mäkinen Nieminen Mäkelä Hämäläinen Laine Heikkinen "
            "Koskinen Dahl Lund"
        ),
        split("Aas Bjørk Ek Fjell Gran Hol Kal Lind Mo Nord Rosen Sand Strøm Vest Øst Ala Keski Yli"),
        split("by dal gaard heim holm lund mark nes rud sen stad strand vik vold talo mäki niemi ranta"),
        split("A/S ApS AS Oy Oyj"),
        split("Shipping Vind Fisk Møbler Rederi Energi Design Konsult Bryggeri Papir"),
        split("gmail.com hotmail.com outlook.dk online.no live.dk"),
        {"Christian": "Chris", "Johannes": "Hans"},
    ),
    "slavic": Culture(
        ("UA", "BG", "CZ"),
        split(
            "Олександр Олена Сергій Наталія Андрій Ірина Володимир Тетяна Дмитро Світлана Микола Ольга "
            "Георги Мария Иван "
            "Елена Димитър Йорданка Николай Стефка Jiří Marie Jan Jana Petr Eva Josef Hana Pavel Lenka Tomáš Kateřina"
        ),
        split(
            "Мельник Шевченко Бондаренко Коваленко Ткаченко Кравченко Олійник Шевчук Коваль Поліщук Иванов "
            "Георгиев Димитров "
            "Петров Николов Христов Novák Svoboda Novotný Dvořák Černý Procházka Kučera Veselý Horák Němec"
        ),
        split("Бар Вол Гон Дер Зай Кос Лев Мар Нес Оси Пав Рома Сид Тер Хом Чер"),
        split("енко ук юк ський чук ко ов ев ин ак ець ило ник"),
        split("ТОВ ООД s.r.o. a.s. ЕООД"),
        split("Агро Буд Транс Софт Мед Пром Текс Імпекс"),
        split("gmail.com ukr.net abv.bg seznam.cz i.ua"),
        {"Олександр": "Саша", "Наталія": "Наташа", "Kateřina": "Katka"},
    ),
}  # fmt: skip
MIXES = {
    "world": Mix(tuple(CULTURES)),
    "latin": Mix(("latin", "latin", "anglo"), duplicates=0.4),
    "lowlands": Mix(("dutch", "german"), duplicates=0.3),
    "indian": Mix(("indian", "anglo"), duplicates=0.45),
    "sparse": Mix(("anglo", "nordic", "german"), duplicates=0.3, missing=0.45),
    "dirty": Mix(("slavic", "nordic", "latin"), duplicates=0.6, errors=0.15),
    "clean": Mix(tuple(CULTURES), duplicates=0.0),
}

CYRILLIC = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщьюяіїєґъ",
        split("a b v g d e zh z y y k l m n o p r s t u f kh ts ch sh shch _ iu ia i i ie g a"),
        strict=True,
    )
)
OTHER_LETTERS = {
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "æ": "ae", "å": "a", "ı": "i", "ş": "s", "á": "a", "é": "e",
    "í": "i", "ó": "o", "ú": "u", "ñ": "n", "č": "c", "ř": "r", "ý": "y", "š": "s", "ž": "z", "ě": "e", "ň": "n",
}  # fmt: skip


def latinise(text: str) -> str:
    """Latin letters without accents, as many a form demands."""
    found = []
    for char in text:
        low = char.lower()
        other = CYRILLIC.get(low, OTHER_LETTERS.get(low, low)).replace("_", "")
        found.append(other.capitalize() if char != low else other)
    return "".join(found)


def letters(text: str) -> str:
    return "".join(char for char in latinise(text).lower() if "a" <= char <= "z")


@dataclass(slots=True)
class Company:
    name: str
    form: str
    domain: str
    country: str
    switchboard: str


@dataclass(slots=True)
class Person:
    """What is true of somebody, of which rows are taken."""

    entity: str
    culture: Culture
    country: str
    given: str
    family: str
    second_family: str
    middle: str
    company: Company | None
    work_mail: str
    own_mail: str
    phones: list[str]


class Maker:
    """Makes people and their rows; the same for the same seed."""

    def __init__(self, mix: Mix, rows: int, seed: int) -> None:
        self.mix, self.rows, self.random = mix, rows, random.Random(seed)
        self.companies: dict[str, list[Company]] = {}
        self.weights = {name: list(accumulate(1 / (n + 3) for n in range(5000))) for name in ("zipf",)}
        self.mails: set[str] = set()

    # --- Choosing

    def pick_frequent(self, values: tuple[str, ...]) -> str:
        """The first ones often, the last ones seldom."""
        return self.random.choices(values, cum_weights=self.weights["zipf"][: len(values)])[0]

    def happens(self, chance: float) -> bool:
        return self.random.random() < chance

    # --- People

    def make_family(self, culture: Culture) -> str:
        if self.happens(0.35):
            return self.pick_frequent(culture.family)
        name = self.random.choice(culture.starts) + self.random.choice(culture.ends)
        return (
            name if self.happens(0.4) else name[:-1] + self.random.choice("aeiouns") + self.random.choice(culture.ends)
        )

    def make_company(self, name: str, culture: Culture) -> Company:
        """One that is there already, or a new one: about eight people each."""
        known = self.companies.setdefault(name, [])
        if known and self.happens(0.88):
            return known[int(len(known) * self.random.random() ** 1.3)]
        title = self.make_family(culture)
        if self.happens(0.3):
            title += " & " + self.make_family(culture)
        if self.happens(0.7):
            title += " " + self.random.choice(culture.trades)
        country = self.random.choice(culture.countries)
        top = {"US": "com", "IE": "ie", "CA": "ca"}.get(country, country.lower())
        domain = f"{letters(title)[:24]}.{top if self.happens(0.7) else 'com'}"
        known.append(Company(title, self.random.choice(culture.forms), domain, country, self.make_phone(country)))
        return known[-1]

    def make_phone(self, country: str) -> str:
        """The national number, without trunk prefix."""
        length = CODES[country][2]
        return str(self.random.choice("236789")) + "".join(self.random.choices("0123456789", k=length - 1))

    def make_mail(self, person: Person, domain: str) -> str:
        given, family = letters(person.given), letters(person.family)
        local = self.random.choice(
            [
                f"{given}.{family}", f"{given}.{family}", f"{given[:1]}{family}", f"{given}{family}",
                f"{family}.{given}", f"{given}_{family}", f"{given[:1]}.{family}", given,
            ]
        )  # fmt: skip
        mail = f"{local}@{domain}"
        # An address belongs to one person: whoever comes later gets another.
        while mail in self.mails:
            mail = f"{local}{self.random.randrange(1, 1000)}@{domain}"
        self.mails.add(mail)
        return mail

    def make_person(self, entity: str) -> Person:
        name = self.random.choice(self.mix.cultures)
        culture = CULTURES[name]
        company = self.make_company(name, culture) if self.happens(0.75) else None
        country = company.country if company else self.random.choice(culture.countries)
        person = Person(
            entity, culture, country, self.pick_frequent(culture.given), self.make_family(culture),
            self.make_family(culture) if culture.has_two_families and self.happens(0.6) else "",
            self.pick_frequent(culture.given) if self.happens(0.2) else "",
            company, "", "", [self.make_phone(country)],
        )  # fmt: skip
        self.add_addresses(person)
        return person

    def add_addresses(self, person: Person) -> None:
        if person.company:
            person.work_mail = self.make_mail(person, person.company.domain)
            if self.happens(0.3):
                person.phones.append(person.company.switchboard)
        person.own_mail = self.make_mail(person, self.random.choice(person.culture.free_mail))
        if self.happens(0.25):
            person.phones.append(self.make_phone(person.country))

    def make_relative(self, person: Person, entity: str) -> Person:
        """Somebody of the same household, with its phone or its mailbox."""
        other = Person(
            entity, person.culture, person.country, self.pick_frequent(person.culture.given),
            person.family if self.happens(0.8) else self.make_family(person.culture), person.second_family, "",
            None, "", "", [person.phones[0]],
        )  # fmt: skip
        while other.given == person.given:
            other.given = self.random.choice(person.culture.given)
        self.add_addresses(other)
        if self.happens(0.35):
            other.own_mail = person.own_mail
        return other

    # --- Rows

    def list_people(self) -> Iterator[Person]:
        number = 0
        while True:
            number += 1
            person = self.make_person(f"P{number}")
            yield person
            if self.happens(0.04):
                number += 1
                yield self.make_relative(person, f"P{number}")

    def list_rows(self) -> Iterator[tuple[str, ...]]:
        """Without id: the values of the file's columns after it."""
        count = 0
        for person in self.list_people():
            copies = 1
            while self.happens(self.mix.duplicates) and copies < 8:
                copies += 1
            for _ in range(copies):
                yield self.write_row(person)
                count += 1
                if count == self.rows:
                    return

    def write_row(self, person: Person) -> tuple[str, ...]:
        missing = self.mix.missing
        name = "" if self.happens(missing / 12) else self.write_name(person)
        company = "" if not person.company or self.happens(missing) else self.write_company(person.company)
        email = "" if self.happens(missing) and name else self.write_mail(person)
        phone = "" if self.happens(missing * 1.4) else self.write_phone(person)
        country = "" if self.happens(missing / 3) else person.country
        return name, company, email, phone, country, person.entity

    def slip(self, text: str) -> str:
        """With a typing error, sometimes."""
        if len(text) < 4 or not self.happens(self.mix.errors):
            return text
        place = self.random.randrange(1, len(text) - 1)
        kind = self.random.randrange(4)
        if kind == 0:
            return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        letter = self.random.choice("aeionrstlm")
        return text[:place] + ("", letter, text[place] * 2)[kind - 1] + text[place + 1 :]

    def write_name(self, person: Person) -> str:
        given, family = person.given, person.family
        if person.second_family and self.happens(0.5):
            family = f"{family} {person.second_family}"
        if given in person.culture.short and self.happens(0.25):
            given = person.culture.short[given]
        if self.happens(0.07):
            given = given[0] + "."
        elif person.middle and self.happens(0.5):
            given += " " + (person.middle if self.happens(0.5) else person.middle[0] + ".")
        given, family = self.slip(given), self.slip(family)
        if self.happens(0.02):
            family = self.make_family(person.culture)
        name = (
            f"{family}, {given}"
            if self.happens(0.08)
            else f"{family} {given}"
            if self.happens(0.03)
            else f"{given} {family}"
        )
        if self.happens(0.25) or (not name.isascii() and self.happens(0.3)):
            name = latinise(name)
        if self.happens(0.06):
            name = self.random.choice([str.upper, str.lower])(name)
        return "Dr. " + name if self.happens(0.02) else name

    def write_company(self, company: Company) -> str:
        name = self.slip(company.name)
        if self.happens(0.65):
            name = f"{name} {company.form}"
        if self.happens(0.15):
            name = latinise(name)
        return name.upper() if self.happens(0.05) else name

    def write_mail(self, person: Person) -> str:
        if person.company and self.happens(0.08):
            return f"info@{person.company.domain}"
        mail = person.work_mail if person.work_mail and self.happens(0.5) else person.own_mail
        local, _, domain = mail.partition("@")
        if self.happens(self.mix.errors / 2):
            local = self.slip(local)
        if self.happens(0.04):
            local += "+" + self.random.choice(["news", "crm", "x"])
        if self.happens(self.mix.errors / 4):
            domain = domain.replace("gmail", "gmial").replace(".com", ".con")
        mail = f"{local}@{domain}"
        return mail.upper() if self.happens(0.03) else mail

    def write_phone(self, person: Person) -> str:
        number = self.random.choices(person.phones, weights=[4, 2, 1][: len(person.phones)])[0]
        if self.happens(self.mix.errors / 3):
            place = self.random.randrange(len(number))
            number = number[:place] + self.random.choice("0123456789") + number[place + 1 :]
        code, trunk, _ = CODES[person.country]
        shapes: list[Callable[[], str]] = [
            lambda: f"+{code}{number}",
            lambda: f"+{code} {number[:3]} {number[3:]}",
            lambda: f"00{code} {number[:2]}-{number[2:]}",
            lambda: f"{trunk}{number}",
            lambda: f"({trunk}{number[:3]}) {number[3:6]}-{number[6:]}",
        ]
        return self.random.choice(shapes)()


def make_rows(mix: str, rows: int, seed: int) -> list[tuple[str, ...]]:
    """Rows in the order of HEADER, shuffled."""
    maker = Maker(MIXES[mix], rows, seed)
    found = list(maker.list_rows())
    maker.random.shuffle(found)
    return [(str(number), *row) for number, row in enumerate(found, 1)]


def write_people(path: Path, *, mix: str, rows: int, seed: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(make_rows(mix, rows, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, metavar="OUT.csv")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--mix", choices=MIXES, default="world")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write_people(options.file, mix=options.mix, rows=options.rows, seed=options.seed)


if __name__ == "__main__":
    main()

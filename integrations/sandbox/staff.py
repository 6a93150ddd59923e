"""Who works at the played company: who own records in its CRMs, and change them on the pages or with their token."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """Who changes something. `number` 0 is the application that has the sandbox's one access token.

    `is_person` says that it is done on a provider's own pages, not over its API.
    """

    number: int = 0
    is_person: bool = False


@dataclass(frozen=True)
class Colleague:
    """`token` is an access token that works at every provider."""

    number: int
    first_name: str
    last_name: str
    email: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def token(self) -> str:
        return f"sandbox-{self.first_name.lower()}-token"


APP = Actor()
LEA = Colleague(1, "Lea", "Martin", "lea.martin@acme.example")
SAM = Colleague(2, "Sam", "Reed", "sam.reed@acme.example")
COLLEAGUES = (LEA, SAM)
TOKENS = {colleague.token: Actor(colleague.number) for colleague in COLLEAGUES}
HINT = "Sales reps make, move and cancel meetings here, or over the API with a token of their own: " + ", ".join(
    f"{colleague.token} is {colleague.name}'s" for colleague in COLLEAGUES
)
# Who presses the buttons that do not say it themselves.
PERSON = Actor(LEA.number, is_person=True)

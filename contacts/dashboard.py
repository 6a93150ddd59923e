"""What the dashboard says about contacts: the pairs that wait for a review."""

from collections.abc import Iterator

from django.http import HttpRequest

from contacts.models import CandidatePair
from contacts.review_queue import list_due
from integrations.admin.dashboard import Figure, adds_figures, make_figure
from integrations.admin.formats import address_of_list


@adds_figures
def list_pairs(request: HttpRequest) -> Iterator[Figure]:
    if request.user.has_perm("contacts.view_candidatepair"):
        yield make_figure("Pairs to review", list_due(CandidatePair.objects.all()), address_of_list(CandidatePair))

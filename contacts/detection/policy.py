"""What is merged without a person, where the policy says so: pairs that are certain, and that nobody has taken up."""

from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from contacts.aliases import lock_forest
from contacts.detection.locks import lock_pairs
from contacts.exceptions import MergeError
from contacts.merging import merge
from contacts.models import CandidatePair, DuplicatePolicy

BATCH = 50


def merge_certain(most: int = BATCH) -> int:
    """Merge so many of the certain open pairs at most. Returns how many were."""
    if not DuplicatePolicy.objects.filter(merges_certain=True).exists():
        return 0
    ids = list(find_certain().order_by("-probability", "pk").values_list("pk", flat=True)[:most])
    return sum(merge_pair(each) for each in ids)


def find_certain() -> QuerySet[CandidatePair]:
    """Certain open pairs that nobody has assigned, claimed or put off."""
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=timezone.now())
    return CandidatePair.objects.filter(
        is_free,
        status=CandidatePair.Status.OPEN,
        verdict=CandidatePair.Verdict.CERTAIN,
        assigned_to=None,
        postponed_until=None,
    )


@transaction.atomic
def merge_pair(pair_id: UUID) -> bool:
    """Into the contact that was made first. False where the pair has changed meanwhile, or cannot be merged."""
    lock_forest()
    lock_pairs()
    pair = find_certain().select_related("first", "second").filter(pk=pair_id).first()
    if pair is None:
        return False
    winner, loser = sorted((pair.first, pair.second), key=lambda contact: (contact.created_at, contact.pk))
    try:
        merge(winner, loser)
    except MergeError:
        return False
    return True

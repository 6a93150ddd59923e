"""The page "First steps", and what its buttons do. The steps themselves are in first_step_cards.py."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.http import urlencode

from integrations.admin.base import Admin, ReadOnlyMixin, read_user, show_page
from integrations.admin.first_step_cards import TAKE, list_steps
from integrations.exceptions import KeepsyncError
from integrations.first_steps import Kind, advise, check, examine_log, is_over, note, take_back
from integrations.models import Connection, FieldMapping, FirstStep

START = "admin:integrations_firststep_changelist"
# In the session: on the way, each page offers the way back.
ON_THE_WAY = "first_steps"


@admin.register(FirstStep)
class FirstStepAdmin(ReadOnlyMixin, Admin):
    """Its list is the page; what its buttons do is done at once, and can be taken back or done again."""

    list_display = ("kind",)
    deeds: ClassVar = ("check", "mapping", "entered", "ask", "built_in", "dismiss", "offer")

    def get_urls(self) -> list[Any]:
        """Those of a connection name it."""
        found = []
        for deed in self.deeds:
            function = getattr(self, f"do_{deed}")
            route = f"{deed}/" if deed in ("built_in", "dismiss", "offer") else f"<slug:slug>/{deed}/"
            view = self.admin_site.admin_view(only_who_may(function))
            found.append(path(route, view, name=f"integrations_firststep_{deed}"))
        return [*found, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        steps = list_steps(request)
        done, dismissed = sum(step.is_done for step in steps), FirstStep.objects.filter(kind=Kind.DISMISSED).exists()
        may_take = request.user.has_perm(TAKE)
        request.session[ON_THE_WAY] = may_take and done < len(steps) and not is_over()
        return show_page(
            request,
            "keepsync/first_steps.html",
            title="First steps",
            steps=steps,
            done=done,
            is_complete=done == len(steps),
            is_dismissed=dismissed,
            may_take=may_take,
        )

    # --- What its buttons do

    def do_check(self, request: HttpRequest, connection: Connection) -> str:
        found = check(connection, user=read_user(request))
        messages.success(request, f"{connection} answers: {found}.")
        return ""

    def do_mapping(self, request: HttpRequest, connection: Connection) -> str:
        """It leads to the mapping, and notes that somebody has been there."""
        note(Kind.MAPPING, user=read_user(request), connection=connection)
        address = reverse(f"admin:integrations_{FieldMapping._meta.model_name}_changelist")
        return f"{address}?{urlencode({'connection__id__exact': connection.pk})}"

    def do_entered(self, request: HttpRequest, connection: Connection) -> str:
        note(Kind.ENTERED, user=read_user(request), connection=connection)
        return ""

    def do_ask(self, request: HttpRequest, connection: Connection) -> str:
        messages.info(request, examine_log(connection))
        return ""

    def do_built_in(self, request: HttpRequest) -> str:
        note(Kind.BUILT_IN, user=read_user(request))
        return ""

    def do_dismiss(self, request: HttpRequest) -> str:
        note(Kind.DISMISSED, user=read_user(request))
        request.session.pop(ON_THE_WAY, None)
        messages.success(request, "The dashboard offers the first steps no longer. They stay here.")
        return reverse("admin:index")

    def do_offer(self, request: HttpRequest) -> str:
        take_back(Kind.DISMISSED)
        return ""


def only_who_may(do: Callable[..., str]) -> Callable[..., HttpResponse]:
    """A view for POST. `do` returns the address that follows; empty for the page itself."""

    def answer(request: HttpRequest, slug: str = "") -> HttpResponse:
        if not request.user.has_perm(TAKE):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        chosen = {"connection": get_object_or_404(Connection, slug=slug)} if slug else {}
        try:
            target = do(request, **chosen)
        except KeepsyncError as error:
            messages.error(request, " ".join(filter(None, (str(error), advise(error)))))
            target = ""
        return HttpResponseRedirect(target or reverse(START))

    return answer

"""Detail pages of long runs: how far one is, on a part of the page that asks for itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString

from integrations.admin.base import DetailAdmin


@dataclass(frozen=True, slots=True)
class ProgressStage:
    """One of the stages of a run; `after` is how long it took, such as "0.4 s"."""

    title: str
    label: SafeString
    text: str = ""
    at: str = ""
    after: str = ""
    link: SafeString | str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """`what` the bar measures, such as rows read; `percent` is None where nobody knows how many there are."""

    what: str
    address: str
    is_open: bool
    label: SafeString | str
    text: str
    percent: int | None
    counts: list[tuple[str, str]]
    note: str = ""
    stages: Sequence[ProgressStage] = ()

    @property
    def width(self) -> int:
        return 100 if self.percent is None else self.percent


class ProgressAdmin(DetailAdmin):
    """`reloads_at_end`: the whole page is fetched once the run is over."""

    change_form_outer_before_template = "keepsync/progress.html"
    reloads_at_end: ClassVar[bool] = True

    def make_progress(self, row: Any) -> Progress:
        raise NotImplementedError

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_progress"
        view = self.admin_site.admin_view(self.show_progress)
        return [path("<path:object_id>/progress/", view, name=name), *super().get_urls()]

    def find_row(self, request: HttpRequest, object_id: str) -> Any:
        """Raises Http404 and PermissionDenied."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def show_progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The part of the page that is fetched again while the run goes on."""
        progress = self.make_progress(self.find_row(request, object_id))
        headers = {"Cache-Control": "no-store"}
        if self.reloads_at_end and not progress.is_open:
            headers["HX-Refresh"] = "true"
        return TemplateResponse(request, "keepsync/progress_now.html", {"progress": progress}, headers=headers)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        if obj is not None:
            context["progress"] = self.make_progress(obj)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

"""The outbox: what was mailed, to whom, and how it looks."""

from dataclasses import asdict

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from integrations.sandbox import settings
from integrations.sandbox.faults import KnobError, parse_knobs
from integrations.sandbox.log import get_log
from integrations.sandbox.mail.records import Letter, MailKnobs, get_mail_faults, get_store, read_letter

ROWS_SHOWN = 50


class MailFaultsForm(forms.Form):
    """The knobs as a person sets them; the rules are those of the JSON API."""

    latency_ms = forms.IntegerField(label="Wait before answering (ms)", min_value=0)
    rate_4xx = forms.FloatField(label="Refused for now (451), 0 to 1")
    rate_lost = forms.FloatField(label="Taken, but the answer is lost, 0 to 1")
    seed = forms.IntegerField(label="Seed of the random numbers", min_value=0)
    is_down = forms.BooleanField(label="Down: nobody is greeted", required=False)

    def clean(self) -> dict[str, object]:
        if not self.errors:
            try:
                self.knobs = parse_knobs(MailKnobs, self.cleaned_data)
            except KnobError as error:
                self.add_error(error.field if error.field in self.fields else None, str(error))
        return self.cleaned_data


@require_safe
def show_outbox(request: HttpRequest) -> HttpResponse:
    return render_outbox(request, MailFaultsForm(initial=asdict(get_mail_faults().knobs)), status=200)


@require_POST
def turn_knobs(request: HttpRequest) -> HttpResponse:
    form = MailFaultsForm(request.POST)
    if not form.is_valid():
        return render_outbox(request, form, status=422)
    get_mail_faults().set(form.knobs)
    return redirect("mail")


def render_outbox(request: HttpRequest, form: MailFaultsForm, *, status: int) -> HttpResponse:
    mails = list(reversed(get_store().read().mails.values()))
    context = {
        "letters": [read_letter(mail) for mail in mails[:ROWS_SHOWN]],
        "mail_count": len(mails),
        "port": settings.SMTP_PORT,
        "form": form,
        "has_faults": get_mail_faults().knobs != MailKnobs(),
        "requests": get_log("mail").entries()[:ROWS_SHOWN],
        "request_count": get_log("mail").count,
    }
    return render(request, "sandbox/outbox.html", context, status=status)


@require_safe
def show_mail(request: HttpRequest, number: int) -> HttpResponse:
    return render(request, "sandbox/mail.html", {"letter": find_letter(number)})


@require_safe
def download(request: HttpRequest, number: int, index: int) -> HttpResponse:
    attachments = find_letter(number).attachments
    if index >= len(attachments):
        raise Http404("There is no such attachment.")
    found = attachments[index]
    # As bytes, whatever it says it is: a browser must not show a stranger's page as the sandbox's own.
    response = HttpResponse(found.content, content_type="application/octet-stream")
    name = "".join(letter for letter in found.name if letter.isalnum() or letter in " ._-") or "attachment"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def find_letter(number: int) -> Letter:
    mail = get_store().read().mails.get(str(number))
    if mail is None:
        raise Http404("There is no such message.")
    return read_letter(mail)

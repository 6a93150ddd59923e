"""The outbox's addresses."""

from django.urls import path

from integrations.sandbox.control import control_urls
from integrations.sandbox.mail import pages
from integrations.sandbox.mail.records import get_mail_faults, get_store, show_records

urlpatterns = [
    path("", pages.show_outbox, name="mail"),
    path("knobs/", pages.turn_knobs, name="mail_knobs"),
    *control_urls("mail", show=show_records, reset=lambda: get_store().reset(), faults=get_mail_faults()),
    path("<int:number>/", pages.show_mail, name="one_mail"),
    path("<int:number>/attachments/<int:index>/", pages.download, name="attachment"),
]

"""The form of signing in: Django's, with the tries counted.

The admin site loads it while it is made itself, so it stands outside of the admin's package.
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables
from unfold.forms import AuthenticationForm

from integrations import sign_ins
from integrations.exceptions import SignInClosedError
from integrations.middleware import read_browser_mark


class SignInForm(AuthenticationForm):
    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """While too many were wrong, no password is looked at: the right one would be refused too."""
        if not (self.cleaned_data.get("username") and self.cleaned_data.get("password")):
            return dict(super().clean())
        visit = self.read_visit()
        try:
            counted = sign_ins.count_try(visit)
        except SignInClosedError as error:
            raise ValidationError(str(error), code="closed") from error
        cleaned = super().clean()
        sign_ins.take_back(counted)
        user = self.get_user()
        self.request.browser_mark = visit.browser if sign_ins.is_marked(visit, user) else sign_ins.make_mark(user.pk)
        return dict(cleaned)

    def read_visit(self) -> sign_ins.Visit:
        peer, forwarded = self.request.META.get("REMOTE_ADDR", ""), self.request.headers.get("X-Forwarded-For", "")
        return sign_ins.Visit(
            self.cleaned_data["username"],
            sign_ins.read_address(peer, forwarded, proxies=settings.TRUSTED_PROXIES),
            read_browser_mark(self.request),
        )

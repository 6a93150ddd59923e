"""What one's own account page, and the second step of signing in, ask for."""

from contextlib import suppress
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from integrations.exceptions import SignInClosedError, WrongCodeError
from integrations.models import SecondFactor
from integrations.second_factors import check_code, confirm

ONE_TIME = {"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false"}


class CodeForm(forms.Form):
    """A code of the app, or a recovery code, which is taken once the rest of the form is right."""

    code = forms.CharField(
        max_length=32,
        widget=UnfoldAdminTextInputWidget(attrs={**ONE_TIME, "autofocus": True}),
        help_text="The six digits that your authenticator app shows, or one of your recovery codes.",
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            check_code(self.user, cleaned["code"])
        except (WrongCodeError, SignInClosedError) as error:
            raise ValidationError({"code": str(error)}) from error
        return cleaned


class PasswordAndCodeForm(CodeForm):
    """A wrong password counts as a wrong code does: who has come by an open session guesses neither."""

    password = forms.CharField(
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}), label="Your password"
    )
    field_order = ("password", "code")

    @sensitive_variables()
    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        if self.user.check_password(password):
            return password
        with suppress(WrongCodeError, SignInClosedError):
            check_code(self.user, "")
        raise ValidationError("This is not your password.")


class SetupForm(forms.Form):
    code = forms.CharField(
        max_length=32,
        widget=UnfoldAdminTextInputWidget(attrs={**ONE_TIME, "inputmode": "numeric"}),
        label="The code that the app shows now",
    )

    def __init__(self, factor: SecondFactor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.factor = factor
        self.recovery_codes: list[str] = []

    @sensitive_variables()
    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        try:
            self.recovery_codes = confirm(self.factor, code)
        except WrongCodeError as error:
            raise ValidationError(str(error)) from error
        return code

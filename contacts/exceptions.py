"""Errors of contacts. The message says what can be done instead.

StateError                      an operator's action does not fit the row's state
└── MergeError                  these two contacts cannot be made one
    ├── SameContactError        … because they are one
    ├── AliasError              … because one of them was merged already
    └── UndoneError             this merge cannot be undone, because it was
"""

from integrations.exceptions import StateError


class MergeError(StateError):
    pass


class SameContactError(MergeError):
    pass


class AliasError(MergeError):
    pass


class UndoneError(MergeError):
    pass

"""Errors of contacts. The message says what can be done instead.

StateError                      an operator's action does not fit the row's state
├── MergeError                  these two contacts cannot be made one, or two again
│   ├── SameContactError        … because they are one
│   ├── AliasError              … because one of them was merged already
│   ├── UndoneError             this merge cannot be undone, because it was
│   └── ForgottenError          … or they cannot be merged, because one of the two was erased
└── ReviewError                 this pair cannot be decided so
    ├── DecidedError            … because it is not open any more
    ├── ClaimedError            … because somebody else is looking at it
    └── ChangedError            … because it is not what was looked at any more
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


class ForgottenError(MergeError):
    pass


class ReviewError(StateError):
    pass


class DecidedError(ReviewError):
    pass


class ClaimedError(ReviewError):
    pass


class ChangedError(ReviewError):
    pass

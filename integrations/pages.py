"""Pages of the REST API's lists. Apart from api.py, because DRF imports it while it is itself being imported."""

from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """Newest first, by the time-ordered primary key; `{"next", "previous", "results"}`."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Integrations"

    def ready(self) -> None:
        from integrations import checks, jobs  # noqa: F401
        from integrations.operations import probes, reports  # noqa: F401

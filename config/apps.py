from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Installation"

    def ready(self) -> None:
        from config import checklist  # noqa: F401
        from config.roles import keep_roles
        from integrations.operations.rules import keep_rows

        # The last of the apps with models: when its turn comes, the permissions of all of them exist.
        post_migrate.connect(keep_rows, sender=apps.get_app_config("bookings"), dispatch_uid="alert_rules")
        post_migrate.connect(keep_roles, sender=apps.get_app_config("bookings"), dispatch_uid="roles")

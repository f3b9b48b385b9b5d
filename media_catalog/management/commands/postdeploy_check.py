"""The checklist after a deployment."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from media_catalog.quota.attribution import attribute
from media_catalog.services.postdeploy import Deployment, State, check


class Command(BaseCommand):
    help = "Check what must hold of a deployment; exit with 1 unless every item passes."
    requires_system_checks: list[str] = []  # what they find is an item of the list

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", required=True, help="Of the site, as browsers know it (https://…).")
        parser.add_argument("--log-group", action="append", required=True, help="May be repeated.")
        parser.add_argument("--service", action="append", required=True, help="cluster/name in ECS; may be repeated.")
        parser.add_argument("--database", required=True, help="Identifier of the instance in RDS.")
        parser.add_argument("--role", required=True, help="Name of the role that this process should have.")

    def handle(self, *args: Any, **options: Any) -> None:
        deployed = Deployment(
            url=options["url"],
            log_groups=options["log_group"],
            services=options["service"],
            database=options["database"],
            role=options["role"],
        )
        with attribute(action="postdeploy_check"):
            findings = check(deployed)
        for finding in findings:
            self.stdout.write(f"{finding.state.value:<14}{finding.item:<13}{finding.detail}".rstrip())
        if any(finding.state is not State.PASS for finding in findings):
            sys.exit(1)

"""The values for staging and production."""

from tests.stack import ROOT

FOLDER = ROOT / "deploy" / "parameters"


def read_parameters(environment: str) -> dict[str, str]:
    lines = (FOLDER / f"{environment}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

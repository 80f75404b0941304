#!/usr/bin/env python3
"""The models of Grafana's own SDK read dashboards/mtls-edge.json and write it again: they drop what Grafana does not know, and nothing may be lost.

Needs the Python package of requirements.txt. Grafana itself is in no registry of packages."""

import json
import pathlib
import sys

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

FILE = pathlib.Path(__file__).resolve().parents[2] / "dashboards/mtls-edge.json"


def lost(written, read, path):
    """The paths of what the models do not have, or have in another form."""
    if isinstance(written, dict) and isinstance(read, dict):
        return [each for key, value in written.items() for each in lost(value, read.get(key), f"{path}.{key}")]
    if isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        return [each for place, (one, other) in enumerate(zip(written, read)) for each in lost(one, other, f"{path}[{place}]")]
    return [] if written == read else [f"{path}: {json.dumps(written)}, to Grafana {json.dumps(read)}"]


# Without them the options of panels and queries would be read as any JSON.
plugins.register_default_plugins()
dashboard = json.loads(FILE.read_text())
read = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dashboard)))
problems = lost(dashboard, read, FILE.name)
if problems:
    sys.exit("\n".join(problems))
print(f"{FILE.name}: {len(dashboard['panels'])} panels, as Grafana reads them")

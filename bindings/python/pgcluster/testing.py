"""A fleet in memory for the tests of one's own automation: no hosts, no root, no waiting.

pytest finds the fixtures by itself where pgcluster is installed:

    def test_my_deployment(pgcluster_fleet):
        my_automation(executor=pgcluster_fleet)
        assert pgcluster_fleet.host("pg1").active("patroni.service")
"""

from __future__ import annotations

from typing import Any

from . import _api
from ._core import ServiceModel, SimulatedExecutor
from ._records import HostSpec, SimulatedPackage, Spec


class Packages(ServiceModel):
    """What further packages bring to a fleet, by their names: for own components."""

    def __init__(self, packages: dict[str, SimulatedPackage]) -> None:
        super().__init__()
        self._packages = packages

    def package(self, name: str) -> SimulatedPackage | None:
        """As it was given."""
        return self._packages.get(name)


def simulated_fleet(packages: dict[str, SimulatedPackage] | None = None, **options: Any) -> SimulatedExecutor:
    """A fleet with the models of all services of a cluster. It shows ordering, laws and scale, never that a configuration is right.

    packages: further ones, which own components install
    options: as of SimulatedExecutor"""
    fleet = SimulatedExecutor(**options)
    _api.add_service_models(fleet)
    if packages:
        fleet.add(Packages(packages))
    return fleet


def small_spec(hosts: int = 3, **keys: Any) -> Spec:
    """A spec of hosts pg1, pg2, …; `keys` are further members."""
    return Spec(hosts=[HostSpec(f"pg{i}", f"10.77.{i // 200}.{10 + i % 200}") for i in range(1, hosts + 1)], **keys)


try:
    import pytest
except ImportError:  # the fixtures are all that needs it
    pass
else:

    @pytest.fixture
    def pgcluster_fleet() -> SimulatedExecutor:
        """simulated_fleet(), one for each test."""
        return simulated_fleet()

    @pytest.fixture
    def pgcluster_spec() -> Spec:
        """small_spec(): three hosts."""
        return small_spec()

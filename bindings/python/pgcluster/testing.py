"""A simulated fleet in memory, to test your own automation without hosts, root or waiting.

pytest finds the fixtures by itself if pgcluster is installed:

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
    """Further packages of a fleet by name, for components of your own."""

    def __init__(self, packages: dict[str, SimulatedPackage]) -> None:
        super().__init__()
        self._packages = packages

    def package(self, name: str) -> SimulatedPackage | None:
        """The package of that name, as given."""
        return self._packages.get(name)


def simulated_fleet(packages: dict[str, SimulatedPackage] | None = None, **options: Any) -> SimulatedExecutor:
    """A fleet with the models of all services of a cluster. It shows ordering, laws and scale, never that a configuration is right.

    packages: further packages, for components of your own
    options: those of SimulatedExecutor"""
    fleet = SimulatedExecutor(**options)
    _api.add_service_models(fleet)
    if packages:
        fleet.add(Packages(packages))
    return fleet


def small_spec(hosts: int = 3, **keys: Any) -> Spec:
    """A spec with the hosts pg1, pg2, …; `keys` are further members of Spec."""
    return Spec(hosts=[HostSpec(f"pg{i}", f"10.77.{i // 200}.{10 + i % 200}") for i in range(1, hosts + 1)], **keys)


try:
    import pytest
except ImportError:  # only the fixtures need it
    pass
else:

    @pytest.fixture
    def pgcluster_fleet() -> SimulatedExecutor:
        """A fresh simulated_fleet() for each test."""
        return simulated_fleet()

    @pytest.fixture
    def pgcluster_spec() -> Spec:
        """small_spec(): three hosts."""
        return small_spec()

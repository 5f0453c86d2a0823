"""Deploys and operates highly available PostgreSQL clusters over SSH.

    import pgcluster

    spec = pgcluster.load_spec("cluster.yaml")            # a valid spec, or an error with every finding
    ssh = pgcluster.SshExecutor()
    plan = pgcluster.plan_deploy(spec, ssh)               # reads the hosts, changes nothing
    print(plan)
    pgcluster.apply(plan, ssh, on_event=print).check()    # raises if the apply failed
    print(pgcluster.read_status(spec, ssh))

Names are those of the C++ library. Its structs are dataclasses here, its options structs are keyword arguments. Steps, components and callbacks run on
the thread that calls. The GIL is released while the library waits for hosts. Errors are subclasses of Error, one for each code.
"""

from ._api import *
from ._api import PlanDocument as PlanDocument
from ._base import StepRef as StepRef
from ._core import Answers as Answers
from ._core import CloudExecutor as CloudExecutor
from ._core import ClusterView as ClusterView
from ._core import Component as Component
from ._core import Executor as Executor
from ._core import LocalExecutor as LocalExecutor
from ._core import NodeView as NodeView
from ._core import Plan as Plan
from ._core import ServiceModel as ServiceModel
from ._core import SimulatedExecutor as SimulatedExecutor
from ._core import SimulatedHost as SimulatedHost
from ._core import SshExecutor as SshExecutor
from ._core import Step as Step
from ._core import Steps as Steps
from ._core import StopSource as StopSource
from ._core import Text as Text
from ._core import __version__ as __version__
from ._errors import AuthFailed as AuthFailed
from ._errors import Cancelled as Cancelled
from ._errors import CommandFailed as CommandFailed
from ._errors import ConnectionLost as ConnectionLost
from ._errors import Drifted as Drifted
from ._errors import Error as Error
from ._errors import HostKeyChanged as HostKeyChanged
from ._errors import HostKeyUnknown as HostKeyUnknown
from ._errors import HostUnreachable as HostUnreachable
from ._errors import HostUnsupported as HostUnsupported
from ._errors import Internal as Internal
from ._errors import Locked as Locked
from ._errors import NotConverged as NotConverged
from ._errors import RefusedError as RefusedError
from ._errors import SpecInvalid as SpecInvalid
from ._errors import SudoDenied as SudoDenied
from ._errors import TimedOut as TimedOut
from ._records import *
from . import _records as _records

# Records of classes of the module.
Text.Span = _records.TextSpan
Steps.Node = _records.StepsNode
Steps.Missing = _records.StepsMissing
ServiceModel.Start = _records.ServiceModelStart
SimulatedExecutor.Lost = _records.SimulatedExecutorLost

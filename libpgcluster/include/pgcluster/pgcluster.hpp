#pragma once

// Everything of libpgcluster.

/// \namespace pgcluster
/// Threads: values (Spec, Plan, Report, …) behave like those of the standard library: several threads may read one object, but only one may use it
/// while it changes. A function that takes an Executor blocks the calling thread, and calls components, steps and callbacks on that thread. Other
/// threads may use only Executor::cancel, Executor::resume and stop tokens. An executor serves one such call at a time; different executors are
/// independent of each other.
///
/// Errors: the library throws only Error. An exception of a user's callback is passed on. Only apply() changes a host.
#include <pgcluster/base/error.hpp>
#include <pgcluster/base/text.hpp>
#include <pgcluster/cloud/cloud.hpp>
#include <pgcluster/component/component.hpp>
#include <pgcluster/component/confd.hpp>
#include <pgcluster/component/consul.hpp>
#include <pgcluster/component/etcd.hpp>
#include <pgcluster/component/haproxy.hpp>
#include <pgcluster/component/keepalived.hpp>
#include <pgcluster/component/patroni.hpp>
#include <pgcluster/component/pgbouncer.hpp>
#include <pgcluster/component/vip_manager.hpp>
#include <pgcluster/executor/executor.hpp>
#include <pgcluster/executor/local.hpp>
#include <pgcluster/executor/ssh.hpp>
#include <pgcluster/op/access.hpp>
#include <pgcluster/op/answer.hpp>
#include <pgcluster/op/ask.hpp>
#include <pgcluster/op/change.hpp>
#include <pgcluster/op/facts.hpp>
#include <pgcluster/op/program.hpp>
#include <pgcluster/operate/operate.hpp>
#include <pgcluster/plan/plan.hpp>
#include <pgcluster/platform/platform.hpp>
#include <pgcluster/simulation/services.hpp>
#include <pgcluster/simulation/simulated.hpp>
#include <pgcluster/spec/choices.hpp>
#include <pgcluster/spec/spec.hpp>
#include <pgcluster/step/step.hpp>
#include <pgcluster/step/step_ref.hpp>
#include <pgcluster/topology/topology.hpp>

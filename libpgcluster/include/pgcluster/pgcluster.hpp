#pragma once

// Everything of libpgcluster.

/// \namespace pgcluster
/// Threads: values (Spec, Plan, Report, …) are like those of the standard library: one object is for one thread at a time, unless all only read
/// it. What takes an Executor blocks the thread that calls, and calls components, steps and callbacks on that thread; only Executor::cancel,
/// resume and stop tokens are for others. An executor serves one such call at a time; different executors are independent of each other.
///
/// Errors: everything throws Error, and nothing else of its own (what a user's callback throws is passed on). A change is only ever made by apply.
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

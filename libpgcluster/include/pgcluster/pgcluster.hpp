#pragma once

/// Everything of libpgcluster.
#include <pgcluster/base/error.hpp>
#include <pgcluster/base/text.hpp>
#include <pgcluster/component/component.hpp>
#include <pgcluster/component/models.hpp>
#include <pgcluster/executor/executor.hpp>
#include <pgcluster/executor/local.hpp>
#include <pgcluster/executor/simulated.hpp>
#include <pgcluster/executor/ssh.hpp>
#include <pgcluster/op/op.hpp>
#include <pgcluster/operate/operate.hpp>
#include <pgcluster/plan/plan.hpp>
#include <pgcluster/spec/spec.hpp>
#include <pgcluster/step/step.hpp>
#include <pgcluster/topology/topology.hpp>

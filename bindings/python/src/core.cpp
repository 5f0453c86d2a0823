#include "modules.hpp"

PYBIND11_MODULE(_core, m) {
  using namespace pgcluster::python;
  m.doc() = "libpgcluster as it is; see the package pgcluster.";
  bind_calls(m);
  bind_text(m);
  bind_records(m);
  bind_executors(m);
  bind_simulated(m);
  bind_steps(m);
  bind_spec(m);
  bind_components(m);
  bind_plan(m);
  bind_operate(m);
  m.attr("__version__") = PGCLUSTER_VERSION;
}

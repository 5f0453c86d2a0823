#pragma once

#include <pybind11/pybind11.h>

// The parts of the module, one file each.
namespace pgcluster::python {

void bind_records(pybind11::module_& m);
void bind_calls(pybind11::module_& m);
void bind_text(pybind11::module_& m);
void bind_steps(pybind11::module_& m);
void bind_executors(pybind11::module_& m);
void bind_simulated(pybind11::module_& m);
void bind_spec(pybind11::module_& m);
void bind_components(pybind11::module_& m);
void bind_plan(pybind11::module_& m);
void bind_operate(pybind11::module_& m);

}  // namespace pgcluster::python

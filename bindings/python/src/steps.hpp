#pragma once

#include <string>
#include <vector>

#include "call.hpp"
#include "records.hpp"

namespace pgcluster::python {

/// A step that is written in Python.
class PyStep final : public Step, public py::trampoline_self_life_support {
 public:
  std::string name() const override;
  std::vector<Ask> asks() const override;
  Decision decide(const Answers& answers) const override;
  std::chrono::seconds settle() const override;
  std::vector<std::string> keeps() const override;
  std::vector<Ask> evidence() const override;

 private:
  py::function override_of(const char* what) const;
  py::function overridden(const char* what) const;
  Where about(const char* what) const;
  mutable std::string name_{};
};

}  // namespace pgcluster::python

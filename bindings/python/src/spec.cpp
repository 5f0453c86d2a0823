#include "modules.hpp"
#include "records.hpp"

namespace pgcluster::python {

void bind_spec(py::module_& m) {
  m.def("load_spec", [](py::handle path) { return give(load_spec(arg<std::string>(path, "load_spec(): path"))); });
  m.def("parse_spec", [](py::handle yaml, py::handle name, py::handle folder, py::handle secrets_from) {
    std::optional<Spec> secrets;
    if (!secrets_from.is_none()) secrets = arg<Spec>(secrets_from, "secrets_from");
    return give(parse_spec(arg<std::string>(yaml, "parse_spec(): yaml"), arg<std::string>(name, "name"), arg<std::string>(folder, "folder"),
                           secrets ? &*secrets : nullptr));
  });
  m.def("validate", [](py::handle spec) { return give(validate(arg<Spec>(spec, "validate(): spec"))); });
  m.def("dump",
        [](py::handle spec, py::handle secrets) { return give_string(dump(arg<Spec>(spec, "dump(): spec"), arg<Secrets>(secrets, "secrets"))); });
  m.def("spec_schema", [] { return give_string(spec_schema()); });
  m.def("extra_json", [](py::handle spec, py::handle component) {
    return give_string(extra_json(arg<Spec>(spec, "spec"), arg<std::string>(component, "component")));
  });
  m.def("resolve", [](py::handle spec) { return give(resolve(arg<Spec>(spec, "resolve(): spec"))); });
  m.def("dcs_endpoints",
        [](py::handle self, py::handle port) { return give_string(arg<Topology>(self, "self").dcs_endpoints(arg<int>(port, "port"))); });
  m.def("vip_network_warning", [](py::handle vip, py::handle topology, py::handle cidrs) {
    return give(vip_network_warning(arg<std::string>(vip, "vip"), arg<Topology>(topology, "topology"),
                                    arg<std::map<std::string, std::vector<std::string>>>(cidrs, "cidrs")));
  });
  m.def("graph", [](py::handle topology, py::handle spec, py::handle format) {
    return give_string(graph(arg<Topology>(topology, "topology"), arg<Spec>(spec, "spec"), arg<std::string>(format, "format")));
  });
  m.def("cluster_file", [](py::handle topology) { return give_string(cluster_file(arg<Topology>(topology, "topology"))); });
  m.def("read_cluster_file", [](py::handle text) { return give(read_cluster_file(arg<std::string>(text, "text"))); });
}

}  // namespace pgcluster::python

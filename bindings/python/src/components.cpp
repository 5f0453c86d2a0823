#include "steps.hpp"

#include <algorithm>

#include "modules.hpp"
#include "records.hpp"

namespace pgcluster::python {
namespace {

/// A view of the cluster with what Python has read from it: each part is converted once, however many hosts look at it.
struct View {
  std::shared_ptr<const ClusterView> in_library;
  py::object spec{}, topology{};
};
using ViewPtr = std::shared_ptr<View>;

// The planner shows the same view to every component, host by host. The last one is kept while the call lasts.
ViewPtr view_of(const ClusterView& cluster) {
  static std::map<const ClusterView*, std::weak_ptr<View>> known;  // under the GIL
  std::erase_if(known, [](const auto& one) { return one.second.expired(); });
  auto in_library = shared(cluster);
  auto& entry = known[in_library.get()];
  if (auto found = entry.lock(); found && found->in_library == in_library) return found;
  auto made = std::make_shared<View>(View{std::move(in_library)});
  entry = made;
  return made;
}

/// A node's view that may be kept.
struct Node {
  ViewPtr view;
  std::shared_ptr<const TopologyHost> host;
  std::shared_ptr<const Facts> facts;
  std::string component{};
  NodeView in_library() const { return {*view->in_library, *host, *facts, component}; }
};

const Facts& facts_of(const ClusterView& cluster, const std::string& host) {
  static const Facts none;
  const auto found = cluster.facts.find(host);
  return found == cluster.facts.end() ? none : found->second;
}

Node node_of(ViewPtr view, const std::string& host, std::string component = {}) {
  const ClusterView& cluster = *view->in_library;
  const auto left = std::find_if(cluster.left.begin(), cluster.left.end(), [&](const TopologyHost& one) { return one.name == host; });
  const TopologyHost* found = left != cluster.left.end() ? &*left : &cluster.topology.host(host);
  const Facts* facts = &facts_of(cluster, host);
  return {view, {view, found}, {view, facts}, std::move(component)};
}

Node node_of(ViewPtr view, const NodeView& node) {
  const auto& hosts = view->in_library->topology.hosts;
  if (std::any_of(hosts.begin(), hosts.end(), [&](const TopologyHost& one) { return one.name == node.name(); }))
    return node_of(view, node.name(), node.component);
  // One that left the spec: of its facts only the caller knows.
  return {std::move(view), std::make_shared<const TopologyHost>(node.host), std::make_shared<const Facts>(node.facts), node.component};
}

py::object spec_of(View& view) {
  if (!view.spec) view.spec = give(view.in_library->spec);
  return view.spec;
}
py::object topology_of(View& view) {
  if (!view.topology) view.topology = give(view.in_library->topology);
  return view.topology;
}

class PyComponent final : public Component, public py::trampoline_self_life_support {
 public:
  std::string name() const override {
    return from_library<std::string>(  // name_ is written and read under the GIL
        [&] {
          if (name_.empty()) {
            auto found = load<std::string>(needed("name")(), {nullptr, "Component.name()"});
            if (name_.empty()) name_ = std::move(found);
          }
          return name_;
        },
        "python");
  }
  Steps steps(const NodeView& node) const override {
    return from_library<Steps>([&] { return load<Steps>(needed("steps")(as_python(node)), about("steps")); }, Steps());
  }
  Steps cluster_steps(const ClusterView& cluster) const override {
    return or_else("cluster_steps", Steps(), [&](const py::function& own) { return own(remembered(cluster)); });
  }
  Turn turn() const override {
    return or_else("turn", Turn::usual, [](const py::function& own) { return own(); });
  }
  Leaving leaving(const ClusterView& cluster) const override {
    return or_else("leaving", Leaving(), [&](const py::function& own) { return own(remembered(cluster)); });
  }
  Needs needs(const NodeView& node) const override { return of_node<Needs>("needs", node); }
  std::vector<Probe> health(const NodeView& node) const override { return of_node<std::vector<Probe>>("health", node); }
  std::vector<std::string> data(const NodeView& node) const override { return of_node<std::vector<std::string>>("data", node); }
  ~PyComponent() override {
    const py::gil_scoped_acquire acquired;
    last_.reset();
  }

 private:
  // Calls the function of the subclass; `otherwise` if it has none.
  template <class Result, class Call>
  Result or_else(const char* what, Result otherwise, const Call& call) const {
    return from_library<Result>(
        [&] {
          const py::function own = override_of(what);
          return own ? load<Result>(call(own), about(what)) : otherwise;
        },
        otherwise);
  }
  template <class Result>
  Result of_node(const char* what, const NodeView& node) const {
    return or_else(what, Result(), [&](const py::function& own) { return own(as_python(node)); });
  }
  ViewPtr remembered(const ClusterView& cluster) const { return last_ = view_of(cluster); }
  py::object as_python(const NodeView& node) const { return py::cast(node_of(remembered(node.cluster), node)); }
  py::function override_of(const char* what) const { return py::get_override(static_cast<const Component*>(this), what); }
  py::function needed(const char* what) const {
    py::function found = override_of(what);
    if (!found) {
      PyErr_Format(PyExc_NotImplementedError, "a subclass of Component must have %s()", what);
      throw py::error_already_set();
    }
    return found;
  }
  Where about(const char* what) const { return {nullptr, "what " + std::string(what) + "() of component " + name() + " returned"}; }
  mutable std::string name_{};
  mutable ViewPtr last_{};
};

NodeView node_from(py::handle from) {
  if (!py::isinstance<Node>(from)) wrong_type({nullptr, "node"}, "NodeView", from);
  return from.cast<const Node&>().in_library();
}

}  // namespace

void bind_components(py::module_& m) {
  py::class_<View, ViewPtr>(m, "ClusterView", "The cluster as components see it: everything that was known when the plan was made. Read only.")
      .def(py::init([](py::handle spec, py::handle topology, py::handle facts, py::handle secrets, py::handle digests, py::handle without,
                       py::handle left) {
             auto made = std::make_shared<ClusterView>();
             made->spec = load<Spec>(spec, {nullptr, "spec"});
             made->topology = topology.is_none() ? resolve(made->spec) : load<Topology>(topology, {nullptr, "topology"});
             made->facts = load<std::map<std::string, Facts>>(facts, {nullptr, "facts"});
             made->secrets = load<std::map<std::string, Secret>>(secrets, {nullptr, "secrets"});
             made->digests = load<std::map<std::string, std::string>>(digests, {nullptr, "digests"});
             made->without = load<std::set<std::string>>(without, {nullptr, "without"});
             made->left = load<std::vector<TopologyHost>>(left, {nullptr, "left"});
             return std::make_shared<View>(View{std::move(made)});
           }),
           py::arg("spec"), py::arg("topology") = py::none(), py::arg("facts") = py::dict(), py::arg("secrets") = py::dict(),
           py::arg("digests") = py::dict(), py::arg("without") = py::tuple(), py::arg("left") = py::tuple())
      .def_property_readonly("spec", &spec_of, "What the user wants.")
      .def_property_readonly("topology", &topology_of, "The spec resolved.")
      .def_property_readonly(
          "facts", [](const View& self) { return give(self.in_library->facts); }, "By host.")
      .def_property_readonly(
          "secrets", [](const View& self) { return give(self.in_library->secrets); }, "By name, all of them.")
      .def_property_readonly(
          "digests", [](const View& self) { return give(self.in_library->digests); }, "SHA-256 of the controller's files, by path.")
      .def_property_readonly(
          "needs", [](const View& self) { return give(self.in_library->needs); }, "By host, what each component of the plan needs there.")
      .def_property_readonly(
          "rotations", [](const View& self) { return give(self.in_library->rotations); }, "How often a kept secret was replaced, by name.")
      .def_property_readonly(
          "rotated", [](const View& self) { return give(self.in_library->rotated); },
          "What this plan replaces: names of secrets, and \"certificates\".")
      .def_property_readonly(
          "without", [](const View& self) { return give(self.in_library->without); }, "Hosts that are planned as if they were down.")
      .def_property_readonly(
          "left", [](const View& self) { return give(self.in_library->left); },
          "Hosts that the spec no longer describes and that still belong to the cluster.")
      .def(
          "known",
          [](const View& self, py::handle role) {
            std::vector<TopologyHost> found;
            for (const TopologyHost* host : role.is_none() ? self.in_library->known() : self.in_library->known(load<Role>(role, {nullptr, "role"})))
              found.push_back(*host);
            return give(found);
          },
          py::arg("role") = py::none(), "Who belongs to the cluster, or with a role, who has it: the spec's hosts, then those that left it.")
      .def(
          "leaves_out",
          [](const View& self, py::handle host) {
            return self.in_library->leaves_out(load<std::string>(host, {nullptr, "host"}));
          },
          py::arg("host"), "Whether the host is one of `without`.")
      .def(
          "platform",
          [](const View& self, py::handle host) {
            return give(self.in_library->platform(load<std::string>(host, {nullptr, "host"})));
          },
          py::arg("host"), "What the host's system is; Debian 13 where the view has no facts of it.")
      .def(
          "secret",
          [](const View& self, py::handle name) {
            return give(self.in_library->secret(load<std::string>(name, {nullptr, "name"})));
          },
          py::arg("name"), "Raises Internal for a name that no component declared.");

  py::class_<Node>(m, "NodeView", "What a component sees of one host. Read only.")
      .def(py::init([](const ViewPtr& cluster, py::handle host, py::handle component) {
             return node_of(
                 cluster, As<TopologyHost>::is(host) ? load<TopologyHost>(host, {nullptr, "host"}).name : load<std::string>(host, {nullptr, "host"}),
                 load<std::string>(component, {nullptr, "component"}));
           }),
           py::arg("cluster"), py::arg("host"), py::arg("component") = "")
      .def_property_readonly(
          "cluster", [](const Node& self) { return self.view; }, "The whole cluster.")
      .def_property_readonly(
          "host", [](const Node& self) { return give(*self.host); }, "This host.")
      .def_property_readonly(
          "facts", [](const Node& self) { return give(*self.facts); }, "What the host is.")
      .def(
          "spec", [](const Node& self) { return spec_of(*self.view); }, "What the user wants, all of it.")
      .def(
          "topology", [](const Node& self) { return topology_of(*self.view); }, "The whole cluster, resolved.")
      .def(
          "platform", [](const Node& self) { return give(self.in_library().platform()); },
          "What the host's system is; Debian 13 where the facts do not tell.")
      .def(
          "name", [](const Node& self) { return give(self.host->name); }, "The host's name, as in the spec.")
      .def(
          "has",
          [](const Node& self, py::handle role) {
            return self.host->has(load<Role>(role, {nullptr, "role"}));
          },
          py::arg("role"), "Whether the host has the role.")
      .def(
          "step",
          [](const Node& self, py::handle what) {
            return give(self.in_library().step(load<std::string>(what, {nullptr, "what"})));
          },
          py::arg("what"), "A step of this host by the component that is asked: \"pg1/COMPONENT/WHAT\".")
      .def(
          "step",
          [](const Node& self, py::handle component, py::handle what) {
            return give(self.in_library().step(load<std::string>(component, {nullptr, "of_component"}), load<std::string>(what, {nullptr, "what"})));
          },
          py::arg("of_component"), py::arg("what"), "A step of this host by any component.")
      .def_property_readonly(
          "component", [](const Node& self) { return give(self.component); }, "Name of the component that is asked; planners set it.")
      .def(
          "seen_by",
          [](const Node& self, const Component& asked) {
            Node node = self;
            node.component = asked.name();
            return node;
          },
          py::arg("asked"), "The same host as that component sees it.");

  py::classh<Component, PyComponent>(m, "Component",
                                     "A part of the system. Its functions are pure, and are called on the thread that plans. To be subclassed.")
      .def(py::init<>())
      .def(
          "name", [](const Component& self) { return give_string(self.name()); }, "Middle part of its steps' names, and its key in `extra`.")
      .def(
          "steps", [](const Component& self, py::handle node) { return self.steps(node_from(node)); }, py::arg("node"), "What this host needs.")
      .def(
          "cluster_steps", [](const Component& self, const View& cluster) { return self.cluster_steps(*cluster.in_library); }, py::arg("cluster"),
          "Work that is nobody's own.")
      .def(
          "turn", [](const Component& self) { return give(self.turn()); }, "When its steps come among those of a host.")
      .def(
          "leaving", [](const Component& self, const View& cluster) { return give(self.leaving(*cluster.in_library)); }, py::arg("cluster"),
          "How it is removed from a host on which other components stay.")
      .def(
          "needs", [](const Component& self, py::handle node) { return give(self.needs(node_from(node))); }, py::arg("node"),
          "What it needs on the host, as data.")
      .def(
          "health", [](const Component& self, py::handle node) { return give(self.health(node_from(node))); }, py::arg("node"),
          "Questions that tell whether it is well on the host.")
      .def(
          "data", [](const Component& self, py::handle node) { return give(self.data(node_from(node))); }, py::arg("node"),
          "Paths of trees that go only by destroy or prune.");

  m.def("builtin_components", [] {
    py::list all;
    for (const ComponentPtr& one : builtin_components()) all.append(py::cast(std::const_pointer_cast<Component>(one)));
    return all;
  });
  m.def("removal", [](py::handle host, py::handle component, py::handle resource) {
    return give(removal(load<std::string>(host, {nullptr, "host"}), load<std::string>(component, {nullptr, "component"}),
                        load<std::string>(resource, {nullptr, "resource"})));
  });
  m.def("package", [](py::handle node, py::handle name) { return package(node_from(node), load<std::string>(name, {nullptr, "name"})); });
  m.def("service_of_node", [](py::handle node, py::handle unit) { return service(node_from(node), load<std::string>(unit, {nullptr, "unit"})); });
}

}  // namespace pgcluster::python

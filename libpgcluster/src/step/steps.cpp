#include <algorithm>
#include <iterator>
#include <set>

#include <pgcluster/step/step.hpp>

namespace pgcluster {

std::string host_of(std::string_view step_name) {
  const auto host = step_name.substr(0, step_name.find('/'));
  return host == "cluster" || host.size() == step_name.size() ? std::string() : std::string(host);
}

std::string component_of(std::string_view step_name) {
  const auto begin = step_name.find('/');
  if (begin == std::string_view::npos) return {};
  return std::string(step_name.substr(begin + 1, step_name.find('/', begin + 1) - begin - 1));
}

std::vector<Ask> Order::all_asks() const {
  std::vector<Ask> all = asks;
  if (common) all.insert(all.end(), common->begin(), common->end());
  return all;
}

Steps::Steps(StepPtr step) {
  const std::string name = step->name();
  nodes_.emplace(name, Node{std::move(step)});
  insertion_.push_back(name);
}

std::vector<std::string> Steps::before(const std::string& name) const {
  std::vector<std::string> found;
  if (const auto it = before_.find(name); it != before_.end())
    for (const Wait& one : it->second)
      if (nodes_.contains(one.name)) found.push_back(one.name);  // the others belong to parts that are not here
  return found;
}

std::vector<Steps::Missing> Steps::missing() const {
  std::vector<Missing> found;
  for (const std::string& name : insertion_)
    if (const auto it = before_.find(name); it != before_.end())
      for (const Wait& one : it->second)
        if (one.required && !nodes_.contains(one.name)) found.push_back({name, one.name});
  return found;
}

std::vector<Steps::Node> Steps::nodes() const {
  std::vector<Node> ordered;
  ordered.reserve(nodes_.size());
  enum class Mark { open, done };
  std::map<std::string_view, Mark> marks;
  // Depth first. The stack is explicit, because a sequence may be thousands of steps long.
  std::vector<std::pair<const std::string*, std::size_t>> stack;
  for (const std::string& first : insertion_) {
    if (marks.contains(first)) continue;
    stack.emplace_back(&first, 0);
    marks[first] = Mark::open;
    while (!stack.empty()) {
      auto& [name, next] = stack.back();
      const auto it = before_.find(*name);
      if (it == before_.end() || next == it->second.size()) {
        ordered.push_back(nodes_.at(*name));
        marks[*name] = Mark::done;
        stack.pop_back();
        continue;
      }
      const std::string& wanted = it->second[next++].name;
      if (!nodes_.contains(wanted)) continue;
      const auto mark = marks.find(wanted);
      if (mark == marks.end()) {
        marks[wanted] = Mark::open;
        stack.emplace_back(&wanted, 0);
      } else if (mark->second == Mark::open) {
        throw Error(Code::internal, "the steps wait for each other in a circle: " + wanted + " and " + *name);
      }
    }
  }
  return ordered;
}

std::vector<std::string> Steps::sources() const {
  const auto waits = [&](const std::string& name) {
    const auto it = before_.find(name);
    return it != before_.end() && std::any_of(it->second.begin(), it->second.end(), [&](const Wait& one) { return nodes_.contains(one.name); });
  };
  std::vector<std::string> found;
  for (const std::string& name : insertion_)
    if (!waits(name)) found.push_back(name);
  return found;
}

std::vector<std::string> Steps::sinks() const {
  std::set<std::string_view> awaited;
  for (const auto& [name, waits] : before_)
    for (const Wait& one : waits) awaited.insert(one.name);
  std::vector<std::string> found;
  for (const std::string& name : insertion_)
    if (!awaited.contains(name)) found.push_back(name);
  return found;
}

Steps join(std::vector<Steps> parts, bool in_sequence) {
  Steps whole;
  std::vector<std::string> ends;  // sinks of the part before
  for (Steps& part : parts) {
    if (part.empty()) continue;
    std::vector<std::string> begins, its_ends;
    if (in_sequence) {
      begins = part.sources();
      its_ends = part.sinks();
    }
    whole.take(std::move(part));
    if (!in_sequence) continue;
    for (const std::string& begin : begins) {
      auto& all = whole.before_[begin];
      std::set<std::string_view> known;
      for (const Steps::Wait& one : all) known.insert(one.name);
      std::vector<Steps::Wait> added;
      for (const std::string& end : ends)
        if (end != begin && !known.contains(end)) added.push_back({end});
      all.insert(all.end(), std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
    }
    ends = std::move(its_ends);
  }
  return whole;
}

void Steps::add(std::vector<Wait>& all, Wait one) {
  const auto known = std::find_if(all.begin(), all.end(), [&](const Wait& other) { return other.name == one.name; });
  if (known == all.end())
    all.push_back(std::move(one));
  else
    known->required = known->required || one.required;
}

// Adds the steps of the other graph, without an order between the two.
void Steps::take(Steps part) {
  if (empty()) {
    *this = std::move(part);
    return;
  }
  for (std::string& name : part.insertion_) {
    auto node = part.nodes_.extract(name);
    const auto [it, is_new, left] = nodes_.insert(std::move(node));
    if (is_new) {
      insertion_.push_back(std::move(name));
    } else if (it->second.step != left.mapped().step) {
      throw Error(Code::internal, "two different steps have the name " + name, "a step's name must be unique in a plan");
    } else if (it->second.group.empty()) {
      it->second = left.mapped();
    }
  }
  for (auto& [name, waits_for] : part.before_) {
    auto& all = before_[name];
    if (all.empty()) {
      all = std::move(waits_for);
      continue;
    }
    for (Wait& one : waits_for) add(all, std::move(one));
  }
  orders_.merge(part.orders_);
}

Steps rolling(std::string group, std::string member, Order order, Steps steps) {
  for (auto& [name, node] : steps.nodes_) {
    node.group = group;
    node.member = member;
  }
  steps.orders_.emplace(std::move(group), std::move(order));
  return steps;
}

void Steps::wait_for(const std::vector<StepRef>& awaited, bool required) {
  for (const std::string& begin : sources())
    for (const StepRef& one : awaited) add(before_[begin], {one.name(), required});
}

Steps after(const std::vector<StepRef>& awaited, Steps steps) {
  steps.wait_for(awaited, true);
  return steps;
}

Steps after_where_planned(const std::vector<StepRef>& awaited, Steps steps) {
  steps.wait_for(awaited, false);
  return steps;
}

Steps rolling(const std::map<std::string, Steps>& members, std::string group, Order order) {
  std::vector<Steps> parts;
  parts.reserve(members.size());
  for (const auto& [member, steps] : members) parts.push_back(rolling(group, member, order, steps));
  return parallel(std::move(parts));
}

}  // namespace pgcluster

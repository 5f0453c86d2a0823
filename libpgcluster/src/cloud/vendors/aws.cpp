// AWS: a network load balancer, its target group and listener, and a security group that holds the allow list of a public one. All have one name.
#include <algorithm>
#include <set>

#include "base/network.hpp"
#include "base/strings.hpp"
#include "cloud/vendors/aws_query.hpp"

namespace pgcluster::executor {
namespace {

const Form session_ends{{"preserve_client_ip.enabled", "false"},  // else a database host could not reach itself this way
                        {"deregistration_delay.timeout_seconds", "10"},
                        {"deregistration_delay.connection_termination.enabled", "true"},
                        {"target_health_state.unhealthy.connection_termination.enabled", "true"}};

// Of a session that says nothing, in seconds; the vendor's own 350 would end those that a pool keeps.
const char* const idle_key = "tcp.idle_timeout.seconds";
const char* const idle_time = "1800";

std::string member(const std::string& list, std::size_t n, const std::string& of = {}) {
  return list + ".member." + std::to_string(n) + (of.empty() ? "" : "." + of);
}

int parsed(const std::string& text) { return std::atoi(text.c_str()); }

Form named(const char* list, const std::string& value) { return {{member(list, 1), value}}; }

class Aws final : public CloudApi {
 public:
  explicit Aws(CloudSession& session) : session_(session), elb_(query("elasticloadbalancing", "2015-12-01")), ec2_(query("ec2", "2016-11-15")) {}

  std::optional<Balancer> find(const Balancer& wish) override {
    const Xml lb = balancer(wish.name);
    if (lb.name.empty()) return std::nullopt;
    const std::string arn = lb.word("LoadBalancerArn");
    Balancer is{.name = lb.word("LoadBalancerName"), .owner = owner(arn), .is_public = lb.word("Scheme") == "internet-facing"};
    is.address = lb.word("DNSName");
    is.network = subnets(lb, wish);
    if (lb.word("Type") != "network") is.other = "it is not a network load balancer";
    if (is.is_public) is.allowed = allowed(group(wish));
    if (attribute("DescribeLoadBalancerAttributes", "LoadBalancerArn", arn, "load_balancing.cross_zone.enabled") != "true")
      note(is, "no way across zones");
    std::string leads_to;
    const Xml listeners = elb_.call("DescribeListeners", {{"LoadBalancerArn", arn}});
    for (const Xml& one : listeners["Listeners"].in) {
      if (is.port != 0) note(is, "a listener on port " + one.word("Port"));
      is.port = parsed(one.word("Port"));
      if (one.word("Protocol") != "TCP") note(is, one.word("Protocol"));
      for (const Xml& action : one["DefaultActions"].in) leads_to = action.word("TargetGroupArn");
      const std::string idle = attribute("DescribeListenerAttributes", "ListenerArn", one.word("ListenerArn"), idle_key);
      if (idle != idle_time) note(is, "sessions may be idle for " + (idle.empty() ? "350" : idle) + " s");
    }
    const Xml targets = target_group(wish.name);
    if (targets.name.empty() || targets.word("TargetGroupArn") != leads_to) {
      note(is, "its listener leads elsewhere");
      return is;
    }
    is.path = targets.word("HealthCheckPath");
    is.check_tls = targets.word("HealthCheckProtocol") == "HTTPS";
    if (targets.word("HealthCheckProtocol") != "HTTP" && !is.check_tls) is.path += " (" + targets.word("HealthCheckProtocol") + ")";
    is.check_port = parsed(targets.word("HealthCheckPort"));
    is.interval = parsed(targets.word("HealthCheckIntervalSeconds"));
    is.timeout = parsed(targets.word("HealthCheckTimeoutSeconds"));
    is.down = parsed(targets.word("UnhealthyThresholdCount"));
    is.up = parsed(targets.word("HealthyThresholdCount"));
    if (targets["Matcher"].word("HttpCode") != "200") is.path += " (not only 200)";
    is.sessions = "cut";
    const Xml attributes = elb_.call("DescribeTargetGroupAttributes", {{"TargetGroupArn", leads_to}});
    for (const auto& [key, value] : session_ends) {
      const auto& all = attributes["Attributes"].in;
      if (std::none_of(all.begin(), all.end(),
                       [&, &key = key, &value = value](const Xml& one) { return one.word("Key") == key && one.word("Value") == value; }))
        is.sessions = "kept";
    }
    for (const auto& [id, port] : registered(leads_to)) {
      BalancerTarget target{.name = id, .id = id};
      for (const BalancerTarget& one : wish.targets)
        if (instance(wish, one) == id) target = one;
      is.targets.push_back(std::move(target));
      if (is.target_port == 0 || port != wish.target_port) is.target_port = port;
    }
    if (is.targets.empty()) is.target_port = wish.target_port;
    return is;
  }

  void check(const Balancer& wish) override {
    vpc(wish);
    std::vector<BalancerTarget> missing;
    for (const BalancerTarget& one : wish.targets)
      if (found_instance(wish, one).empty()) missing.push_back(one);
    no_such_servers(missing, "region's instances in the VPC " + vpc(wish));
  }

  void create(const Balancer& wish) override {
    const std::string targets = make_target_group(wish);
    register_targets(wish, targets);
    make_balancer(wish, targets);
  }

  void change(const Balancer& wish, const Balancer& is) override {
    const std::string targets = make_target_group(wish);
    Form check{{"TargetGroupArn", targets}};
    add_check(check, wish);
    elb_.call("ModifyTargetGroup", check);
    register_targets(wish, targets);
    const Xml lb = balancer(wish.name);
    const std::string arn = lb.word("LoadBalancerArn");
    if (is.is_public != wish.is_public || lb.word("Type") != "network") {  // which neither can be changed
      remove_balancer(wish);
      return make_balancer(wish, targets);
    }
    if (wish.is_public) make_group(wish);
    if (is.network != wish.network) {
      Form form{{"LoadBalancerArn", arn}};
      add_subnets(form, wish);
      elb_.call("SetSubnets", form);
    }
    set_attributes(arn);
    make_listener(wish, arn, targets);
  }

  void remove(const Balancer& wish) override {
    remove_balancer(wish);
    // The listener that leads to it goes a little after the balancer.
    if (const Xml targets = target_group(wish.name); !targets.name.empty() && owner(targets.word("TargetGroupArn")) == wish.owner)
      session_.wait_for("let go of the target group " + wish.name, [&] {
        return elb_.call("DeleteTargetGroup", {{"TargetGroupArn", targets.word("TargetGroupArn")}}, "ResourceInUse").name != "";
      });
    const Xml found = group(wish);
    if (found.name.empty()) return;
    // It is in use until the last interface of the balancer has gone.
    session_.wait_for("let go of the security group " + wish.name, [&] {
      return ec2_.call("DeleteSecurityGroup", {{"GroupId", found.word("groupId")}}, "DependencyViolation").name != "" || group(wish).name.empty();
    });
  }

 private:
  AwsQuery query(const char* service, const char* version) {
    if (region_.empty()) {
      region_ = session_.setting("server_location");
      if (region_.empty()) needs_setting(CloudProvider::aws, "server_location", "eu-central-1");
      key_ = {.id = session_.credential("aws_access_key_id", {"AWS_ACCESS_KEY_ID"}),
              .secret = session_.credential("aws_secret_access_key", {"AWS_SECRET_ACCESS_KEY"}),
              .token = session_.credential("aws_session_token", {"AWS_SESSION_TOKEN"}, false)};
    }
    return {session_, service, version, region_, key_};
  }

  Xml balancer(const std::string& name) {
    const Xml found = elb_.call("DescribeLoadBalancers", named("Names", name), "LoadBalancerNotFound");
    const auto& all = found["LoadBalancers"].in;
    return all.empty() ? Xml{} : all[0];
  }

  Xml target_group(const std::string& name) {
    const Xml found = elb_.call("DescribeTargetGroups", named("Names", name), "TargetGroupNotFound");
    const auto& all = found["TargetGroups"].in;
    return all.empty() ? Xml{} : all[0];
  }

  std::string owner(const std::string& arn) {
    std::string cluster;
    bool ours = false;
    const Xml found = elb_.call("DescribeTags", named("ResourceArns", arn));
    for (const Xml& of : found["TagDescriptions"].in)
      for (const Xml& tag : of["Tags"].in) {
        if (tag.word("Key") == "managed-by") ours = tag.word("Value") == "pgcluster";
        if (tag.word("Key") == "cluster") cluster = tag.word("Value");
      }
    return ours ? cluster : "";
  }

  std::string attribute(const char* action, const char* of, const std::string& arn, const std::string& key) {
    const Xml found = elb_.call(action, {{of, arn}});
    for (const Xml& one : found["Attributes"].in)
      if (one.word("Key") == key) return one.word("Value");
    return {};
  }

  // As the wish writes them, where they are the same.
  static std::string subnets(const Xml& lb, const Balancer& wish) {
    std::set<std::string> has;
    for (const Xml& zone : lb["AvailabilityZones"].in) has.insert(zone.word("SubnetId"));
    const auto wanted = strings::split(wish.network, ",");
    if (has == std::set<std::string>(wanted.begin(), wanted.end())) return wish.network;
    return joined(has, ",");
  }

  std::string vpc(const Balancer& wish) {
    if (!vpc_.empty()) return vpc_;
    const auto all = strings::split(wish.network, ",");
    if (all.empty()) needs_setting(CloudProvider::aws, "server_network", "subnet-0a1b2c");
    Form form;
    for (const std::string& one : all) form.emplace_back("SubnetId." + std::to_string(form.size() + 1), one);
    const Xml found = ec2_.call("DescribeSubnets", form, "InvalidSubnetID");
    std::string of;
    for (const Xml& one : found["subnetSet"].in) {
      if (!of.empty() && of != one.word("vpcId"))
        throw Error(Code::spec_invalid, "server_network: the subnets " + wish.network + " are of several VPCs", "name subnets of one VPC");
      of = one.word("vpcId");
    }
    if (of.empty()) no_such_network(wish.network, "the region " + region_);
    return vpc_ = of;
  }

  std::string instance(const Balancer& wish, const BalancerTarget& target) { return target.id.empty() ? found_instance(wish, target) : target.id; }

  // Other VPCs may have the same addresses.
  std::string found_instance(const Balancer& wish, const BalancerTarget& target) {
    const std::string& known_by = target.id.empty() ? target.address : target.id;
    if (const auto known = instances_.find(known_by); known != instances_.end()) return known->second;
    std::string id;
    const Xml found = ec2_.call("DescribeInstances", {{"Filter.1.Name", target.id.empty() ? "private-ip-address" : "instance-id"},
                                                      {"Filter.1.Value.1", known_by},
                                                      {"Filter.2.Name", "vpc-id"},
                                                      {"Filter.2.Value.1", vpc(wish)}});
    for (const Xml& reservation : found["reservationSet"].in)
      for (const Xml& one : reservation["instancesSet"].in)
        if (one["instanceState"].word("name") != "terminated") id = one.word("instanceId");
    return instances_[known_by] = id;
  }

  std::set<std::pair<std::string, int>> registered(const std::string& targets) {
    std::set<std::pair<std::string, int>> found;
    const Xml answer = elb_.call("DescribeTargetHealth", {{"TargetGroupArn", targets}});
    for (const Xml& one : answer["TargetHealthDescriptions"].in)
      if (one["TargetHealth"].word("State") != "draining") found.emplace(one["Target"].word("Id"), parsed(one["Target"].word("Port")));
    return found;
  }

  static void add_tags(Form& form, const Balancer& wish) {
    std::size_t n = 0;
    for (const auto& [key, value] : Form{{"cluster", wish.owner}, {"managed-by", "pgcluster"}}) {
      form.emplace_back(member("Tags", ++n, "Key"), key);
      form.emplace_back(member("Tags", n, "Value"), value);
    }
  }

  static void add_subnets(Form& form, const Balancer& wish) {
    std::size_t n = 0;
    for (const std::string& one : strings::split(wish.network, ",")) form.emplace_back(member("Subnets", ++n), one);
  }

  static void add_check(Form& form, const Balancer& wish) {
    form.insert(form.end(), {{"HealthCheckProtocol", wish.check_tls ? "HTTPS" : "HTTP"},
                             {"HealthCheckPort", std::to_string(wish.check_port)},
                             {"HealthCheckPath", wish.path},
                             {"HealthCheckIntervalSeconds", std::to_string(wish.interval)},
                             {"HealthCheckTimeoutSeconds", std::to_string(wish.timeout)},
                             {"HealthyThresholdCount", std::to_string(wish.up)},
                             {"UnhealthyThresholdCount", std::to_string(wish.down)},
                             {"Matcher.HttpCode", "200"}});
  }

  std::string make_target_group(const Balancer& wish) {
    Xml found = target_group(wish.name);
    if (found.name.empty()) {
      Form form{
          {"Name", wish.name}, {"Protocol", "TCP"}, {"Port", std::to_string(wish.target_port)}, {"VpcId", vpc(wish)}, {"TargetType", "instance"}};
      add_check(form, wish);
      add_tags(form, wish);
      elb_.create("CreateTargetGroup", form, [&] { return !target_group(wish.name).name.empty(); });
      found = target_group(wish.name);
    } else if (owner(found.word("TargetGroupArn")) != wish.owner) {
      throw Error(Code::refused, "there is a target group " + wish.name + " that is not this cluster's",
                  "remove it, or choose another patroni_cluster_name");
    }
    Form form{{"TargetGroupArn", found.word("TargetGroupArn")}};
    std::size_t n = 0;
    for (const auto& [key, value] : session_ends) {
      form.emplace_back(member("Attributes", ++n, "Key"), key);
      form.emplace_back(member("Attributes", n, "Value"), value);
    }
    elb_.call("ModifyTargetGroupAttributes", form);
    return found.word("TargetGroupArn");
  }

  // New ones first, so that there is always one; but for those on another port, which nobody reaches any more.
  void register_targets(const Balancer& wish, const std::string& targets) {
    const auto has = registered(targets);
    std::set<std::pair<std::string, int>> wanted;
    for (const BalancerTarget& one : wish.targets) {
      const std::string id = instance(wish, one);
      if (id.empty()) no_such_servers({one}, "region's instances in the VPC " + vpc(wish));
      wanted.emplace(id, wish.target_port);
    }
    const auto send = [&](const char* action, const auto& from, const auto& but) {
      Form form{{"TargetGroupArn", targets}};
      std::size_t n = 0;
      for (const auto& one : from) {
        if (but.contains(one)) continue;
        form.emplace_back(member("Targets", ++n, "Id"), one.first);
        form.emplace_back(member("Targets", n, "Port"), std::to_string(one.second));
      }
      if (n > 0) elb_.call(action, form);
    };
    std::set<std::pair<std::string, int>> moved;
    for (const auto& one : has)
      if (!wanted.contains(one) && wanted.contains({one.first, wish.target_port})) moved.insert(one);
    send("DeregisterTargets", moved, wanted);
    send("RegisterTargets", wanted, has);
    for (const auto& one : moved) wanted.insert(one);
    send("DeregisterTargets", has, wanted);
  }

  void set_attributes(const std::string& arn) {
    elb_.call("ModifyLoadBalancerAttributes", {{"LoadBalancerArn", arn},
                                               {member("Attributes", 1, "Key"), "load_balancing.cross_zone.enabled"},
                                               {member("Attributes", 1, "Value"), "true"}});
  }

  void make_balancer(const Balancer& wish, const std::string& targets) {
    if (balancer(wish.name).name.empty()) {
      Form form{{"Name", wish.name}, {"Type", "network"}, {"Scheme", wish.is_public ? "internet-facing" : "internal"}};
      add_subnets(form, wish);
      if (wish.is_public) form.emplace_back(member("SecurityGroups", 1), make_group(wish));
      add_tags(form, wish);
      elb_.create("CreateLoadBalancer", form, [&] { return !balancer(wish.name).name.empty(); });
    }
    const std::string arn = balancer(wish.name).word("LoadBalancerArn");
    set_attributes(arn);
    make_listener(wish, arn, targets);
    session_.wait_for("made the load balancer " + wish.name, [&] {
      const std::string state = balancer(wish.name)["State"].word("Code");
      if (state == "failed")
        throw Error(Code::command_failed, session_.name() + " could not make the load balancer " + wish.name, "see its console for why");
      return state != "provisioning";
    });
  }

  void make_listener(const Balancer& wish, const std::string& arn, const std::string& targets) {
    const Form what{{"Protocol", "TCP"},
                    {"Port", std::to_string(wish.port)},
                    {member("DefaultActions", 1, "Type"), "forward"},
                    {member("DefaultActions", 1, "TargetGroupArn"), targets}};
    const auto listeners = [&] { return elb_.call("DescribeListeners", {{"LoadBalancerArn", arn}})["Listeners"].in; };
    const auto all = listeners();
    const auto mine = std::find_if(all.begin(), all.end(), [&](const Xml& one) { return parsed(one.word("Port")) == wish.port; });
    Form form{all.empty() ? std::pair<std::string, std::string>{"LoadBalancerArn", arn}
                          : std::pair<std::string, std::string>{"ListenerArn", (mine == all.end() ? all[0] : *mine).word("ListenerArn")}};
    form.insert(form.end(), what.begin(), what.end());
    if (all.empty())  // a balancer that has just gone may hold the target group for a moment
      session_.wait_for("let go of the target group " + wish.name, [&] {
        return elb_.create(
            "CreateListener", form, [&] { return !listeners().empty(); }, "TargetGroupAssociationLimit");
      });
    else
      elb_.call("ModifyListener", form);
    for (const Xml& one : listeners())
      if (parsed(one.word("Port")) == wish.port)
        elb_.call(
            "ModifyListenerAttributes",
            {{"ListenerArn", one.word("ListenerArn")}, {member("Attributes", 1, "Key"), idle_key}, {member("Attributes", 1, "Value"), idle_time}});
    for (const Xml& one : all)
      if (one.word("ListenerArn") != form[0].second && !all.empty()) elb_.call("DeleteListener", {{"ListenerArn", one.word("ListenerArn")}});
  }

  void remove_balancer(const Balancer& wish) {
    const Xml found = balancer(wish.name);
    if (found.name.empty()) return;
    elb_.call("DeleteLoadBalancer", {{"LoadBalancerArn", found.word("LoadBalancerArn")}});
    session_.wait_for("removed the load balancer " + wish.name, [&] { return balancer(wish.name).name.empty(); });
  }

  // Of the security group that bears the balancer's name.
  Xml group(const Balancer& wish) {
    const Xml found = ec2_.call("DescribeSecurityGroups", {{"Filter.1.Name", "group-name"},
                                                           {"Filter.1.Value.1", wish.name},
                                                           {"Filter.2.Name", "tag:cluster"},
                                                           {"Filter.2.Value.1", wish.owner},
                                                           {"Filter.3.Name", "tag:managed-by"},
                                                           {"Filter.3.Value.1", "pgcluster"}});
    const auto& all = found["securityGroupInfo"].in;
    return all.empty() ? Xml{} : all[0];
  }

  struct Hole {
    std::string port, network;
    friend auto operator<=>(const Hole&, const Hole&) = default;
  };
  static std::set<Hole> holes(const Xml& group) {
    std::set<Hole> found;
    for (const Xml& rule : group["ipPermissions"].in) {
      const std::string port =
          rule.word("fromPort") == rule.word("toPort") ? rule.word("fromPort") : rule.word("fromPort") + "-" + rule.word("toPort");
      for (const Xml& range : rule["ipRanges"].in) found.insert({port, range.word("cidrIp")});
      for (const Xml& range : rule["ipv6Ranges"].in) found.insert({port, range.word("cidrIpv6")});
    }
    return found;
  }
  static std::vector<std::string> allowed(const Xml& group) {
    std::vector<std::string> found;
    for (const Hole& hole : holes(group)) found.push_back(hole.network);
    return found;
  }

  std::string make_group(const Balancer& wish) {
    Xml found = group(wish);
    if (found.name.empty()) {
      ec2_.create("CreateSecurityGroup",
                  {{"GroupName", wish.name},
                   {"GroupDescription", "Who may connect to the load balancer " + wish.name},
                   {"VpcId", vpc(wish)},
                   {"TagSpecification.1.ResourceType", "security-group"},
                   {"TagSpecification.1.Tag.1.Key", "cluster"},
                   {"TagSpecification.1.Tag.1.Value", wish.owner},
                   {"TagSpecification.1.Tag.2.Key", "managed-by"},
                   {"TagSpecification.1.Tag.2.Value", "pgcluster"}},
                  [&] { return !group(wish).name.empty(); });
      found = group(wish);
    }
    const std::string id = found.word("groupId"), port = std::to_string(wish.port);
    std::set<Hole> wanted;
    for (const std::string& network : wish.allowed) wanted.insert({port, network});
    const auto has = holes(found);
    const auto send = [&](const char* action, const Hole& hole) {
      const bool v6 = net::is_ipv6(hole.network);
      const auto dash = hole.port.find('-');
      ec2_.call(action, {{"GroupId", id},
                         {"IpPermissions.1.IpProtocol", "tcp"},
                         {"IpPermissions.1.FromPort", hole.port.substr(0, dash)},
                         {"IpPermissions.1.ToPort", dash == std::string::npos ? hole.port : hole.port.substr(dash + 1)},
                         {v6 ? "IpPermissions.1.Ipv6Ranges.1.CidrIpv6" : "IpPermissions.1.IpRanges.1.CidrIp", hole.network}});
    };
    for (const Hole& hole : wanted)
      if (!has.contains(hole)) send("AuthorizeSecurityGroupIngress", hole);
    for (const Hole& hole : has)
      if (!wanted.contains(hole)) send("RevokeSecurityGroupIngress", hole);
    return id;
  }

  CloudSession& session_;
  std::string region_{}, vpc_{};
  AwsKey key_{};
  std::map<std::string, std::string> instances_{};
  AwsQuery elb_, ec2_;
};

}  // namespace

std::unique_ptr<CloudApi> aws_api(CloudSession& session) { return std::make_unique<Aws>(session); }

}  // namespace pgcluster::executor

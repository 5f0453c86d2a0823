#include "topology/cloud.hpp"

namespace pgcluster {

HostAccess cloud_access(const Spec& spec, const KnownCloud& known) {
  CloudAccess cloud{.provider = known.provider, .endpoint = known.endpoint};
  const auto credential = [&](const char* key, const SpecSecret& secret) {
    if (secret.given()) cloud.credentials.emplace_back(key, Text(Secret{key, secret.value}));
  };
  credential("hcloud_api_token", spec.hcloud_api_token);
  credential("do_api_token", spec.do_api_token);
  credential("aws_access_key_id", spec.aws_access_key_id);
  credential("aws_secret_access_key", spec.aws_secret_access_key);
  credential("aws_session_token", spec.aws_session_token);
  credential("gcp_service_account_contents", spec.gcp_service_account_contents);
  credential("azure_client_id", spec.azure_client_id);
  credential("azure_secret", spec.azure_secret);
  credential("azure_tenant", spec.azure_tenant);
  credential("azure_subscription_id", spec.azure_subscription_id);
  cloud.settings = known.settings;
  HostAccess access;
  access.name = access.address = "cloud:" + std::string(to_string(known.provider));
  access.transport = Transport::cloud;
  access.cloud = std::move(cloud);
  return access;
}

}  // namespace pgcluster

#include "executor/cloud_session.hpp"
namespace pgcluster::executor {
std::unique_ptr<CloudProvider> azure_provider(CloudSession&) { throw Error(Code::internal, "not yet"); }
}  // namespace pgcluster::executor

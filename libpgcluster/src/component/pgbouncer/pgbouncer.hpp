#pragma once

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// The password of PgBouncer's own role, which the database knows, too.
inline SecretNeed pgbouncer_secret(const Spec& spec) { return {"pgbouncer_auth_password", spec.pgbouncer_auth_password, {"pgbouncer"}}; }

/// The file of rules by which PgBouncer lets clients in: those of pg_hba.conf, as far as PgBouncer knows them.
std::string pgbouncer_hba(const ClusterView& view);

}  // namespace pgcluster

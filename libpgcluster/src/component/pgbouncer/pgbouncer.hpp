#pragma once

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// The password of PgBouncer's own role, which the database knows, too.
inline SecretNeed pgbouncer_secret(const Spec& spec) { return {"pgbouncer_auth_password", spec.pgbouncer_auth_password, {"pgbouncer"}}; }

}  // namespace pgcluster

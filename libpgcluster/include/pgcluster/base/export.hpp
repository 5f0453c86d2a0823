#pragma once

/// Stands behind the namespace of each public header: what is declared there is what the shared library exports, and nothing else is.
#define PGCLUSTER_API __attribute__((visibility("default")))

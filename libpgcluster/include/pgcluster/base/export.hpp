#pragma once

/// Marks the namespace in each public header: what is declared there is what the shared library exports, and nothing else is.
#define PGCLUSTER_API [[gnu::visibility("default")]]

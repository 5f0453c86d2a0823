#pragma once

#include <optional>
#include <string>
#include <vector>

#include <pgcluster/operate/operate.hpp>

namespace pgcluster {

/// What the page of html_report() shows. What could not be read has the reason instead.
struct Page {
  std::string made;  ///< "2026-11-30 21:15 UTC"
  Topology topology{};
  std::string picture{};  ///< SVG
  std::optional<Status> status{};
  Failure no_status{};
  bool backed_up = false;
  std::optional<Backups> backups{};
  Failure no_backups{};
  std::optional<Plan> plan{};
  Failure no_plan{};
  std::optional<History> history{};
  Failure no_history{};
  std::vector<Event> events{};  ///< of the last apply; empty: there is no log of it
};

/// The whole document. Pure.
std::string html(const Page& page);

/// An apply as a picture and a table: a row of bars for the cluster and for each host. `hosts` come first, in this order.
std::string timeline(const std::vector<Event>& events, const std::vector<std::string>& hosts);

}  // namespace pgcluster

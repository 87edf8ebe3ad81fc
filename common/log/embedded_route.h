#pragma once

#include <span>
#include <vector>

#include "common/log/embedded_lane.h"

namespace millrace {

// Checks the records, chooses their partitions and sorts them by lane: those of `home` into `own`,
// the others into `other`. `records` must live until both requests are done.
Status route(const TopicTable& topics, std::span<const Record> records, const EmbeddedLane& home,
             LaneRequest& own, LaneRequest& other);

// Stores the records in their lanes, as one request each, and calls `done` once with the positions
// in the order of the records.
void route_append(const TopicTable& topics, std::vector<Record> records, AppendHandler done);

// Trims topics that are kept by time. Waits.
Status route_trim(const TopicTable& topics, const Offsets& before);

}  // namespace millrace

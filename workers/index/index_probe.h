#pragma once

#include "common/metrics.h"

namespace millrace {

// The metrics of one partition index.
struct IndexProbe {
  IndexProbe(MetricsRegistry& metrics, const MetricLabels& labels);

  Gauge documents;
  Gauge chunks;
  Gauge dead;
  Gauge segments;
  Gauge frozen;
  Gauge bytes;
  Gauge memory_bytes;
  Counter merges_total;
  Counter purges_total;
  Histogram search_seconds;
  Histogram apply_seconds;
  Histogram seal_seconds;
  Histogram merge_seconds;
  Histogram snapshot_seconds;
};

}  // namespace millrace

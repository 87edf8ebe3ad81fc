#include "workers/index/index_probe.h"

namespace millrace {
namespace {

const std::vector<double>& seconds_buckets() {
  static const std::vector<double> buckets{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                           0.025,  0.05,    0.1,    0.25,  0.5,    1,     5};
  return buckets;
}

const std::vector<double>& long_buckets() {
  static const std::vector<double> buckets{0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600};
  return buckets;
}

}  // namespace

IndexProbe::IndexProbe(MetricsRegistry& metrics, const MetricLabels& labels)
    : documents{metrics.gauge("rag_active_documents", "Documents indexed", labels)},
      chunks{metrics.gauge("index_chunks", "Chunks that can be found", labels)},
      dead{metrics.gauge("index_deleted_slots", "Rows of deleted chunks in segments", labels)},
      segments{metrics.gauge("index_segments", "Segments", labels)},
      frozen{metrics.gauge("index_frozen_segments", "Segments that wait to become files", labels)},
      bytes{metrics.gauge("index_bytes", "Bytes on disk", labels)},
      memory_bytes{metrics.gauge("index_memory_bytes",
                                 "Bytes of segments in memory, mapped files included", labels)},
      merges_total{metrics.counter("index_merges_total", "Merges of segments", labels)},
      purges_total{metrics.counter(
          "index_purges_total", "Times that what was removed or replaced left the files", labels)},
      search_seconds{metrics.histogram("index_search_seconds", "One search, texts included", labels,
                                       seconds_buckets())},
      apply_seconds{metrics.histogram("index_apply_seconds", "One embeddings record", labels,
                                      seconds_buckets())},
      seal_seconds{metrics.histogram("index_seal_seconds", "Writing what grew in memory to files",
                                     labels, long_buckets())},
      merge_seconds{metrics.histogram("index_merge_seconds", "One merge of segments", labels,
                                      long_buckets())},
      snapshot_seconds{metrics.histogram("index_snapshot_seconds", "Copying the index", labels,
                                         seconds_buckets())} {}

}  // namespace millrace

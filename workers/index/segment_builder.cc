#include "workers/index/segment_builder.h"

#include <utility>
#include <vector>

#include "workers/index/files.h"

namespace millrace {
namespace {

// A source with its words and columns as what can be merged.
struct OpenSource {
  std::string words_bytes;
  std::string columns_bytes;
  std::unique_ptr<InvertedIndex> owned_words;
  std::unique_ptr<Columns> owned_columns;
  const InvertedIndex* words = nullptr;
  const Columns* columns = nullptr;
};

Status open_source(const SegmentSource& source, OpenSource& open) {
  if (source.sealed != nullptr) {
    open.words = &source.sealed->words();
    open.columns = &source.sealed->columns();
    return {};
  }
  const auto append = [&open](std::string_view bytes) -> Status {
    open.words_bytes += bytes;
    return {};
  };
  if (Status written = source.growing->words().serialize(append); !written) return written;
  Result<std::unique_ptr<InvertedIndex>> words = InvertedIndex::open(open.words_bytes);
  if (!words) return words.error();
  open.owned_words = std::move(*words);
  open.words = open.owned_words.get();
  open.columns_bytes = source.growing->columns().serialize();
  Result<std::unique_ptr<Columns>> columns = Columns::open(open.columns_bytes);
  if (!columns) return columns.error();
  open.owned_columns = std::move(*columns);
  open.columns = open.owned_columns.get();
  return {};
}

std::vector<std::uint64_t> kept_slots(std::span<const SegmentSource> sources) {
  std::vector<std::uint64_t> slots;
  for (const SegmentSource& source : sources) {
    const Segment* segment = source.sealed.get();
    if (segment == nullptr) segment = source.growing.get();
    for (Row row = source.keep.next(0); row < source.keep.rows(); row = source.keep.next(row + 1)) {
      slots.push_back(segment->slots()[row]);
    }
  }
  return slots;
}

Status write_words(const std::filesystem::path& file, std::span<const SegmentSource> sources,
                   std::span<const OpenSource> open, const std::stop_token& stop) {
  std::vector<InvertedIndex::Source> words;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    words.push_back({open[i].words, &sources[i].keep});
  }
  Result<FileWriter> out = FileWriter::create(file);
  if (!out) return out.error();
  const auto sink = [&](std::string_view bytes) -> Status {
    if (stop.stop_requested()) return unavailable("the index is being closed");
    return out->write(bytes);
  };
  if (Status merged = InvertedIndex::merge(words, sink); !merged) return merged;
  return out->finish();
}

Status write_columns(const std::filesystem::path& file, std::span<const SegmentSource> sources,
                     std::span<const OpenSource> open) {
  std::vector<Columns::Source> columns;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    columns.push_back({open[i].columns, &sources[i].keep});
  }
  return write_file(file, Columns::merge(columns));
}

Status write_files(const std::filesystem::path& directory, const SegmentPlan& plan,
                   std::span<const SegmentSource> sources, const StoreView& store,
                   std::span<const std::uint64_t> slots, const std::stop_token& stop) {
  if (Status made = make_directory(directory); !made) return made;
  std::vector<OpenSource> open(sources.size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (Status opened = open_source(sources[i], open[i]); !opened) return opened;
  }
  Status written = write_words(directory / SealedSegment::kWordsFile, sources, open, stop);
  if (!written) return written;
  written = write_columns(directory / SealedSegment::kColumnsFile, sources, open);
  if (!written) return written;
  open.clear();
  const auto vectors = [&](Row begin, std::size_t count, std::span<float> values) -> Status {
    if (stop.stop_requested()) return unavailable("the index is being closed");
    return store.vectors(slots.subspan(begin, count), values);
  };
  written = VectorIndex::build(directory / SealedSegment::kVectorsFile, slots.size(),
                               plan.dimensions, vectors, plan.vectors, stop);
  if (!written) return written;
  return SealedSegment::write_manifest(directory, plan.index_id, plan.dimensions, slots);
}

}  // namespace

Result<std::shared_ptr<const SealedSegment>> build_segment(const SegmentPlan& plan,
                                                           std::span<const SegmentSource> sources,
                                                           const StoreView& store,
                                                           const std::stop_token& stop) {
  const std::vector<std::uint64_t> slots = kept_slots(sources);
  if (slots.empty()) return std::shared_ptr<const SealedSegment>{};
  const std::filesystem::path temporary = plan.directory.string() + ".tmp";
  for (const std::filesystem::path& path : {temporary, plan.directory}) {
    if (Status removed = remove_tree(path); !removed) return removed.error();
  }
  if (Status written = write_files(temporary, plan, sources, store, slots, stop); !written) {
    remove_tree(temporary).has_value();  // what is left is removed with the next opening
    return written.error();
  }
  if (Status renamed = rename_path(temporary, plan.directory); !renamed) return renamed.error();
  // Opening reads what was written: a segment is used only once it has been found whole.
  return SealedSegment::open(plan.directory, plan.index_id, plan.dimensions);
}

}  // namespace millrace

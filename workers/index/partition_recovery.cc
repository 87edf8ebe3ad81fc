#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

#include "common/logging.h"
#include "workers/index/partition_index.h"

namespace millrace {
namespace {

constexpr std::uint64_t kRowsPerRead = 256;  // of texts and vectors from RocksDB: about 1 MB

std::uint64_t end_of(const SlotRange& range) { return range.first + range.count; }

std::uint64_t first_slot(const SealedSegment& segment) { return segment.slots()[0]; }
std::uint64_t end_slot(const SealedSegment& segment) {
  return segment.slots()[segment.rows() - 1] + 1;
}

// What the name of a segment's folder counts; none when it is none.
std::optional<std::uint64_t> number_of(std::string_view name) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return number;
}

}  // namespace

Status StoredPartitionIndex::open() {
  std::error_code error;
  if (std::filesystem::exists(options_.directory / kDamageFile, error)) {
    return fatal("damage was found when " + options_.directory.string() + " was last used");
  }
  Result<std::unique_ptr<ChunkStore>> store =
      ChunkStore::open(options_.directory / "store", options_.dimensions);
  if (!store) return store.error();
  store_ = std::move(*store);
  position_ = store_->position().value_or(0);
  if (Status made = make_directory(segments_directory()); !made) return made;
  std::vector<Needed> needed;
  if (Status loaded = load_rows(needed); !loaded) return loaded;
  if (Status loaded = load_segments(std::move(needed)); !loaded) return loaded;
  if (Status noted = note_removed(); !noted) return noted;
  sealer_.wake();
  merger_.wake();
  probe_.bytes.set(static_cast<double>(tree_bytes(options_.directory)));
  show_counts();
  return {};
}

Result<std::uint32_t> StoredPartitionIndex::collection_of(std::string_view key) const {
  const auto found = collections_.find(key.substr(0, key.find('/')));
  if (found == collections_.end()) return fatal("a document is of a collection without a row");
  return found->second.number;
}

Status StoredPartitionIndex::load_rows(std::vector<Needed>& needed) {
  Status read = store_->each_collection([this](std::string_view name, CollectionRow row) {
    collections_.emplace(name, std::move(row));
  });
  if (!read) return read;
  Status known;
  read = store_->each_document([&](std::string_view key, const DocumentRow& row) {
    count(key, row, 1);
    if (row.chunks() == 0) return;
    const Result<std::uint32_t> collection = collection_of(key);
    if (!collection) {
      known = collection.error();
      return;
    }
    const Audience audience =
        audiences_.acquire(key.substr(0, key.find('/')), row.allow, row.chunks());
    for (const SlotRange& range : row.ranges) needed.push_back({range, audience, *collection});
  });
  if (!read) return read;
  if (!known) return known;
  if (Status staged = load_staged(needed); !staged) return staged;
  std::sort(needed.begin(), needed.end(),
            [](const Needed& a, const Needed& b) { return a.range.first < b.range.first; });
  Result<std::vector<ChunkStore::Garbage>> garbage = store_->garbage();
  if (!garbage) return garbage.error();
  garbage_ = std::move(*garbage);
  return {};
}

Status StoredPartitionIndex::load_staged(std::vector<Needed>& needed) {
  return store_->each_staged([&](std::string_view key, const StagedRow& row) -> Status {
    const std::size_t id_end = key.find('\0');
    const std::size_t revision_end = key.find('\0', id_end + 1);
    if (id_end == std::string_view::npos || revision_end == std::string_view::npos) {
      return fatal("a staged batch has a damaged key");
    }
    const auto batch = big_endian_from(key.substr(revision_end + 1));
    staging_.add(key.substr(0, id_end), key.substr(id_end + 1, revision_end - id_end - 1),
                 static_cast<std::int32_t>(batch.value_or(0)), row);
    if (row.range.count == 0) return {};
    const Result<std::uint32_t> collection = collection_of(key);
    if (!collection) return collection.error();
    needed.push_back({row.range, kStagedRow, *collection});
    return {};
  });
}

// Those that are whole and of this index, by slot. Where a crash left a merge's result beside what
// it was made of, the result, which is newer, is taken.
Result<StoredPartitionIndex::SealedSegments> StoredPartitionIndex::open_segments() {
  Result<std::vector<std::string>> names = names_in(segments_directory());
  if (!names) return names.error();
  std::sort(names->begin(), names->end(), [](const std::string& a, const std::string& b) {
    return number_of(a).value_or(0) > number_of(b).value_or(0);
  });
  SealedSegments segments;
  for (const std::string& name : *names) {
    const std::filesystem::path directory = segments_directory() / name;
    Result<std::shared_ptr<const SealedSegment>> segment = rejected("it was not finished");
    if (const auto number = number_of(name)) {
      last_name_ = std::max(last_name_.load(), *number);
      segment = SealedSegment::open(directory, store_->index_id(),
                                    static_cast<std::size_t>(options_.dimensions));
    }
    if (segment && end_slot(**segment) > store_->numbers().slot) {
      segment = rejected("slots that were never given");
    }
    const auto overlaps = [&](const std::shared_ptr<const SealedSegment>& other) {
      return first_slot(*other) < end_slot(**segment) && first_slot(**segment) < end_slot(*other);
    };
    if (segment && std::ranges::any_of(segments, overlaps)) segment = rejected("it was merged");
    if (segment) {
      segments.push_back(std::move(*segment));
      continue;
    }
    log_event(LogLevel::warning, "index_segment_removed",
              {{"directory", directory.string()}, {"reason", segment.error().message}});
    if (Status removed = remove_tree(directory); !removed) return removed.error();
  }
  std::ranges::sort(segments, {}, [](const auto& segment) { return first_slot(*segment); });
  return segments;
}

Status StoredPartitionIndex::load_segments(std::vector<Needed> needed) {
  Result<SealedSegments> segments = open_segments();
  if (!segments) return segments.error();
  sealer_.start([this](const std::stop_token& stop) { return seal(stop); });
  merger_.start(
      [this](const std::stop_token& stop) {
        return purge_ == Purge::running ? purge_some(stop) : merge(by_size(choose_merge), stop);
      },
      [this](const std::stop_token& stop) { return merge(by_size(choose_quiet_merge), stop); },
      options_.quiet_after);
  std::size_t next = 0;
  for (std::shared_ptr<const SealedSegment>& segment : *segments) {
    const std::filesystem::path directory = segment->directory();
    const Result<std::string_view> refused = load_segment(std::move(segment), needed, next);
    if (!refused) return refused.error();
    if (refused->empty()) continue;
    log_event(LogLevel::warning, "index_segment_removed",
              {{"directory", directory.string()}, {"reason", *refused}});
    if (Status removed = remove_tree(directory); !removed) return removed;
  }
  return load_from_store(std::span<const Needed>{needed}.subspan(next));
}

namespace {

// The first of needed[next…] that lies behind `border`. A batch may have filled one segment and
// gone on in the next one: a range across the border is cut in two.
template <class Needed>
std::size_t cut_at(std::vector<Needed>& needed, std::size_t next, std::uint64_t border) {
  auto range =
      std::partition_point(needed.begin() + static_cast<std::ptrdiff_t>(next), needed.end(),
                           [border](const Needed& n) { return end_of(n.range) <= border; });
  if (range != needed.end() && range->range.first < border) {
    Needed rest = *range;
    rest.range = {border, end_of(range->range) - border};
    range->range.count = border - range->range.first;
    range = needed.insert(range + 1, rest);
  }
  return static_cast<std::size_t>(range - needed.begin());
}

// Whether all slots of the ranges, which ascend, are among the segment's.
template <class Needed>
bool has_all(const SealedSegment& segment, std::span<const Needed> needed) {
  const std::uint64_t* slot = segment.slots();
  const std::uint64_t* end = slot + segment.rows();
  for (const Needed& n : needed) {
    slot = std::lower_bound(slot, end, n.range.first);
    // They ascend: where the first and the last stand so far apart, all between are there.
    if (static_cast<std::uint64_t>(end - slot) < n.range.count || *slot != n.range.first ||
        slot[n.range.count - 1] != end_of(n.range) - 1) {
      return false;
    }
  }
  return true;
}

}  // namespace

// Places a segment behind what is there, with everything needed before it. Why it is of no use,
// else nothing.
Result<std::string_view> StoredPartitionIndex::load_segment(
    std::shared_ptr<const SealedSegment> segment, std::vector<Needed>& needed, std::size_t& next) {
  const std::size_t begin = cut_at(needed, next, first_slot(*segment));
  const std::size_t behind = cut_at(needed, begin, end_slot(*segment));
  const std::span<const Needed> all{needed};
  const std::span<const Needed> inside = all.subspan(begin, behind - begin);
  if (inside.empty()) return "nothing in it is alive";
  if (!has_all(*segment, inside)) return "it does not have the rows of the store";
  if (Status read = load_from_store(all.subspan(next, begin - next)); !read) return read.error();
  const auto lock = lock_.write();
  segments_.append(std::move(segment));
  for (const Needed& n : inside) segments_.set_audience(n.range, n.audience);
  next = behind;
  return std::string_view{};
}

Status StoredPartitionIndex::load_from_store(std::span<const Needed> needed) {
  for (const Needed& n : needed) {
    for (std::uint64_t done = 0; done < n.range.count; done += kRowsPerRead) {
      if (Status room = wait_for_room(); !room) return room;
      const SlotRange piece{n.range.first + done, std::min(kRowsPerRead, n.range.count - done)};
      if (Status read = load_piece(piece, n.collection); !read) return read;
    }
    const auto lock = lock_.write();
    segments_.set_audience(n.range, n.audience);
  }
  return {};
}

// Rows of one batch, and so of one revision.
Status StoredPartitionIndex::load_piece(SlotRange piece, std::uint32_t collection) {
  std::vector<std::uint64_t> slots(piece.count);
  std::iota(slots.begin(), slots.end(), piece.first);
  const StoreView view = store_->view();
  Result<std::vector<ChunkRow>> rows = view.chunks(slots);
  if (!rows) return rows.error();
  Result<RevisionRow> revision = view.revision(rows->front().revision_number);
  if (!revision) return revision.error();
  std::vector<float> vectors(slots.size() * static_cast<std::size_t>(options_.dimensions));
  if (Status read = view.vectors(slots, vectors); !read) return read;
  std::vector<ChunkTerms> terms;
  for (const ChunkRow& row : *rows) {
    terms.emplace_back(row.chunk, revision->title, revision->language);
  }
  append({slots, vectors, terms, collection, revision->metadata});
  return {};
}

namespace {

Result<std::unique_ptr<PartitionIndex>> open_as_it_is(const IndexOptions& options,
                                                      MetricsRegistry& metrics) {
  auto index = std::make_unique<StoredPartitionIndex>(options, metrics);
  if (Status opened = index->open(); !opened) return opened.error();
  return std::unique_ptr<PartitionIndex>{std::move(index)};
}

}  // namespace

Result<std::unique_ptr<PartitionIndex>> open_partition_index(const IndexOptions& options,
                                                             MetricsRegistry& metrics) {
  if (options.dimensions < 1 || options.block_rows < 1) {
    return rejected("an index needs at least one dimension and one row per block");
  }
  Result<std::unique_ptr<PartitionIndex>> index = open_as_it_is(options, metrics);
  if (index || index.error().kind != Error::Kind::fatal) return index;
  log_event(LogLevel::error, "index_removed",
            {{"directory", options.directory.string()}, {"reason", index.error().message}});
  // The note of the damage goes last: a crash in between leaves it to the next opening.
  for (const std::string_view part :
       {std::string_view{"segments"}, std::string_view{"store"}, kDamageFile}) {
    if (Status removed = remove_tree(options.directory / part); !removed) return removed.error();
  }
  return open_as_it_is(options, metrics);
}

}  // namespace millrace

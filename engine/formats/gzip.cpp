// gzip through libarchive, which bundles need anyway: a `raw` archive is one stream of bytes behind a filter.
#include "engine/formats/gzip.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct FreeWriter {
  void operator()(archive* a) const { archive_write_free(a); }
};
struct FreeReader {
  void operator()(archive* a) const { archive_read_free(a); }
};

[[noreturn]] void fail(archive* a, const std::string& what) {
  const char* text = archive_error_string(a);
  throw Error(what + ": " + (text == nullptr ? "unknown reason" : text));
}

la_ssize_t append(archive* a, void* bytes, const void* piece, std::size_t size) {
  const auto* begin = static_cast<const std::uint8_t*>(piece);
  auto& all = *static_cast<Bytes*>(bytes);
  try {
    all.insert(all.end(), begin, begin + size);
  } catch (const std::bad_alloc&) {  // must not pass through C code
    archive_set_error(a, ENOMEM, "out of memory");
    return -1;
  }
  return static_cast<la_ssize_t>(size);
}

template <typename T>
T* made(T* object) {
  if (object == nullptr) throw std::bad_alloc();
  return object;
}

}  // namespace

Bytes gzip(const Bytes& bytes) {
  Bytes packed;
  packed.reserve(bytes.size() + 1024);
  const std::unique_ptr<archive, FreeWriter> writer(made(archive_write_new()));
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(made(archive_entry_new()), archive_entry_free);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive* a = writer.get();
  const auto check = [&](la_ssize_t status) {
    if (status < ARCHIVE_OK) fail(a, "gzip: cannot compress");
  };
  check(archive_write_set_format_raw(a));
  check(archive_write_add_filter_gzip(a));
  check(archive_write_set_filter_option(a, "gzip", "compression-level", "9"));
  check(archive_write_set_filter_option(a, "gzip", "timestamp", nullptr));  // reproducible
  check(archive_write_set_bytes_per_block(a, 0));                           // no padding
  check(archive_write_open(a, &packed, nullptr, append, nullptr));
  check(archive_write_header(a, entry.get()));
  if (!bytes.empty()) check(archive_write_data(a, bytes.data(), bytes.size()));
  check(archive_write_close(a));
  return packed;
}

Bytes gunzip(const Bytes& bytes, std::uint64_t unpacked, const std::string& place) {
  if (bytes.size() < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b) throw Error(place + ": is not gzip, gzip expected");
  const std::unique_ptr<archive, FreeReader> reader(made(archive_read_new()));
  archive* a = reader.get();
  archive_entry* entry = nullptr;
  if (archive_read_support_filter_gzip(a) != ARCHIVE_OK || archive_read_support_format_raw(a) != ARCHIVE_OK ||
      archive_read_open_memory(a, bytes.data(), bytes.size()) != ARCHIVE_OK ||
      archive_read_next_header(a, &entry) != ARCHIVE_OK)
    fail(a, place + ": cannot be unpacked");
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  Bytes result;
  for (;;) {
    const std::size_t done = result.size();
    // One byte more than expected: a longer stream must be noticed.
    result.resize(static_cast<std::size_t>(std::min(done + kPiece, unpacked + 1)));
    const la_ssize_t got = archive_read_data(a, result.data() + done, result.size() - done);
    if (got < 0) fail(a, place + ": cannot be unpacked");
    result.resize(done + static_cast<std::size_t>(got));
    if (got == 0 || result.size() > unpacked) break;
  }
  if (result.size() != unpacked)
    throw Error(place + ": unpacks to " + (result.size() > unpacked ? "more than " : "") +
                std::to_string(std::min<std::uint64_t>(result.size(), unpacked)) + " bytes, " +
                std::to_string(unpacked) + " expected");
  return result;
}

}  // namespace tsugi
